/* curl_mail_error.c: what a failed SMTP connection raises. */
#include "curl_mail.h"

static const CURLcode tls_codes[] = {
    CURLE_SSL_CONNECT_ERROR,   CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM,
    CURLE_SSL_CIPHER,          CURLE_SSL_CACERT_BADFILE,       CURLE_SSL_ISSUER_ERROR,
    CURLE_SSL_ENGINE_NOTFOUND, CURLE_SSL_INVALIDCERTSTATUS,    CURLE_USE_SSL_FAILED,
};

static int is_tls(CURLcode code)
{
    for (size_t i = 0; i < sizeof tls_codes / sizeof *tls_codes; i++)
        if (tls_codes[i] == code)
            return 1;
    return 0;
}

static const char *reason(const struct mail *m)
{
    return m->handle.detail[0] ? m->handle.detail : curl_easy_strerror(m->code);
}

/* Three digits, or 0. */
static long code_of(const char *line)
{
    long code = 0;
    for (int i = 0; i < 3; i++) {
        if (line[i] < '0' || line[i] > '9')
            return 0;
        code = code * 10 + (line[i] - '0');
    }
    return code;
}

/* The last reply before it failed, without its end -> its code, or 0 */
static long last_reply(const struct mail *m, const char **text, size_t *length)
{
    const struct buffer *b = &m->handle.head;
    size_t end = b->length;
    while (end && (b->data[end - 1] == '\n' || b->data[end - 1] == '\r'))
        end--;
    size_t start = end;
    while (start && b->data[start - 1] != '\n')
        start--;
    if (end - start < 3)
        return 0;
    *text = b->data + start;
    *length = end - start;
    return code_of(*text);
}

static void set_reply(lua_State *L, long code, const char *text, size_t length)
{
    lua_pushinteger(L, code);
    lua_setfield(L, -2, "code");
    lua_pushlstring(L, text, length);
    lua_setfield(L, -2, "reply");
}

/* The server has refused to go on. -> whether another try may help */
static int push_refused(lua_State *L, struct mail *m)
{
    const char *text = "";
    size_t length = 0;
    long code = last_reply(m, &text, &length);
    int auth = m->code == CURLE_LOGIN_DENIED || m->code == CURLE_AUTH_ERROR;
    if (auth && code < 400) {
        tusk_error(L, "email.auth", "%s offers no way to authenticate that is known here", m->peer);
        return 0;
    }
    const char *kind = auth                        ? "email.auth"
                       : code >= 500               ? "email.rejected"
                       : code >= 400 && code < 500 ? "email.temporary"
                                                   : "email.protocol";
    lua_pushlstring(L, text, length);
    tusk_error(L, kind, auth ? "%s refuses the user or password: %s" : "%s refuses to serve: %s",
               m->peer, lua_tostring(L, -1));
    lua_remove(L, -2);
    if (code >= 400)
        set_reply(L, code, text, length);
    return code >= 400 && code < 500;
}

static int push_connect(lua_State *L, struct mail *m)
{
    int e = -(int)m->request.os_error;
    if (m->code == CURLE_OPERATION_TIMEDOUT)
        tusk_error(L, "email.connect", "cannot connect to %s: not ready within %f s (ETIMEDOUT)",
                   m->peer, m->connect_timeout);
    else if (m->code == CURLE_COULDNT_RESOLVE_HOST)
        tusk_error(L, "email.connect", "cannot resolve the name in %s", m->peer);
    else if (m->code == CURLE_COULDNT_CONNECT && e)
        tusk_error(L, "email.connect", "cannot connect to %s: %s (%s)", m->peer, uv_strerror(e),
                   uv_err_name(e));
    else
        tusk_error(L, "email.connect", "cannot connect to %s: %s", m->peer, reason(m));
    return 1;
}

/* -> whether another try may help */
static int push_unready(lua_State *L, struct mail *m)
{
    if (is_tls(m->code)) {
        tusk_error(L, "email.tls", "%s: %s", m->peer, reason(m));
        return m->code == CURLE_SSL_CONNECT_ERROR;
    }
    switch (m->code) {
    case CURLE_LOGIN_DENIED:
    case CURLE_AUTH_ERROR:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_REMOTE_ACCESS_DENIED:
        return push_refused(L, m);
    default:
        return push_connect(L, m);
    }
}

static int push_broken(lua_State *L, struct mail *m)
{
    if (m->final && m->at)
        tusk_error(L, "email.connect",
                   "%s closed the connection before it answered: it may have taken the message",
                   m->peer);
    else
        tusk_error(L, "email.connect", "%s closed the connection", m->peer);
    return !(m->final && m->at);
}

static int push_error(lua_State *L, struct mail *m)
{
    if (m->too_long) {
        tusk_error(L, "email.protocol", "a reply of %s is over 64 KiB", m->peer);
        return 0;
    }
    if (m->malformed) {
        tusk_error(L, "email.protocol", "what %s says is no reply of SMTP", m->peer);
        return 0;
    }
    return m->ready ? push_broken(L, m) : push_unready(L, m);
}

int mail_fail(lua_State *L, struct mail *m)
{
    int memory = m->no_memory || m->code == CURLE_OUT_OF_MEMORY;
    mail_shut(m); // should there be no memory for the error
    if (memory && !m->too_long)
        return luaL_error(L, "not enough memory");
    luaL_checkstack(L, 8, "an error");
    int retry = push_error(L, m);
    int sent = m->final && m->at > 0;
    lua_pushstring(L, m->peer);
    lua_setfield(L, -2, "server");
    lua_pushboolean(L, sent);
    lua_setfield(L, -2, "sent");
    lua_pushboolean(L, retry && !sent);
    lua_setfield(L, -2, "retryable");
    return lua_error(L);
}

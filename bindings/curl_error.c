/* curl_error.c: what a failed request raises. */
#include <string.h>

#include "curl_http.h"

struct failure {
    const char *kind;
    int retry; /* may be tried again if nothing was sent, or it is safe to repeat */
};

static const struct {
    CURLcode code;
    struct failure failure;
} failures[] = {
    {CURLE_COULDNT_RESOLVE_HOST, {"http.dns", 1}},
    {CURLE_COULDNT_RESOLVE_PROXY, {"http.proxy", 1}},
    {CURLE_PROXY, {"http.proxy", 0}},
    {CURLE_COULDNT_CONNECT, {"http.connect", 1}},
    {CURLE_SSL_CONNECT_ERROR, {"http.tls", 1}},
    {CURLE_PEER_FAILED_VERIFICATION, {"http.tls", 0}},
    {CURLE_SSL_CERTPROBLEM, {"http.tls", 0}},
    {CURLE_SSL_CIPHER, {"http.tls", 0}},
    {CURLE_SSL_CACERT_BADFILE, {"http.tls", 0}},
    {CURLE_SSL_ISSUER_ERROR, {"http.tls", 0}},
    {CURLE_SSL_ENGINE_NOTFOUND, {"http.tls", 0}},
    {CURLE_SSL_INVALIDCERTSTATUS, {"http.tls", 0}},
    {CURLE_USE_SSL_FAILED, {"http.tls", 0}},
    {CURLE_PARTIAL_FILE, {"http.body", 1}},
    {CURLE_BAD_CONTENT_ENCODING, {"http.body", 0}},
};

static const char *detail(const struct request *r)
{
    return r->detail ? r->detail : r->handle ? r->handle->detail : "";
}

static const char *reason(const struct request *r)
{
    const char *said = detail(r);
    return said[0] ? said : curl_easy_strerror(r->code);
}

static void push_limit(lua_State *L, struct request *r)
{
    tusk_error(L, "http.body", "the body of %s is larger than max_body (%f bytes)", r->spec->label,
               (double)r->spec->limit);
    lua_pushnumber(L, (lua_Number)r->spec->limit);
    lua_setfield(L, -2, "limit");
}

static void push_stall(lua_State *L, struct request *r)
{
    tusk_error(L, "timeout", "no byte of the body of %s within %f s (%f bytes came before)",
               r->spec->label, r->spec->stall, (double)r->received);
    lua_pushnumber(L, r->spec->stall);
    lua_setfield(L, -2, "after");
}

static void push_timeout(lua_State *L, struct request *r)
{
    if (r->handed) {
        push_stall(L, r);
        return;
    }
    if (!r->started && r->elapsed < r->spec->after - 0.001) {
        int resolving = !strncmp(detail(r), "Resolving", 9); // how libcurl tells them apart
        tusk_error(L, resolving ? "http.dns" : "http.connect",
                   "cannot connect to %s: no connection within %f s (ETIMEDOUT)", r->spec->peer,
                   r->spec->connect_timeout);
        return;
    }
    tusk_error(L, "timeout", "no whole answer from %s within %f s", r->spec->label, r->spec->after);
    lua_pushnumber(L, r->spec->after);
    lua_setfield(L, -2, "after");
}

static void push_connect(lua_State *L, struct request *r)
{
    int e = -(int)r->os_error;
    if (e)
        tusk_error(L, "http.connect", "cannot connect to %s: %s (%s)", r->spec->peer,
                   uv_strerror(e), uv_err_name(e));
    else
        tusk_error(L, "http.connect", "cannot connect to %s: %s", r->spec->peer, reason(r));
}

/* The connection broke while the request was sent or the answer awaited. */
static void push_broken(lua_State *L, struct request *r)
{
    if (!r->head_done)
        tusk_error(L, "http.connect", "%s closed the connection before it answered", r->spec->peer);
    else if (r->expected >= 0)
        tusk_error(L, "http.body", "%s closed the connection after %f of %f bytes of the body",
                   r->spec->peer, (double)r->received, (double)r->expected);
    else
        tusk_error(L, "http.body", "%s closed the connection within the body (after %f bytes)",
                   r->spec->peer, (double)r->received);
}

/* The status with which a proxy has refused to make a connection, or 0. */
static long refused_by_proxy(const struct request *r)
{
    long status = 0;
    if (r->handle && !r->handed && !r->started)
        curl_easy_getinfo(r->handle->easy, CURLINFO_HTTP_CONNECTCODE, &status);
    return status >= 300 ? status : 0;
}

/* -> whether it may be tried again */
static int push_refused(lua_State *L, struct request *r, long status)
{
    tusk_error(L, "http.proxy", "cannot connect to %s, which answered %d", r->spec->peer,
               (int)status);
    lua_pushinteger(L, status);
    lua_setfield(L, -2, "status");
    return status == 429 || status >= 500;
}

static int is_broken(const struct request *r)
{
    return r->repeated || r->code == CURLE_RECV_ERROR || r->code == CURLE_SEND_ERROR ||
           r->code == CURLE_GOT_NOTHING || r->code == CURLE_SEND_FAIL_REWIND ||
           r->code == CURLE_PARTIAL_FILE;
}

static struct failure failure_of(const struct request *r)
{
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++)
        if (failures[i].code == r->code)
            return r->head_done ? (struct failure){"http.body", failures[i].failure.retry}
                                : failures[i].failure;
    return (struct failure){r->head_done ? "http.body" : "http.protocol", 0};
}

static int push_error(lua_State *L, struct request *r)
{
    struct failure f = failure_of(r);
    long refused = refused_by_proxy(r);
    if (refused)
        return push_refused(L, r, refused);
    if (r->too_large)
        return push_limit(L, r), 0;
    if (r->head_too_large || (r->code == CURLE_OUT_OF_MEMORY && r->sent && !r->head_done))
        return tusk_error(L, "http.protocol", "the header of the answer from %s is over 64 KiB",
                          r->spec->label),
               0;
    if (r->code == CURLE_OUT_OF_MEMORY && r->handed)
        return tusk_error(L, "http.body",
                          "out of memory for the body of %s, or what has come "
                          "unpacks to more than 64 MiB at once",
                          r->spec->label),
               0;
    if (r->code == CURLE_OPERATION_TIMEDOUT)
        return push_timeout(L, r), 1;
    if (r->code == CURLE_COULDNT_CONNECT && !r->handed)
        return push_connect(L, r), 1;
    if (is_broken(r))
        return push_broken(L, r), 1;
    if (r->code == CURLE_COULDNT_RESOLVE_HOST)
        return tusk_error(L, f.kind, "cannot resolve the name in %s", r->spec->peer), 1;
    return tusk_error(L, f.kind, "%s: %s", r->spec->label, reason(r)), f.retry;
}

int request_fail(lua_State *L, struct request *r)
{
    if (r->no_memory) {
        request_leave(r);
        return luaL_error(L, "not enough memory");
    }
    if (!r->handed)
        r->handle->request = NULL; // should there be no memory for the error
    luaL_checkstack(L, 8, "an error");
    int retry = push_error(L, r);
    lua_pushstring(L, r->spec->label);
    lua_setfield(L, -2, "url");
    lua_pushboolean(L, r->sent);
    lua_setfield(L, -2, "sent");
    lua_pushboolean(L, retry && (!r->sent || r->spec->idempotent));
    lua_setfield(L, -2, "retryable");
    request_leave(r);
    return lua_error(L);
}

/* curl_mail_open.c: connections to SMTP servers, up to the end of AUTH, by libcurl. */
#include <string.h>

#include "curl_mail.h"

/* ---- what libcurl says ---- */

/* Every line of every reply. */
static size_t mail_line(char *data, size_t size, size_t count, void *ud)
{
    struct mail *m = ud;
    size_t n = size * count;
    m->too_long = m->handle.head.length + n > HEAD_MAX;
    if (m->too_long)
        return 0;
    m->no_memory = buffer_add(&m->handle.head, data, n) != 0;
    return m->no_memory ? 0 : n;
}

static void take_socket(struct mail *m)
{
    if (curl_easy_getinfo(m->handle.easy, CURLINFO_ACTIVESOCKET, &m->fd) ||
        m->fd == CURL_SOCKET_BAD) {
        m->code = CURLE_COULDNT_CONNECT;
        return;
    }
    m->ready = 1;
}

void mail_connected(struct handle *h, CURLcode code)
{
    struct mail *m = (struct mail *)h; // its first member
    struct mail_call *call = m->call;
    m->code = code;
    if (!m->request.os_error)
        curl_easy_getinfo(h->easy, CURLINFO_OS_ERRNO, &m->request.os_error);
    if (!code)
        take_socket(m);
    m->call = NULL;
    tusk_wake(&call->wait);
}

void mail_take_unwatched(struct http *http)
{
    for (struct mail *m = http->mails, *next; m; m = next) {
        next = m->next;
        if (m->request.unwatched && m->call && !m->ready) {
            m->request.unwatched = 0;
            mail_connected(&m->handle, CURLE_COULDNT_CONNECT);
        }
    }
}

/* ---- the operator ---- */

static int open_finish(lua_State *L, struct tusk_wait *wait)
{
    struct mail *m = ((struct mail_call *)wait)->mail;
    if (!m->ready)
        return mail_fail(L, m);
    lua_getfenv(L, 1);
    lua_rawgeti(L, -1, 1);
    const struct buffer *head = &m->handle.head;
    lua_pushlstring(L, head->data ? head->data : "", head->length);
    return 2;
}

static void open_cancel(struct tusk_wait *wait)
{
    struct mail *m = ((struct mail_call *)wait)->mail;
    m->call = NULL;
    mail_shut(m);
    tusk_drop(wait);
}

static const struct tusk_wait_ops open_ops = {open_finish, open_cancel};

/* A text of the table at `index`, which keeps it, or NULL. */
static const char *text_field(lua_State *L, int index, const char *name)
{
    lua_getfield(L, index, name);
    const char *s = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    lua_pop(L, 1);
    return s;
}

static int set_text(lua_State *L, struct mail *m, int index, const char *name, CURLoption option)
{
    const char *s = text_field(L, index, name);
    return s ? (int)curl_easy_setopt(m->handle.easy, option, s) : 0;
}

static int set_tls(lua_State *L, struct mail *m)
{
    CURL *e = m->handle.easy;
    lua_getfield(L, 1, "starttls");
    curl_easy_setopt(e, CURLOPT_USE_SSL,
                     lua_toboolean(L, -1) ? (long)CURLUSESSL_ALL : (long)CURLUSESSL_NONE);
    lua_getfield(L, 1, "tls");
    int tls = lua_gettop(L);
    luaL_checktype(L, tls, LUA_TTABLE);
    lua_getfield(L, tls, "insecure");
    long verify = !lua_toboolean(L, -1);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, verify);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, verify * 2);
    curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    int failed = set_text(L, m, tls, "ca", CURLOPT_CAINFO) |
                 set_text(L, m, tls, "cert", CURLOPT_SSLCERT) |
                 set_text(L, m, tls, "key", CURLOPT_SSLKEY);
    lua_settop(L, tls - 2);
    return failed;
}

/* What concerns the socket. */
static void set_callbacks(struct mail *m)
{
    CURL *e = m->handle.easy;
    curl_easy_setopt(e, CURLOPT_PRIVATE, &m->handle);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, m->handle.detail);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, mail_line);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, m);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, socket_open);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, &m->handle);
    curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, socket_close);
    curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, m->handle.http);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(e, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(e, CURLOPT_SASL_IR, 1L); // AUTH takes one round trip less
}

/* 0, or not: out of memory. */
static int set_up(lua_State *L, struct mail *m)
{
    CURL *e = m->handle.easy = curl_easy_init();
    if (!e)
        return -1;
    m->link = &m->handle.http->mails;
    m->next = *m->link;
    if (m->next)
        m->next->link = &m->next;
    *m->link = m;
    set_callbacks(m);
    double ms = m->connect_timeout * 1000;
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, ms < 1 ? 1L : ms > 2e9 ? 2000000000L : (long)ms);
    return (int)curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "smtp,smtps") |
           (int)curl_easy_setopt(e, CURLOPT_PROXY, "") |
           (int)curl_easy_setopt(e, CURLOPT_NOPROXY, "*") | set_tls(L, m) |
           set_text(L, m, 1, "address", CURLOPT_URL) | set_text(L, m, 1, "user", CURLOPT_USERNAME) |
           set_text(L, m, 1, "password", CURLOPT_PASSWORD) |
           set_text(L, m, 1, "bearer", CURLOPT_XOAUTH2_BEARER);
}

static struct mail *mail_new(lua_State *L, struct http *http)
{ // 1 the table -> the connection on top
    struct mail *m = lua_newuserdata(L, sizeof *m);
    memset(m, 0, sizeof *m);
    luaL_getmetatable(L, MAIL);
    lua_setmetatable(L, -2);
    lua_pushvalue(L, 1);
    lua_setfenv(L, -2);
    m->handle.http = m->request.http = http;
    m->handle.request = &m->request;
    m->handle.mail = 1;
    m->fd = CURL_SOCKET_BAD;
    return m;
}

int op_mail_open(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    struct mail_call *call = tusk_wait_new(L, sizeof *call, &open_ops);
    struct mail *m = mail_new(L, lua_touserdata(L, lua_upvalueindex(1)));
    lua_createtable(L, 1, 0);
    lua_pushvalue(L, 3);
    lua_rawseti(L, -2, 1);
    lua_setfenv(L, 2);
    m->peer = text_field(L, 1, "peer");
    lua_getfield(L, 1, "connect_timeout");
    m->connect_timeout = lua_tonumber(L, -1);
    call->mail = m;
    if (set_up(L, m) || curl_multi_add_handle(m->handle.http->multi, m->handle.easy)) {
        mail_shut(m);
        return luaL_error(L, "not enough memory");
    }
    m->handle.running = 1;
    m->call = call;
    return tusk_park(L, &call->wait);
}

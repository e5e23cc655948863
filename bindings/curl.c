/* curl.c: HTTP by libcurl's multi interface, driven by the host's loop. */
/* link: -lcurl -Wl,-z,nodelete */
// nodelete: a name lookup that was given up runs on, in a thread of libcurl's, after the state
// closed
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "curl_http.h"

#define CONNECTIONS_KEPT 128
#define CONNECTIONS_MAX  256 /* further requests wait inside libcurl, their timeouts running */
#define AGAIN_MAX        16

/* ---- handles ---- */

void http_release(struct http *http)
{
    if (--http->handles)
        return;
    curl_global_cleanup();
    free(http);
}

static void timer_closed(uv_handle_t *handle)
{
    http_release(handle->data);
}

static CURL *easy_take(struct http *http)
{
    if (http->spares)
        return http->spare[--http->spares];
    CURL *easy = curl_easy_init();
    if (easy && easy_prepare(easy, http)) {
        curl_easy_cleanup(easy);
        return NULL;
    }
    return easy;
}

static void easy_give(struct request *r)
{
    struct http *http = r->http;
    CURL *easy = r->easy;
    r->easy = NULL;
    easy_bind(easy, NULL);
    if (r->special)
        curl_easy_reset(easy);
    if (http->spares == SPARE_MAX || (r->special && easy_prepare(easy, http)))
        curl_easy_cleanup(easy);
    else
        http->spare[http->spares++] = easy;
}

/* ---- the end of a request ---- */

void transfer_end(struct request *r)
{
    if (!r->easy)
        return;
    assert(!r->http->inside);
    curl_multi_remove_handle(r->http->multi, r->easy);
    easy_give(r);
}

void request_leave(struct request *r)
{
    tusk_disown(&r->owned);
    if (!r->active)
        return;
    r->active = 0;
    if (r->prev)
        r->prev->next = r->next;
    else
        r->http->active = r->next;
    if (r->next)
        r->next->prev = r->prev;
}

// Until it has started, libcurl tells of the handle's last one.
int request_left(struct request *r)
{
    long size = 0;
    if (r->started)
        curl_easy_getinfo(r->easy, CURLINFO_REQUEST_SIZE, &size);
    return size > 0;
}

void answer_read(struct request *r)
{
    r->sent = (uint8_t)request_left(r);
    curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &r->status);
    curl_easy_getinfo(r->easy, CURLINFO_HTTP_VERSION, &r->version);
    curl_easy_getinfo(r->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &r->expected);
}

void request_done(struct request *r, CURLcode code)
{
    r->code = code;
    if (!r->os_error)
        curl_easy_getinfo(r->easy, CURLINFO_OS_ERRNO, &r->os_error);
    if (!r->handed) {
        answer_read(r);
        curl_easy_getinfo(r->easy, CURLINFO_TOTAL_TIME, &r->elapsed);
    }
    transfer_end(r);
    if (r->handed) {
        body_ended(r);
        return;
    }
    request_leave(r);
    tusk_wake(&r->wait);
}

static void take_unwatched(struct http *http)
{
    for (struct request *r = http->active, *next; r; r = next) {
        next = r->next;
        if (r->unwatched && r->easy)
            request_done(r, CURLE_COULDNT_CONNECT);
    }
}

static void take_finished(struct http *http)
{
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(http->multi, &left));) {
        struct request *r = NULL;
        CURLcode code = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&r);
        request_done(r, code);
    }
    take_unwatched(http);
}

/* ---- libcurl and the loop ---- */

static void timer_rang(uv_timer_t *timer);

void http_drive(struct http *http, curl_socket_t fd, int events)
{
    int running;
    http->inside = 1;
    http->again = 0;
    curl_multi_socket_action(http->multi, fd, events, &running);
    for (int n = 0; http->again && n < AGAIN_MAX; n++) {
        http->again = 0;
        curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    http->inside = 0;
    if (http->again)
        uv_timer_start(&http->timer, timer_rang, 0, 0);
    take_finished(http);
}

static void timer_rang(uv_timer_t *timer)
{
    http_drive(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static void kicked(struct tusk_hook *k)
{
    struct http *http = (struct http *)((char *)k - offsetof(struct http, kick));
    if (!http->closing)
        http_drive(http, CURL_SOCKET_TIMEOUT, 0);
}

/* libcurl's: call me in ms milliseconds (-1: no more). */
static int set_timer(CURLM *multi, long ms, void *ud)
{
    (void)multi;
    struct http *http = ud;
    if (http->closing)
        return 0;
    if (ms > 0)
        uv_timer_start(&http->timer, timer_rang, (uint64_t)ms, 0);
    else
        uv_timer_stop(&http->timer);
    if (ms)
        return 0;
    if (http->inside)
        http->again = 1;
    else
        tusk_before_poll(http->host, &http->kick);
    return 0;
}

/* ---- the operator ---- */

static void request_cancel(struct tusk_wait *wait)
{
    struct request *r = (struct request *)wait;
    r->abandoned = (uint8_t)request_left(r);
    transfer_end(r);
    request_leave(r);
    if (r->abandoned)
        tusk_wake(wait);
    else
        tusk_drop(wait);
}

static const char *version_name(long version)
{
    switch (version) {
    case CURL_HTTP_VERSION_1_0:
        return "1.0";
    case CURL_HTTP_VERSION_2_0:
        return "2";
    case CURL_HTTP_VERSION_3:
        return "3";
    default:
        return "1.1";
    }
}

static int request_finish(lua_State *L, struct tusk_wait *wait)
{
    struct request *r = (struct request *)wait;
    if (r->abandoned)
        return tusk_fail_cancelled(L, 1);
    if (r->code && !r->handed)
        return request_fail(L, r);
    luaL_checkstack(L, 6, "an answer");
    lua_pushinteger(L, r->status);
    lua_pushlstring(L, r->head.data ? r->head.data : "", r->head.length);
    if (r->handed)
        lua_pushvalue(L, 1); // itself
    else
        lua_pushlstring(L, r->body.data ? r->body.data : "", r->body.length);
    lua_pushstring(L, version_name(r->version));
    lua_pushnumber(L, r->elapsed);
    if (r->handed)
        body_own(L, r);
    else
        request_free(r);
    return 5;
}

static const struct tusk_wait_ops request_ops = {request_finish, request_cancel};

static int op_request_gc(lua_State *L)
{
    struct request *r = lua_touserdata(L, 1);
    if (r->active)
        body_close(r);
    if (r->easy) // never started: an error came first
        curl_easy_cleanup(r->easy);
    r->easy = NULL;
    request_free(r);
    return 0;
}

static int request_start(lua_State *L, struct request *r)
{
    struct http *http = r->http;
    r->easy = easy_take(http);
    if (!r->easy)
        return -1;
    if (request_configure(L, r) || curl_multi_add_handle(http->multi, r->easy)) {
        easy_give(r);
        return -1;
    }
    r->active = 1;
    r->next = http->active;
    if (r->next)
        r->next->prev = r;
    http->active = r;
    return 0;
}

/*
 * perform{method, url, label, peer, headers, body, user, password, timeout, after, connect_timeout,
 * max_body, idempotent, ca, cert, key, insecure, stream, stall, follow} -> status, header block,
 * body, version, seconds. One exchange; redirects are the caller's. Everything in the table has
 * been checked. With stream it returns once the head is there, and the body is what to read it
 * from; with follow too, that of a redirect is a string all the same.
 */
static int op_perform(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    struct request *r = tusk_wait_new(L, sizeof *r, &request_ops);
    r->http = lua_touserdata(L, lua_upvalueindex(1));
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_setmetatable(L, -2);
    lua_pushvalue(L, 1);
    lua_setfenv(L, -2);
    request_read(L, r);
    if (request_start(L, r))
        return luaL_error(L, "not enough memory");
    return tusk_park(L, &r->wait);
}

/* ---- setting up ---- */

static void http_close(struct tusk_hook *k)
{
    struct http *http = (struct http *)((char *)k - offsetof(struct http, at_close));
    http->closing = 1;
    for (struct request *r; (r = http->active);) {
        r->abandoned = 1;
        body_close(r);
    }
    while (http->spares)
        curl_easy_cleanup(http->spare[--http->spares]);
    curl_multi_cleanup(http->multi);
    watch_end_all(http);
    uv_close((uv_handle_t *)&http->timer, timer_closed);
}

static struct http *http_new(struct tusk *host, uv_loop_t *loop)
{
    struct http *http = calloc(1, sizeof *http);
    if (!http)
        return NULL;
    if (curl_global_init(CURL_GLOBAL_DEFAULT))
        goto fail_global;
    http->multi = curl_multi_init();
    if (!http->multi)
        goto fail_multi;
    http->host = host;
    http->loop = loop;
    http->handles = 1;
    http->kick.run = kicked;
    http->at_close.run = http_close;
    uv_timer_init(loop, &http->timer);
    http->timer.data = http;
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, watch_set);
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
    curl_multi_setopt(http->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)CONNECTIONS_MAX);
    return http;

fail_multi:
    curl_global_cleanup();
fail_global:
    free(http);
    return NULL;
}

TUSK_LUA_EXPORT int luaopen_tusk_binding_curl(lua_State *L);

int luaopen_tusk_binding_curl(lua_State *L)
{
    lua_createtable(L, 0, 2);
    url_open(L);
    lua_pushcfunction(L, op_url);
    lua_setfield(L, -2, "url");
    lua_pushcfunction(L, op_body_read);
    lua_setfield(L, -2, "read");
    lua_pushcfunction(L, op_body_close);
    lua_setfield(L, -2, "close");
    luaL_newmetatable(L, REQUEST);
    lua_pushcfunction(L, op_request_gc);
    lua_setfield(L, -2, "__gc");
    struct http *http = http_new(tusk_of(L), tusk_loop(L));
    if (!http)
        return luaL_error(L, "libcurl cannot start");
    tusk_at_close(http->host, &http->at_close);
    lua_pushlightuserdata(L, http);
    lua_insert(L, -2);
    lua_pushcclosure(L, op_perform, 2);
    lua_setfield(L, -2, "perform");
    return 1;
}

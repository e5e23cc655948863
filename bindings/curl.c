/* curl.c: HTTP by libcurl's multi interface, driven by the host's loop. */
/* link: -lcurl -Wl,-z,nodelete */
// nodelete: a name lookup that was given up runs on, in a thread of libcurl's, after the state
// closed
#include <assert.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "curl_http.h"

#define CONNECTIONS_MAX 1024 /* further requests wait inside libcurl, their timeouts running */
#define AGAIN_MAX       16

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

/* ---- the end of a request ---- */

void transfer_end(struct request *r)
{
    if (!r->handle || !r->handle->running)
        return;
    assert(!r->http->inside);
    r->handle->running = 0;
    curl_multi_remove_handle(r->http->multi, r->handle->easy);
    upload_over(r);
}

void request_leave(struct request *r)
{
    tusk_disown(&r->owned);
    if (r->handle)
        handle_give(r->handle);
    r->handle = NULL;
}

// Until it has started, libcurl tells of the handle's last one.
int request_left(struct request *r)
{
    long size = 0;
    if (r->started)
        curl_easy_getinfo(r->handle->easy, CURLINFO_REQUEST_SIZE, &size);
    return size > 0;
}

void request_done(struct request *r, CURLcode code)
{
    r->code = early_code(r, code);
    if (!r->os_error)
        curl_easy_getinfo(r->handle->easy, CURLINFO_OS_ERRNO, &r->os_error);
    if (!r->handed) {
        answer_read(r);
        curl_easy_getinfo(r->handle->easy, CURLINFO_TOTAL_TIME, &r->elapsed);
    }
    transfer_end(r);
    if (r->handed)
        body_ended(r);
    else
        tusk_wake(&r->wait);
}

static void take_unwatched(struct http *http)
{
    http->unwatched = 0;
    for (struct handle *h = http->in_use, *next; h; h = next) {
        next = h->next;
        if (h->running && h->request->unwatched)
            request_done(h->request, CURLE_COULDNT_CONNECT);
    }
    mail_take_unwatched(http);
}

static void take_finished(struct http *http)
{
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(http->multi, &left));) {
        struct handle *h = NULL;
        CURLcode code = m->data.result;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&h);
        if (h->mail)
            mail_connected(h, code);
        else
            request_done(h->request, code);
    }
    if (http->unwatched)
        take_unwatched(http);
    if (http->early)
        early_take(http);
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

static int request_finish(lua_State *L, struct tusk_wait *wait)
{
    struct request *r = (struct request *)wait;
    if (r->abandoned)
        return tusk_fail_cancelled(L, 1);
    if (r->code && !r->handed)
        return request_fail(L, r);
    luaL_checkstack(L, 10, "an answer");
    if (!r->handed)
        r->handle->request = NULL; // should there be no memory for the strings
    int n = answer_push(L, r);
    if (r->handed)
        body_own(L, r);
    else
        request_leave(r);
    return n;
}

static const struct tusk_wait_ops request_ops = {request_finish, request_cancel};

/* Of those that are streamed; the others have nothing when they have ended. */
static int op_request_gc(lua_State *L)
{
    struct request *r = lua_touserdata(L, 1);
    if (r->handle)
        body_close(r);
    request_leave(r);
    free(r->detail);
    r->detail = NULL;
    return 0;
}

static int request_start(struct request *r, double left)
{
    struct handle *h = handle_take(r);
    if (!h)
        return -1;
    handle_timeout(h, left * 1000 < 1 ? 1 : left > 2e6 ? 2000000000L : (long)(left * 1000 + 0.5));
    h->detail[0] = 0;
    if (curl_multi_add_handle(r->http->multi, h->easy)) {
        handle_give(h);
        return -1;
    }
    h->running = 1;
    r->handle = h;
    upload_begin(r);
    return 0;
}

/*
 * perform(spec, seconds left) -> status, header block, body, version, seconds in all, until the
 * first byte, and of a new connection for its name, for itself, for TLS. One exchange; redirects
 * are the caller's. Of a streamed spec it returns once the head is there, and the body is what to
 * read it from; but that of a redirect is a string all the same if the spec says follow.
 */
static int op_perform(lua_State *L)
{
    const struct spec *spec = luaL_checkudata(L, 1, SPEC);
    double left = luaL_checknumber(L, 2);
    struct request *r = tusk_wait_new(L, sizeof *r, &request_ops);
    lua_getfenv(L, 1);
    lua_setfenv(L, -2);
    r->http = lua_touserdata(L, lua_upvalueindex(1));
    r->spec = spec;
    r->expected = -1;
    if (spec->stream) {
        luaL_getmetatable(L, REQUEST);
        lua_setmetatable(L, -2);
    }
    if (request_start(r, left))
        return luaL_error(L, "not enough memory");
    return tusk_park(L, &r->wait);
}

/* ---- setting up ---- */

static void http_close(struct tusk_hook *k)
{
    struct http *http = (struct http *)((char *)k - offsetof(struct http, at_close));
    http->closing = 1;
    for (struct handle *h = http->in_use, *next; h; h = next) {
        next = h->next;
        if (h->request)
            body_close(h->request);
    }
    handle_free_all(http);
    mail_shut_all(http);
    curl_multi_cleanup(http->multi);
    watch_end_all(http);
    uv_close((uv_handle_t *)&http->timer, timer_closed);
}

/* How many there may be, idle ones included: half the descriptors at most are for them. */
static long connections_max(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur / 2 >= CONNECTIONS_MAX)
        return CONNECTIONS_MAX;
    return limit.rlim_cur > 2 ? (long)(limit.rlim_cur / 2) : 1;
}

static const char *encodings(void)
{
    int brotli = curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_BROTLI;
    return brotli ? "gzip, deflate, br" : "gzip, deflate";
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
    http->encodings = encodings();
    http->at_close.run = http_close;
    uv_timer_init(loop, &http->timer);
    http->timer.data = http;
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, watch_set);
    curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
    curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, connections_max());
    curl_multi_setopt(http->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, connections_max());
    return http;

fail_multi:
    curl_global_cleanup();
fail_global:
    free(http);
    return NULL;
}

static void request_open(lua_State *L)
{
    luaL_newmetatable(L, REQUEST);
    lua_pushcfunction(L, op_request_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}

TUSK_LUA_EXPORT int luaopen_tusk_binding_curl(lua_State *L);

int luaopen_tusk_binding_curl(lua_State *L)
{
    lua_createtable(L, 0, 18);
    url_open(L);
    spec_open(L);
    gate_open(L);
    request_open(L);
    jar_open(L);
    upload_open(L);
    struct http *http = http_new(tusk_of(L), tusk_loop(L));
    if (!http)
        return luaL_error(L, "libcurl cannot start");
    tusk_at_close(http->host, &http->at_close);
    static const luaL_Reg functions[] = {
        {"url", op_url},
        {"headers", op_headers},
        {"prepare", op_prepare},
        {"perform", op_perform},
        {"read", op_body_read},
        {"close", op_body_close},
        {"jar", op_jar},
        {"upload", op_upload},
        {"upload_room", op_upload_room},
        {"upload_give", op_upload_give},
        {"upload_end", op_upload_end},
        {"upload_fail", op_upload_fail},
        {"gate", op_gate},
        {"gate_try", op_gate_try},
        {"gate_enter", op_gate_enter},
        {"gate_leave", op_gate_leave},
        {"gate_hold", op_gate_hold},
        {NULL, NULL},
    };
    for (const luaL_Reg *f = functions; f->name; f++) {
        lua_pushlightuserdata(L, http);
        lua_pushcclosure(L, f->func, 1);
        lua_setfield(L, -2, f->name);
    }
    mail_open_functions(L, http);
    lua_pushstring(L, http->encodings);
    lua_setfield(L, -2, "encodings");
    return 1;
}

/* curl_body.c: bodies that are read in pieces, while they arrive. */
#include <stdlib.h>
#include <string.h>

#include "curl_http.h"

/*
 * What has arrived waits in the handle's buffer; with BODY_AHEAD bytes there libcurl is told to
 * pause, which ends its reading from the socket, and so, in time, the server's writing. A reader
 * takes all of it.
 */

struct reader { /* a parked read */
    struct tusk_wait wait;
    struct request *request; /* the environment keeps it */
};

struct stall { /* malloc'ed, freed when its handle is closed */
    uv_timer_t timer;
    struct request *request;
    struct http *http;
    int late; /* it has rung once */
};

/* ---- the time that a reader waits ---- */

static void stall_rang(uv_timer_t *timer);

static void stall_arm(struct stall *s, double seconds)
{
    double ms = seconds * 1000;
    s->late = 0;
    uv_update_time(s->http->loop); // this turn of the loop may have begun long ago
    uv_timer_start(&s->timer, stall_rang, ms < 1 ? 1 : (uint64_t)(ms + 0.5), 0);
}

/* Bytes may have come while the loop was busy: it polls once more before that is a failure. */
static void stall_rang(uv_timer_t *timer)
{
    struct stall *s = timer->data;
    if (!s->late++)
        uv_timer_start(timer, stall_rang, 1, 0);
    else
        request_done(s->request, CURLE_OPERATION_TIMEDOUT);
}

static void stall_closed(uv_handle_t *handle)
{
    struct stall *s = handle->data;
    http_release(s->http);
    free(s);
}

static void stall_end(struct request *r)
{
    if (r->stall)
        uv_close((uv_handle_t *)&r->stall->timer, stall_closed);
    r->stall = NULL;
}

/* 0, or -1: out of memory. */
static int stall_prepare(struct request *r)
{
    if (r->stall)
        return 0;
    struct stall *s = calloc(1, sizeof *s);
    if (!s)
        return -1;
    s->request = r;
    s->http = r->http;
    s->http->handles++;
    uv_timer_init(s->http->loop, &s->timer);
    s->timer.data = s;
    r->stall = s;
    return 0;
}

/* ---- arriving ---- */

static void reader_wake(struct request *r)
{
    if (!r->reader || r->reader->wait.woken)
        return;
    if (r->stall)
        uv_timer_stop(&r->stall->timer);
    tusk_wake(&r->reader->wait);
}

void body_open(struct request *r)
{
    r->handed = 1;
    answer_read(r);
    curl_easy_getinfo(r->handle->easy, CURLINFO_STARTTRANSFER_TIME, &r->elapsed);
    handle_timeout(r->handle, 0); // the stall timer's turn
    tusk_wake(&r->wait);
}

size_t body_arrived(struct request *r, const char *data, size_t n)
{
    struct buffer *body = &r->handle->body;
    if (body->length >= BODY_AHEAD) {
        r->paused = 1;
        return CURL_WRITEFUNC_PAUSE;
    }
    if (buffer_add(body, data, n)) {
        r->no_memory = 1;
        return n + 1; // not n: libcurl gives up
    }
    r->received += (curl_off_t)n;
    reader_wake(r);
    return n;
}

static size_t waiting(const struct request *r)
{
    return r->handle ? r->handle->body.length : 0;
}

static int is_drained(const struct request *r)
{
    return r->ended && !waiting(r);
}

void body_ended(struct request *r)
{
    r->ended = 1;
    if (r->code && !r->detail)
        r->detail = strdup(r->handle->detail);
    reader_wake(r);
    gate_body_ended(r);
    stall_end(r);
    if (r->given && is_drained(r))
        request_leave(r);
}

void body_close(struct request *r)
{
    transfer_end(r);
    if (!is_drained(r))
        r->closed = 1;
    r->handle->body.length = 0;
    r->given = 1;
    body_ended(r);
}

static void scope_ended(struct tusk_owned *o)
{
    body_close((struct request *)((char *)o - offsetof(struct request, owned)));
}

void body_own(lua_State *L, struct request *r)
{
    r->given = 1;
    r->owned.end = scope_ended;
    if (is_drained(r))
        request_leave(r);
    else
        tusk_own(L, &r->owned);
}

/* ---- reading ---- */

void request_flow(struct request *r)
{
    int held = (r->paused ? CURLPAUSE_RECV : 0) | (r->starved ? CURLPAUSE_SEND : 0);
    CURLcode code = curl_easy_pause(r->handle->easy, held);
    if (code)
        request_done(r, code);
}

static void resume(struct request *r)
{
    if (!r->paused || !r->handle->running)
        return;
    r->paused = 0;
    request_flow(r);
}

static int push_bytes(lua_State *L, struct request *r)
{
    struct buffer *body = &r->handle->body;
    lua_pushlstring(L, body->data, body->length);
    body->length = 0;
    resume(r);
    if (is_drained(r))
        request_leave(r);
    return 1;
}

static int fail_closed(lua_State *L, struct request *r)
{
    return tusk_fail(L, "closed",
                     "the body of %s is closed: it was given up, or its scope has ended",
                     r->spec->label);
}

static int read_finish(lua_State *L, struct tusk_wait *wait)
{
    struct request *r = ((struct reader *)wait)->request;
    r->reader = NULL;
    if (wait->cancelled)
        return tusk_fail_cancelled(L, 1);
    if (r->closed)
        return fail_closed(L, r);
    if (waiting(r))
        return push_bytes(L, r);
    return r->code ? request_fail(L, r) : 0;
}

/* Whoever waited does not want it any more: the server need not go on either. */
static void read_cancel(struct tusk_wait *wait)
{
    body_close(((struct reader *)wait)->request); // wakes it
}

static const struct tusk_wait_ops read_ops = {read_finish, read_cancel};

static int read_park(lua_State *L, struct request *r)
{
    struct reader *reader = tusk_wait_new(L, sizeof *reader, &read_ops);
    lua_createtable(L, 1, 0);
    lua_pushvalue(L, 1);
    lua_rawseti(L, -2, 1);
    lua_setfenv(L, -2);
    if (stall_prepare(r))
        return luaL_error(L, "not enough memory");
    reader->request = r;
    r->reader = reader;
    stall_arm(r->stall, r->spec->stall);
    return tusk_park(L, &reader->wait);
}

int op_body_read(lua_State *L)
{
    struct request *r = luaL_checkudata(L, 1, REQUEST);
    tusk_checkpoint(L);
    if (r->closed)
        return fail_closed(L, r);
    if (r->reader)
        return tusk_fail(L, "http.busy", "the body of %s is being read by another task",
                         r->spec->label);
    if (waiting(r))
        return tusk_inline(L, push_bytes(L, r));
    if (!r->ended)
        return read_park(L, r);
    return r->code ? request_fail(L, r) : tusk_inline(L, 0);
}

int op_body_close(lua_State *L)
{
    struct request *r = luaL_checkudata(L, 1, REQUEST);
    if (r->handle)
        body_close(r);
    return 0;
}

/* redis_conn.c: one connection: its time, how it is made again, how it ends. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "redis.h"

/* ---- life ---- */

static void timer_closed(uv_handle_t *handle)
{
    conn_release(handle->data);
}

struct conn *conn_new(struct redis *redis)
{
    struct conn *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->redis = redis;
    c->refs = 2; // the caller's, and the timer's
    c->fd = -1;
    uv_timer_init(redis->loop, &c->timer);
    uv_unref((uv_handle_t *)&c->timer);
    c->timer.data = c;
    c->next = redis->conns;
    if (c->next)
        c->next->prev = c;
    redis->conns = c;
    redis->refs++;
    return c;
}

void redis_release(struct redis *redis)
{
    if (--redis->refs)
        return;
    free(redis->argv);
    free(redis->lengths);
    free(redis->digits);
    free(redis);
}

static void conn_free(struct conn *c)
{
    for (struct spill *s = c->spills, *next; s; s = next) {
        next = s->next;
        free(s);
    }
    for (struct message *m = c->inbox, *next; m; m = next) {
        next = m->next;
        free(m);
    }
    free(c->host);
    free(c->path);
    free(c->label);
    free(c->greeting);
    free(c->ring);
    free(c->out);
    redis_release(c->redis);
    free(c);
}

void conn_release(struct conn *c)
{
    if (!--c->refs)
        conn_free(c);
}

/* ---- time: one timer, for the attempt to connect, the pause before the next, the oldest answer
 * ---- */

static void timer_rang(uv_timer_t *timer);

void conn_set_timer(struct conn *c)
{
    uint64_t now = uv_now(c->redis->loop);
    uv_timer_start(&c->timer, timer_rang, c->due > now ? c->due - now : 1, 0);
}

static void answer_is_late(struct conn *c)
{
    char text[SMALL];
    snprintf(text, sizeof text, "no answer within %g s", (double)c->reply_ms / 1000);
    conn_break(c, FAULT_TIMEOUT, FAULT_TIMEOUT, text);
}

/* Nothing is owed: there is no timer to run. Otherwise something must be heard of the server. */
static void look_at_answers(struct conn *c)
{
    if (c->head == c->tail)
        return;
    c->due = c->heard + c->reply_ms;
    if (c->due > uv_now(c->redis->loop))
        conn_set_timer(c);
    else
        answer_is_late(c);
}

static void timer_rang(uv_timer_t *timer)
{
    struct conn *c = timer->data;
    if (c->state == STATE_BACKOFF)
        dial(c);
    else if (c->state == STATE_READY)
        look_at_answers(c);
    else if (c->state == STATE_DIALING || c->state == STATE_GREETING)
        conn_break(c, FAULT_CONNECT, FAULT_CONNECT, "it takes too long");
}

/* The time that the server has begins when something is asked of it. */
static void watch_answers(struct conn *c)
{
    if (!c->reply_ms || c->head == c->tail || uv_is_active((uv_handle_t *)&c->timer))
        return;
    c->heard = uv_now(c->redis->loop);
    c->due = c->heard + c->reply_ms;
    conn_set_timer(c);
}

/* ---- connecting and sending ---- */

static void begin(struct conn *c)
{
    if (c->head == c->tail && !c->is_subscriber)
        return; // who had asked is gone
    if (c->retry_at <= uv_now(c->redis->loop)) {
        dial(c);
        return;
    }
    c->state = STATE_BACKOFF;
    c->due = c->retry_at;
    conn_set_timer(c);
}

static void conn_flush(struct conn *c)
{
    if (c->state == STATE_IDLE && !c->lost)
        begin(c);
    if (c->state != STATE_READY)
        return;
    if (c->out_at == 0 || c->dropped) // otherwise the socket is full
        io_flush(c);
    if (c->state != STATE_READY)
        return;
    watch_answers(c);
    io_watch(c);
}

/* How many of the last slots nothing of has left; the others are the server's work. */
static int is_worth_sending(const struct conn *c)
{
    uint64_t unsent = c->tail - c->sent_tail, owed = c->sent_tail - c->head;
    return unsent >= HURRY && unsent >= owed;
}

void conn_hurry(struct conn *c)
{
    if (c->state == STATE_READY && !c->out_at && is_worth_sending(c))
        conn_flush(c);
}

void conn_flush_all(struct tusk_hook *k)
{
    struct redis *redis = (struct redis *)((char *)k - offsetof(struct redis, before_poll));
    struct conn *c = redis->dirty;
    redis->dirty = NULL;
    for (struct conn *next; c; c = next) {
        next = c->next_dirty;
        c->is_dirty = 0;
        conn_flush(c);
        conn_release(c);
    }
}

void conn_ready(struct conn *c)
{
    c->state = STATE_READY;
    uv_timer_stop(&c->timer);
    io_flush(c);
    if (c->state == STATE_READY)
        watch_answers(c);
}

/* ---- the end of it ---- */

static void fail_all(struct conn *c, enum fault fault, enum fault rest, const char *text)
{
    while (c->head < c->tail) {
        struct slot *s = slot_of(c, c->head++);
        if (!s->call)
            continue;
        call_fail(s->call, fault, text, s->commit <= c->written);
        fault = rest;
    }
    c->out_at = c->out_length = 0;
    c->queued = c->written;
    c->sent_tail = c->tail;
    c->dropped = 0;
    if (!c->listener)
        return;
    call_fail(c->listener, fault, text, 0);
    c->listener = NULL;
}

/* Half of the pause at least, up to all of it. */
static uint64_t pause_after(struct conn *c)
{
    int doublings = c->failures < 8 ? c->failures - 1 : 7;
    uint64_t ms = BACKOFF_MIN << doublings, *random = &c->redis->random;
    if (ms > BACKOFF_MAX)
        ms = BACKOFF_MAX;
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return ms / 2 + (*random >> 33) % (ms / 2 + 1);
}

void conn_break(struct conn *c, enum fault fault, enum fault rest, const char *text)
{
    char kept[SMALL];
    snprintf(kept, sizeof kept, "%s", text); // it may be the reader's
    int made = c->state == STATE_READY && c->answered;
    dial_end(c);
    io_close(c);
    uv_timer_stop(&c->timer);
    c->state = STATE_IDLE;
    c->failures = made ? 0 : c->failures + 1;
    c->retry_at = made ? 0 : uv_now(c->redis->loop) + pause_after(c);
    if (c->once) {
        c->lost = fault;
        memcpy(c->lost_text, kept, sizeof kept);
    }
    fail_all(c, fault, rest, kept);
}

void conn_close(struct conn *c)
{
    if (c->state == STATE_CLOSED)
        return;
    conn_break(c, FAULT_CLOSED, FAULT_CLOSED, "the connection was closed");
    c->state = STATE_CLOSED;
    uv_close((uv_handle_t *)&c->timer, timer_closed);
    if (c->prev)
        c->prev->next = c->next;
    else
        c->redis->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
}

void conn_abandon(struct conn *c)
{
    for (uint64_t n = c->head; n < c->tail; n++)
        slot_of(c, n)->call = NULL;
    c->listener = NULL;
    conn_close(c);
}

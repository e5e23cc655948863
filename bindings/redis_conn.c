/* redis_conn.c: one connection: what it owes, how it is made again, how it ends. */
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

/* ---- calls ---- */

void call_fail(struct call *call, enum fault fault, const char *text, int sent)
{
    tape_free(call->conn, &call->tape);
    call->fault = (uint8_t)fault;
    call->sent = (uint8_t)sent;
    snprintf(call->small, sizeof call->small, "%s", text);
    tusk_wake(&call->wait);
}

static struct slot *slot_of(struct conn *c, uint64_t number)
{
    return &c->ring[number & (c->ring_size - 1)];
}

static void listener_cancel(struct call *call)
{
    call->conn->listener = NULL;
    tusk_drop(&call->wait);
}

void call_cancel(struct tusk_wait *w)
{
    struct call *call = (struct call *)w;
    struct conn *c = call->conn;
    if (c->listener == call) {
        listener_cancel(call);
        return;
    }
    struct slot *s = slot_of(c, call->number);
    s->call = NULL; // its answer will come, in its turn, and be thrown away
    tape_free(c, &call->tape);
    if (s->begin < c->written) {
        call->abandoned = 1;
        tusk_wake(w);
    } else {
        c->dropped++;
        tusk_drop(w);
    }
}

/* ---- queueing ---- */

static void mark_dirty(struct conn *c)
{
    struct redis *redis = c->redis;
    if (c->is_dirty)
        return;
    c->is_dirty = 1;
    c->refs++;
    c->next_dirty = redis->dirty;
    redis->dirty = c;
    tusk_before_poll(redis->host, &redis->before_poll);
}

static int out_add(struct conn *c, const char *bytes, size_t n)
{
    if (c->out_at && c->out_length + n > c->out_size) { // what has left makes room
        memmove(c->out, c->out + c->out_at, c->out_length - c->out_at);
        c->out_length -= c->out_at;
        c->out_at = 0;
    }
    if (c->out_length + n > c->out_size) {
        size_t size = c->out_size * 2 > c->out_length + n ? c->out_size * 2 : c->out_length + n;
        char *grown = realloc(c->out, size < 4096 ? 4096 : size);
        if (!grown)
            return -1;
        c->out = grown;
        c->out_size = size < 4096 ? 4096 : size;
    }
    memcpy(c->out + c->out_length, bytes, n);
    c->out_length += n;
    c->queued += n;
    return 0;
}

static int ring_grow(struct conn *c)
{
    uint32_t size = c->ring_size ? c->ring_size * 2 : 64;
    struct slot *ring = malloc(size * sizeof *ring);
    if (!ring)
        return -1;
    for (uint64_t n = c->head; n < c->tail; n++)
        ring[n & (size - 1)] = *slot_of(c, n);
    free(c->ring);
    c->ring = ring;
    c->ring_size = size;
    return 0;
}

int conn_queue(struct conn *c, struct call *call, const char *bytes, size_t length, size_t commit,
               uint32_t replies)
{
    uint64_t begin = c->queued;
    if (c->head == c->tail)
        c->heard = uv_now(c->redis->loop);
    if ((c->tail - c->head == c->ring_size && ring_grow(c)) || out_add(c, bytes, length))
        return -1;
    call->conn = c;
    call->number = c->tail++;
    *slot_of(c, call->number) = (struct slot){call, begin, begin + length, begin + commit, replies};
    mark_dirty(c);
    return 0;
}

int conn_queue_bare(struct conn *c, const char *bytes, size_t length)
{
    if (out_add(c, bytes, length))
        return -1;
    mark_dirty(c);
    return 0;
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

/* ---- answers ---- */

struct slot *conn_owed(struct conn *c)
{
    int in_order = c->state == STATE_READY && !c->is_subscriber && c->head < c->tail;
    struct slot *s = in_order ? slot_of(c, c->head) : NULL;
    return s && s->begin < c->written ? s : NULL;
}

static int is_refused(const char *error, size_t n)
{
    return (n >= 9 && !memcmp(error, "WRONGPASS", 9)) || (n >= 6 && !memcmp(error, "NOAUTH", 6));
}

/* The answer to AUTH, then to SELECT. */
static void greeted(struct conn *c)
{
    size_t n;
    const char *error = tape_error(&c->scratch, &n);
    if (error) {
        char text[SMALL];
        snprintf(text, sizeof text, "%.*s", (int)n, error);
        int auth = is_refused(error, n) || (c->has_auth && c->greeting_left == c->greeting_replies);
        enum fault fault = auth ? FAULT_AUTH : FAULT_REPLY;
        conn_break(c, fault, fault, text);
        return;
    }
    tape_free(c, &c->scratch);
    if (!--c->greeting_left)
        conn_ready(c);
}

static int inbox_add(struct conn *c)
{
    struct message *m = malloc(sizeof *m);
    if (!m)
        return -1;
    m->next = NULL;
    m->tape = c->scratch;
    c->scratch = (struct tape){0};
    if (c->inbox_last)
        c->inbox_last->next = m;
    else
        c->inbox = m;
    c->inbox_last = m;
    c->inbox_count++;
    c->inbox_bytes += m->tape.length;
    return 0;
}

static void deliver(struct conn *c)
{
    struct call *call = c->listener;
    if (call) {
        c->listener = NULL;
        call->tape = c->scratch;
        c->scratch = (struct tape){0};
        tusk_wake(&call->wait);
        return;
    }
    if (inbox_add(c))
        conn_break(c, FAULT_PROTOCOL, FAULT_PROTOCOL, "not enough memory");
}

/* The server says something on its own, such as that it has too many clients. */
static void unasked(struct conn *c)
{
    size_t n;
    const char *error = tape_error(&c->scratch, &n);
    if (!error) {
        conn_break(c, FAULT_PROTOCOL, FAULT_DISCONNECTED, "an answer to nothing");
        return;
    }
    char text[SMALL];
    snprintf(text, sizeof text, "%.*s", (int)n, error);
    conn_break(c, FAULT_DISCONNECTED, FAULT_DISCONNECTED, text);
}

void conn_answered(struct conn *c)
{
    if (c->state == STATE_GREETING) {
        greeted(c);
        return;
    }
    if (c->is_subscriber) {
        deliver(c);
        return;
    }
    struct slot *s = conn_owed(c);
    if (!s) {
        unasked(c);
        return;
    }
    c->failures = 0;
    if (--s->left)
        return;
    c->head++;
    if (s->call)
        tusk_wake(&s->call->wait);
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

/* redis_queue.c: calls, in the order they were asked, and the bytes they are sent as. */
#include <stdlib.h>
#include <string.h>

#include "redis.h"

/* ---- calls ---- */

void call_fail(struct call *call, enum fault fault, const char *text, int sent)
{
    tape_free(call->conn, &call->tape);
    call->fault = (uint8_t)fault;
    call->sent = (uint8_t)sent;
    snprintf(call->small, sizeof call->small, "%s", text);
    tusk_wake(&call->wait);
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
        record_lose(c->redis, call);
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

/* redis_io.c: bytes: what the loop watches, what is read and what is sent. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "redis.h"

#define ROUNDS   16            /* reads in a row, so that one connection cannot keep the loop */
#define OUT_KEPT (1024 * 1024) /* memory for bytes to send that is kept when they have left */

static void watch_closed(uv_handle_t *handle)
{
    struct watch *w = handle->data;
    conn_release(w->conn);
    free(w);
}

int io_open(struct conn *c, int fd)
{
    struct watch *w = calloc(1, sizeof *w);
    if (!w)
        return -ENOMEM;
    int error = uv_poll_init(c->redis->loop, &w->poll, fd);
    if (error) {
        free(w);
        return error;
    }
    w->poll.data = w;
    w->conn = c;
    uv_unref((uv_handle_t *)&w->poll); // who waits keeps the loop, not an idle connection
    c->refs++;
    c->watch = w;
    c->fd = fd;
    c->events = 0;
    return 0;
}

void io_close(struct conn *c)
{
    if (!c->watch)
        return;
    uv_poll_stop(&c->watch->poll); // now, not with the handle: the descriptor is closed next
    uv_close((uv_handle_t *)&c->watch->poll, watch_closed);
    close(c->fd);
    c->watch = NULL;
    c->fd = -1;
    if (c->reader)
        redisReaderFree(c->reader);
    c->reader = NULL;
    c->reply_bytes = 0;
    tape_free(c, &c->scratch);
}

/* ---- reading ---- */

static int is_full(const struct conn *c)
{
    return c->inbox_count >= INBOX_MAX || c->inbox_bytes >= INBOX_BYTES;
}

/* hiredis says where it stopped, not what that means. */
static const char *explain(redisReader *reader)
{
    if (reader->err == REDIS_ERR_OOM)
        return "not enough memory for an answer, or one nested too deep";
    if (strstr(reader->errstr, "nested multi bulk"))
        return "an answer is nested more than 8 deep: this hiredis reads no deeper ones";
    return reader->errstr;
}

/* Takes what is complete; -1: the connection is lost. */
static int take_answers(struct conn *c)
{
    while (c->reader) {
        void *object = NULL;
        if (redisReaderGetReply(c->reader, &object) != REDIS_OK) {
            conn_break(c, FAULT_PROTOCOL, FAULT_DISCONNECTED, explain(c->reader));
            return -1;
        }
        if (!object)
            return 0;
        c->reply_bytes = 0;
        c->answered = 1;
        conn_answered(c);
    }
    return -1;
}

static int feed(struct conn *c, const char *bytes, size_t n)
{
    c->reply_bytes += n;
    if (c->reply_bytes > REPLY_MAX + READ_SIZE) {
        conn_break(c, FAULT_PROTOCOL, FAULT_DISCONNECTED, "an answer is larger than 512 MiB");
        return -1;
    }
    if (redisReaderFeed(c->reader, bytes, n) != REDIS_OK) {
        conn_break(c, FAULT_PROTOCOL, FAULT_DISCONNECTED, explain(c->reader));
        return -1;
    }
    return take_answers(c);
}

static void io_read(struct conn *c)
{
    char *input = c->redis->input;
    c->heard = uv_now(c->redis->loop);
    for (int i = 0; i < ROUNDS && !is_full(c); i++) {
        ssize_t n = recv(c->fd, input, READ_SIZE, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            conn_break(c, FAULT_DISCONNECTED, FAULT_DISCONNECTED,
                       n ? strerror(errno) : "the server closed it");
            return;
        }
        if (feed(c, input, (size_t)n) || n < READ_SIZE)
            return;
    }
}

static void socket_ready(uv_poll_t *poll, int status, int events)
{
    struct conn *c = ((struct watch *)poll->data)->conn;
    if (c->state == STATE_DIALING) {
        dial_connected(c);
        return;
    }
    if (status < 0) // libuv has stopped watching: what there is to read tells more
        events = UV_READABLE;
    c->refs++;
    if (events & UV_READABLE)
        io_read(c);
    if ((events & UV_WRITABLE) && c->watch)
        io_flush(c);
    if (c->watch && status < 0)
        conn_break(c, FAULT_DISCONNECTED, FAULT_DISCONNECTED, strerror(-status));
    else
        io_watch(c);
    conn_release(c);
}

/* What the connection is to be watched for now. */
static int wanted(const struct conn *c)
{
    if (c->state == STATE_DIALING)
        return UV_WRITABLE;
    int unsent = c->state == STATE_GREETING ? c->greeting_sent < c->greeting_length
                                            : c->out_at < c->out_length;
    return (is_full(c) ? 0 : UV_READABLE) | (unsent ? UV_WRITABLE : 0);
}

void io_watch(struct conn *c)
{
    if (!c->watch || wanted(c) == c->events)
        return;
    c->events = wanted(c);
    int error = c->events ? uv_poll_start(&c->watch->poll, c->events, socket_ready)
                          : uv_poll_stop(&c->watch->poll);
    if (error)
        conn_break(c, FAULT_DISCONNECTED, FAULT_DISCONNECTED, uv_strerror(error));
}

/* ---- sending ---- */

/* Answers may have come before the connection broke. */
static void sending_failed(struct conn *c, int error)
{
    io_read(c);
    if (c->watch)
        conn_break(c, FAULT_DISCONNECTED, FAULT_DISCONNECTED, strerror(error));
}

/* Bytes sent, 0: none now; -1: the connection is lost. */
static ssize_t send_some(struct conn *c, const char *bytes, size_t n)
{
    for (;;) {
        ssize_t sent = send(c->fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0)
            return sent;
        if (errno == EAGAIN || errno == ENOBUFS)
            return 0;
        if (errno == EINTR)
            continue;
        sending_failed(c, errno);
        return -1;
    }
}

static void flush_greeting(struct conn *c)
{
    size_t left = c->greeting_length - c->greeting_sent;
    ssize_t n = left ? send_some(c, c->greeting + c->greeting_sent, left) : 0;
    if (n > 0)
        c->greeting_sent += (size_t)n;
}

/* The number of the first slot that nothing of has left. */
static uint64_t first_unsent(const struct conn *c)
{
    uint64_t n = c->tail;
    while (n > c->head && c->ring[(n - 1) & (c->ring_size - 1)].begin >= c->written)
        n--;
    return n;
}

/* Leaves out what was given up before anything of it had left. */
static void leave_out_dropped(struct conn *c)
{
    uint32_t mask = c->ring_size - 1;
    uint64_t to = first_unsent(c), base = c->written - c->out_at, gone = 0;
    for (uint64_t from = to; from < c->tail; from++) {
        struct slot s = c->ring[from & mask];
        if (!s.call) {
            gone += s.end - s.begin;
            continue;
        }
        memmove(c->out + (s.begin - gone - base), c->out + (s.begin - base), s.end - s.begin);
        s.begin -= gone, s.commit -= gone, s.end -= gone;
        s.call->number = to;
        c->ring[to++ & mask] = s;
    }
    c->tail = to;
    c->out_length -= gone;
    c->queued -= gone;
    c->dropped = 0;
}

static void out_sent(struct conn *c, size_t n)
{
    c->written += n;
    c->out_at += n;
    if (c->out_at < c->out_length)
        return;
    c->out_at = c->out_length = 0;
    c->sent_tail = c->tail;
    if (c->out_size > OUT_KEPT) {
        free(c->out);
        c->out = NULL;
        c->out_size = 0;
    }
}

void io_flush(struct conn *c)
{
    if (c->state == STATE_GREETING)
        flush_greeting(c);
    if (c->state != STATE_READY)
        return;
    if (c->dropped)
        leave_out_dropped(c);
    while (c->out_at < c->out_length) {
        ssize_t n = send_some(c, c->out + c->out_at, c->out_length - c->out_at);
        if (n <= 0)
            return;
        out_sent(c, (size_t)n);
    }
}

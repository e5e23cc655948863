/*
 * process_pipe.c: our ends of a program's pipes. What is read is either taken when somebody asks,
 * so that a program which writes faster than it is read has to wait; or collected; or, of one that
 * is being ended, forgotten.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process_state.h"

/* Reads in one turn of the loop: a fast writer must not keep it from the rest. */
enum { READS_MAX = 16 };

struct pipe_wait {
    struct tusk_wait base;
    struct pipe_end *end;
    int err;
    int sent; /* a part was written */
};

/* ---- the poll ---- */

static void on_poll(uv_poll_t *poll, int status, int events);

int pipe_prepare(struct pipe_end *e)
{
    e->poll = calloc(1, sizeof *e->poll);
    return e->poll ? 0 : -1;
}

static void arm(struct pipe_end *e, int events)
{
    e->armed = 1;
    uv_poll_start(e->poll, events, on_poll);
}

static void disarm(struct pipe_end *e)
{
    e->armed = 0;
    uv_poll_stop(e->poll);
}

static void forget_data(struct pipe_end *e)
{
    free(e->data);
    e->data = NULL;
    e->len = e->cap = e->at = 0;
}

static void wake(struct pipe_end *e)
{
    struct pipe_wait *w = e->wait;
    e->wait = NULL;
    if (w)
        tusk_wake(&w->base);
}

static void let_go(struct pipe_end *e)
{
    if (e->poll && e->begun)
        process_close_handle((uv_handle_t *)e->poll);
    else
        free(e->poll);
    e->poll = NULL;
    if (e->fd >= 0)
        close(e->fd);
    e->fd = -1;
    e->armed = 0;
}

void pipe_close(struct pipe_end *e)
{
    if (e->fd >= 0)
        e->closed = 1;
    let_go(e);
    if (e == &e->process->in)
        forget_data(e);
    if (e == &e->process->in && e->wait)
        e->wait->err = EPIPE;
    wake(e);
}

/* Its process may be gone after it. */
static void ended(struct pipe_end *e)
{
    struct process *p = e->process;
    e->hung_up = 1;
    let_go(e);
    wake(e);
    p->pins++;
    process_settle(p);
    p->pins--;
    process_release(p);
}

/* ---- what comes ---- */

static ssize_t read_some(struct pipe_end *e)
{
    ssize_t n;
    do
        n = read(e->fd, e->process->state->scratch, PROCESS_PIECE);
    while (n < 0 && errno == EINTR);
    return n < 0 && errno != EAGAIN ? 0 : n;
}

static int append(struct pipe_end *e, size_t n)
{
    if (e->len + n > e->cap) {
        size_t cap = e->cap ? e->cap : n;
        while (cap < e->len + n)
            cap *= 2;
        char *data = realloc(e->data, cap);
        if (!data)
            return -1;
        e->data = data;
        e->cap = cap;
    }
    memcpy(e->data + e->len, e->process->state->scratch, n);
    e->len += n;
    return 0;
}

static void collect(struct pipe_end *e, size_t n)
{
    struct process *p = e->process;
    if (e->mode == MODE_DISCARD)
        return;
    if (e->len + n <= p->max && append(e, n) == 0)
        return;
    p->too_large = p->out == e ? 1 : 2;
    process_end(p); // now it is forgotten
    pipe_discard(e);
}

/* All that is there, within reason. */
static void take(struct pipe_end *e)
{
    for (int i = 0; i < READS_MAX; i++) {
        ssize_t n = read_some(e);
        if (n == 0)
            ended(e);
        if (n <= 0)
            return;
        collect(e, (size_t)n);
    }
}

static void take_one(struct pipe_end *e)
{
    ssize_t n = read_some(e);
    if (n < 0)
        return;
    disarm(e);
    if (n > 0 && append(e, (size_t)n))
        e->wait->err = ENOMEM;
    if (n == 0) {
        ended(e);
        return;
    }
    wake(e);
    process_settle(e->process); // which may want to watch it
}

/* ---- what goes ---- */

static void write_ended(struct pipe_end *e, int err)
{
    struct pipe_wait *w = e->wait;
    forget_data(e);
    if (w)
        w->err = err;
    if (err || !w) // nobody waits: that was all there is
        pipe_close(e);
    else
        disarm(e);
    wake(e);
}

static ssize_t write_some(struct pipe_end *e, const char *data, size_t n)
{
    ssize_t done;
    do
        done = write(e->fd, data, n);
    while (done < 0 && errno == EINTR);
    return done;
}

static void give(struct pipe_end *e)
{
    while (e->at < e->len) {
        ssize_t n = write_some(e, e->data + e->at, e->len - e->at);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0) {
            write_ended(e, errno);
            return;
        }
        e->at += (size_t)n;
    }
    if (e->at == e->len)
        write_ended(e, 0);
    else
        arm(e, UV_WRITABLE);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct pipe_end *e = poll->data;
    (void)status;
    (void)events;
    if (e == &e->process->in) {
        give(e);
    } else if (e->mode != MODE_PULL) {
        take(e);
    } else if (e->wait) {
        take_one(e);
    } else { // it was only watched
        disarm(e);
        e->hung_up = 1;
        process_settle(e->process);
    }
}

void pipe_begin(struct pipe_end *e)
{
    uv_poll_init(e->process->loop, e->poll, e->fd);
    e->begun = 1;
    e->poll->data = e;
    if (e == &e->process->in) {
        if (e->data)
            give(e);
    } else if (e->mode == MODE_COLLECT) {
        arm(e, UV_READABLE);
    }
}

void pipe_watch(struct pipe_end *e)
{
    if (!e->armed)
        arm(e, UV_DISCONNECT);
}

void pipe_discard(struct pipe_end *e)
{
    if (e->fd < 0)
        return;
    forget_data(e);
    e->closed = 1;
    e->mode = MODE_DISCARD;
    arm(e, UV_READABLE);
    wake(e);
}

void pipe_finish(struct pipe_end *e)
{
    if (e->fd < 0)
        return;
    if (e->mode == MODE_COLLECT)
        take(e);
    if (e->fd >= 0 && e->wait)
        take_one(e);
    if (e->fd < 0)
        return;
    if (e->mode != MODE_PULL)
        let_go(e);
    else if (e->wait) // nothing is there, and nothing will be
        ended(e);
    else if (e->armed)
        disarm(e);
}

/* ---- reading ---- */

static int push_kept(lua_State *L, struct pipe_end *e)
{
    lua_pushlstring(L, e->data, e->len);
    forget_data(e);
    return 1;
}

static int fail_closed(lua_State *L)
{
    return tusk_fail(L, "closed",
                     "the output is closed: it was given up, or the program's scope "
                     "has ended");
}

static int read_finish(lua_State *L, struct tusk_wait *w)
{
    struct pipe_wait *pw = (struct pipe_wait *)w;
    struct pipe_end *e = pw->end;
    if (pw->err)
        return luaL_error(L, "not enough memory");
    if (e->data)
        return push_kept(L, e);
    return e->closed ? fail_closed(L) : 0;
}

static void read_cancel(struct tusk_wait *w)
{
    struct pipe_end *e = ((struct pipe_wait *)w)->end;
    e->wait = NULL;
    disarm(e);
    process_settle(e->process); // which may want to watch it
    tusk_drop(w);
}

static const struct tusk_wait_ops read_ops = {read_finish, read_cancel};

/* read(box, 1 | 2) -> string, or nothing at the end */
int op_read(lua_State *L)
{
    struct process *p = process_check(L);
    struct pipe_end *e = &p->out[luaL_checkinteger(L, 2) == 2];
    tusk_checkpoint(L);
    if (e->closed)
        return fail_closed(L);
    if (e->wait)
        return tusk_fail(L, "process.busy", "the output is being read by another task");
    if (e->data)
        return tusk_inline(L, push_kept(L, e));
    if (e->fd < 0)
        return tusk_inline(L, 0);
    ssize_t n = read_some(e);
    if (n > 0) {
        lua_pushlstring(L, p->state->scratch, (size_t)n);
        return tusk_inline(L, 1);
    }
    if (n == 0 || p->over) {
        ended(e);
        return tusk_inline(L, 0);
    }
    struct pipe_wait *w = process_wait_new(L, sizeof *w, &read_ops);
    w->end = e;
    e->wait = w;
    arm(e, UV_READABLE);
    return tusk_park(L, &w->base);
}

/* ---- writing ---- */

static int write_failed(lua_State *L, int err, int sent)
{
    if (err == EPIPE)
        tusk_error(L, "process.closed", "the program no longer reads its input");
    else
        tusk_error(L, "process.failed", "writing to the program failed: %s", strerror(err));
    lua_pushboolean(L, sent);
    lua_setfield(L, -2, "sent");
    return lua_error(L);
}

static int write_finish(lua_State *L, struct tusk_wait *w)
{
    struct pipe_wait *pw = (struct pipe_wait *)w;
    if (pw->base.cancelled)
        return tusk_fail_cancelled(L, pw->sent);
    return pw->err ? write_failed(L, pw->err, 1) : 0;
}

static void write_cancel(struct tusk_wait *w)
{
    struct pipe_wait *pw = (struct pipe_wait *)w;
    struct pipe_end *e = pw->end;
    pw->sent = pw->sent || e->at;
    e->wait = NULL;
    forget_data(e);
    disarm(e);
    if (pw->sent)
        tusk_wake(w);
    else
        tusk_drop(w);
}

static const struct tusk_wait_ops write_ops = {write_finish, write_cancel};

/* What is there goes into a buffer of our own, and is written when there is room. */
static int write_later(lua_State *L, struct pipe_end *e, const char *data, size_t n, int sent)
{
    struct pipe_wait *w = process_wait_new(L, sizeof *w, &write_ops);
    e->data = malloc(n);
    if (!e->data)
        return luaL_error(L, "not enough memory");
    e->len = e->cap = n;
    e->at = 0;
    memcpy(e->data, data, n);
    w->end = e;
    w->sent = sent;
    e->wait = w;
    arm(e, UV_WRITABLE);
    return tusk_park(L, &w->base);
}

/* write(box, data): returns when the pipe has all of it */
int op_write(lua_State *L)
{
    struct process *p = process_check(L);
    struct pipe_end *e = &p->in;
    size_t n, done = 0;
    const char *data = luaL_checklstring(L, 2, &n);
    tusk_checkpoint(L);
    if (e->wait || e->data)
        return tusk_fail(L, "process.busy", "the input is being written by another task");
    if (e->fd < 0)
        return tusk_fail(L, "closed", "the input is closed");
    while (done < n) {
        ssize_t put = write_some(e, data + done, n - done);
        if (put < 0 && errno == EAGAIN)
            return write_later(L, e, data + done, n - done, done > 0);
        if (put < 0) {
            int err = errno;
            pipe_close(e);
            return write_failed(L, err, done > 0);
        }
        done += (size_t)put;
    }
    return tusk_inline(L, 0);
}

/* close(box, 0 | 1 | 2): gives up our end; of the input: the program sees its end. Again: no effect
 */
int op_close(lua_State *L)
{
    struct process *p = process_check(L);
    int number = (int)luaL_checkinteger(L, 2);
    struct pipe_end *e = number == 0 ? &p->in : &p->out[number == 2];
    if (e->data && number == 0 && !e->wait)
        return 0; // what it was started with is on its way, and its end after it
    forget_data(e);
    pipe_close(e);
    process_settle(p);
    process_release(p);
    return 0;
}

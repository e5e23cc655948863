/*
 * file_poll.c: waiting for what a FIFO brings, on the loop: no thread is held, and who is cancelled
 * is gone at once.
 *
 * A FIFO that nobody has opened for writing yet reads like one at its end, but is not reported as
 * readable: only after a report, or once it is known that there is a writer, is nothing the end.
 */
#include "file.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* Plain memory: lives until the loop has let go of the handle. */
struct file_poll {
    uv_poll_t handle;
    struct file_job *job;
};

/* Reads in one turn of the loop: a fast writer must not keep it from the rest. */
enum { READS_MAX = 16 };

static void poll_free(uv_handle_t *handle)
{
    free(handle->data);
}

static void poll_end(struct file_job *job)
{
    uv_close((uv_handle_t *)&job->poll->handle, poll_free);
    job->poll = NULL;
    file_stream_done(job);
}

/* One read; nonzero: the job has ended. */
static int take_some(struct file_job *job)
{
    ssize_t n = read(job->stream->fd, job->data + job->len, job->cap - job->len);
    if (n < 0) {
        job->err = errno == EAGAIN || errno == EINTR ? 0 : errno;
        return job->err;
    }
    job->len += (size_t)n;
    if (n == 0 || !job->flag)
        return 1;
    if (job->len > job->max)
        job->fault = FAULT_LARGE;
    return job->fault || (job->len == job->cap && !file_grow(job));
}

/* All that is there, within reason; nonzero: the job has ended. */
static int take(struct file_job *job)
{
    int over = 0;
    for (int i = 0; i < READS_MAX && !over; i++)
        over = take_some(job);
    return over;
}

static void poll_ready(uv_poll_t *handle, int status, int events)
{
    struct file_job *job = ((struct file_poll *)handle->data)->job;
    (void)events;
    job->err = status < 0 ? -status : 0;
    job->stream->fed = 1;
    if (!job->err && !take(job))
        return;
    poll_end(job);
    tusk_wake(&job->wait->base);
}

static void poll_cancel(struct tusk_wait *w)
{
    struct file_wait *fw = (struct file_wait *)w;
    poll_end(fw->job);
    file_job_free(fw->job);
    fw->job = NULL;
    tusk_drop(w);
}

static const struct tusk_wait_ops poll_ops = {file_finish, poll_cancel};

static int poll_open(lua_State *L, struct file_job *job)
{
    struct file_poll *p = calloc(1, sizeof *p);
    if (!p)
        return ENOMEM;
    int r = uv_poll_init(tusk_loop(L), &p->handle, job->stream->fd);
    if (r) {
        free(p);
        return -r;
    }
    p->handle.data = p;
    p->job = job;
    job->poll = p;
    return 0;
}

int file_poll_start(lua_State *L, struct file_job *job)
{
    struct file_wait *fw = job->wait;
    job->state->held = NULL;
    int over = job->stream->fed && take(job);
    if (!over)
        job->err = poll_open(L, job);
    if (over || job->err) {
        file_stream_done(job);
        return tusk_inline(L, file_finish(L, &fw->base));
    }
    fw->base.ops = &poll_ops;
    uv_poll_start(&job->poll->handle, UV_READABLE, poll_ready);
    return tusk_park(L, &fw->base);
}

/*
 * file_write.c: writing and appending in place. The data is copied before the task parks, so that
 * a write nobody waits for any more still has it.
 */
#include "file_place.h"
#include "file_put.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SLICE = 8 * 1024 * 1024 };

/* An abandoned write stops between slices; an append is one write(), so that it is not torn. */
int file_put(struct file_job *job, int fd, size_t slice)
{
    for (size_t at = 0; at < job->len;) {
        if (at && atomic_load(&job->abandoned)) {
            errno = ECANCELED;
            return -1;
        }
        size_t left = job->len - at;
        ssize_t n = write(fd, job->data + at, left < slice ? left : slice);
        if (n >= 0)
            at += (size_t)n;
        else if (errno == EAGAIN ? !file_wait_ready(job, fd, POLLOUT) : errno != EINTR)
            return -1;
    }
    return 0;
}

/* A FIFO without a reader raises SIGPIPE: taken back before this thread would see it. */
static int put_special(struct file_job *job, int fd)
{
    sigset_t pipe, old;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, &old);
    int r = file_put(job, fd, SLICE), err = errno;
    if (r < 0 && err == EPIPE)
        sigtimedwait(&pipe, NULL, &(struct timespec){0, 0});
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = err;
    return r;
}

static int put_open(struct file_job *job, int fd)
{
    struct stat st;
    if (!file_accept(job, fd, &st))
        return 0;
    if (!S_ISREG(st.st_mode))
        return put_special(job, fd);
    // Some file systems take a truncation for the beginning of a replacement, and flush at close.
    int truncate = !job->flag && (st.st_size > 0 || job->len == 0);
    if (truncate && ftruncate(fd, 0) < 0)
        return -1;
    return file_put(job, fd, job->flag ? job->len : SLICE);
}

static void write_run(struct file_job *job)
{
    int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    if (job->flag)
        flags |= O_APPEND;
    int fd = file_open_at(job, job->path, flags, job->mode < 0 ? 0666 : (mode_t)job->mode);
    if (fd < 0) {
        file_open_failed(job);
        return;
    }
    if (put_open(job, fd) < 0)
        job->err = errno;
    if (close(fd) < 0 && errno != EINTR && !job->err)
        job->err = errno;
}

int file_pushed_true(lua_State *L, struct file_job *job)
{
    (void)job;
    lua_pushboolean(L, 1);
    return 1;
}

static const struct file_verb verb_write = {"write", write_run, file_pushed_true, 1};
static const struct file_verb verb_append = {"append to", write_run, file_pushed_true, 1};

/* The job of (root, path, data, mode or nil, special), with a copy of data. */
struct file_job *file_put_job(lua_State *L, const struct file_verb *verb)
{
    size_t len;
    const char *path = file_path(L, 2);
    const char *data = luaL_checklstring(L, 3, &len);
    int mode = (int)luaL_optinteger(L, 4, -1);
    int special = lua_toboolean(L, 5);
    struct file_job *job = file_job_at(L, verb, path, NULL);
    memcpy(file_alloc(L, job, len), data, len);
    job->len = len;
    job->mode = mode;
    job->special = special;
    return job;
}

/* write(root, path, data, mode or nil, special, append) -> true */
int op_write(lua_State *L)
{
    int append = lua_toboolean(L, 6);
    struct file_job *job = file_put_job(L, append ? &verb_append : &verb_write);
    job->flag = append;
    return file_start(L, job);
}

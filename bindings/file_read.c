/*
 * file_read.c: a whole file at once, and a file in pieces.
 *
 * What the kernel holds in its caches is read on the loop thread, with flags that mean "or tell me
 * you would block"; anything else, and any failure of that attempt, goes to the pool.
 */
#include "file_place.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { OPEN_READ = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, GROW_FROM = 64 * 1024 };

/* Pool half. */

static int open_for_reading(struct file_job *job, struct stat *st)
{
    if (job->fd < 0)
        job->fd = file_open_at(job, job->path, OPEN_READ, 0);
    if (job->fd < 0) {
        file_open_failed(job);
        return 0;
    }
    return file_accept(job, job->fd, st);
}

/* read() that waits for special files, retries EINTR, and gives up when abandoned. */
static ssize_t read_some(struct file_job *job, int fd, char *buf, size_t size)
{
    for (;;) {
        ssize_t n = read(fd, buf, size);
        if (n >= 0)
            return n;
        if (errno != EINTR && errno != EAGAIN)
            return -1;
        if (errno == EAGAIN && !file_wait_ready(job, fd, POLLIN)) {
            errno = ECANCELED;
            return -1;
        }
    }
}

int file_grow(struct file_job *job)
{
    size_t want = job->cap < job->max / 2 ? job->cap * 2 : job->max + 1;
    char *data = realloc(job->data, want);
    if (!data) {
        job->err = ENOMEM;
        return 0;
    }
    job->data = data;
    job->cap = want;
    return 1;
}

/* Reads fd to the end; one byte of room beyond the expected size is what tells the end is there. */
static void read_all(struct file_job *job, int fd, size_t cap)
{
    job->data = malloc(cap);
    job->cap = cap;
    if (!job->data) {
        job->err = ENOMEM;
        return;
    }
    while (!atomic_load(&job->abandoned)) {
        ssize_t n = read_some(job, fd, job->data + job->len, job->cap - job->len);
        if (n < 0)
            job->err = errno;
        if (n <= 0)
            return;
        job->len += (size_t)n;
        if (job->len > job->max) {
            job->fault = FAULT_LARGE;
            return;
        }
        if (job->len == job->cap && !file_grow(job))
            return;
    }
}

static void read_run(struct file_job *job)
{
    struct stat st;
    if (open_for_reading(job, &st)) {
        if (st.st_size > 0 && (uint64_t)st.st_size > job->max)
            job->fault = FAULT_LARGE;
        else
            read_all(job, job->fd, st.st_size > 0 ? (size_t)st.st_size + 1 : GROW_FROM);
    }
    if (job->fd >= 0)
        close(job->fd);
    job->fd = -1;
    if (job->err || job->fault) {
        free(job->data);
        job->data = NULL;
    }
}

static void open_run(struct file_job *job)
{
    struct stat st;
    open_for_reading(job, &st);
}

/* As much as is wanted, but for the end. */
static void chunk_regular(struct file_job *job, const struct file_stream *s)
{
    while (job->len < job->max) {
        off_t at = s->offset + (off_t)job->len;
        ssize_t n = pread(s->fd, job->data + job->len, job->max - job->len, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            job->err = errno;
        if (n <= 0)
            return;
        job->len += (size_t)n;
    }
}

static void chunk_run(struct file_job *job)
{
    struct file_stream *s = job->stream;
    if (s->regular) {
        chunk_regular(job, s);
        return;
    }
    ssize_t n = read_some(job, s->fd, job->data, job->max);
    if (n < 0)
        job->err = errno;
    else
        job->len = (size_t)n;
}

static void drain_run(struct file_job *job)
{
    read_all(job, job->stream->fd, GROW_FROM);
}

void file_stream_done(struct file_job *job)
{
    struct file_stream *s = job->stream;
    s->busy = 0;
    if (job->wait || s->regular || s->polled || job->len == 0)
        return;
    s->kept = job->data; // a terminal gives its bytes only once
    s->kept_len = job->len;
    job->data = NULL;
}

/* Task half. */

static int read_push(lua_State *L, struct file_job *job)
{
    tusk_push_bytes(L, job->data, job->len);
    return 1;
}

static int chunk_push(lua_State *L, struct file_job *job)
{
    job->stream->offset += (off_t)job->len;
    if (job->len == 0)
        return 0;
    return read_push(L, job);
}

void file_stream_push(lua_State *L, int *fd, mode_t mode, int first, const char *path)
{
    struct file_stream **box = lua_newuserdata(L, sizeof *box);
    *box = NULL;
    luaL_getmetatable(L, FILE_STREAM);
    lua_setmetatable(L, -2);
    size_t len = strlen(path) + 1;
    struct file_stream *s = calloc(1, sizeof *s + len);
    if (!s)
        luaL_error(L, "not enough memory");
    s->refs = 1;
    s->regular = S_ISREG(mode);
    s->polled = S_ISFIFO(mode);
    s->fed = !first;
    memcpy(s->path, path, len);
    s->fd = *fd;
    *fd = -1;
    *box = s;
}

static int open_push(lua_State *L, struct file_job *job)
{
    file_stream_push(L, &job->fd, job->found, job->fifo, job->path);
    return 1;
}

static const struct file_verb verb_read = {"read", read_run, read_push, 0};
static const struct file_verb verb_open = {"read", open_run, open_push, 0};
static const struct file_verb verb_chunk = {"read", chunk_run, chunk_push, 0};
static const struct file_verb verb_drain = {"read", drain_run, read_push, 0};

/* Without a hop. */

static ssize_t read_cached(int fd, char *buf, size_t size, off_t at)
{
    struct iovec io = {.iov_base = buf, .iov_len = size};
    return preadv2(fd, &io, 1, at, RWF_NOWAIT);
}

/* The length of the whole file in scratch, or -1; then st->fd may hold it open. */
static ssize_t slurp_cached(struct file_state *st, const struct file_root *root, const char *path,
                            size_t max)
{
    struct stat info;
    int fd = file_open_cached(root, path, O_RDONLY);
    if (fd < 0)
        return -1;
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size <= FILE_INLINE &&
        (uint64_t)info.st_size <= max) {
        ssize_t n = read_cached(fd, st->scratch, (size_t)info.st_size + 1, 0);
        if (n == info.st_size) {
            close(fd);
            return n;
        }
    }
    st->fd = fd;
    return -1;
}

/* read(root, path, max) -> string */
int op_read(lua_State *L)
{
    const char *path = file_path(L, 2);
    size_t max = (size_t)luaL_checknumber(L, 3);
    struct file_state *st = file_state(L);
    tusk_checkpoint(L);
    ssize_t n = slurp_cached(st, file_root_arg(L), path, max);
    if (n >= 0) {
        tusk_push_bytes(L, st->scratch, (size_t)n);
        return tusk_inline(L, 1);
    }
    struct file_job *job = file_job_at(L, &verb_read, path, NULL);
    job->max = max;
    return file_start(L, job);
}

/* open(root, path, special, fifo) -> stream */
int op_open(lua_State *L)
{
    const char *path = file_path(L, 2);
    int special = lua_toboolean(L, 3), fifo = lua_toboolean(L, 4);
    struct file_state *st = file_state(L);
    struct stat info;
    tusk_checkpoint(L);
    int fd = file_open_cached(file_root_arg(L), path, O_RDONLY);
    st->fd = fd;
    if (fd >= 0 && fstat(fd, &info) == 0 &&
        (fifo || special ? S_ISFIFO(info.st_mode) : S_ISREG(info.st_mode))) {
        file_stream_push(L, &st->fd, info.st_mode, fifo, path);
        return tusk_inline(L, 1);
    }
    struct file_job *job = file_job_at(L, &verb_open, path, NULL);
    job->special = special;
    job->fifo = fifo;
    return file_start(L, job);
}

/* The stream of an argument; NULL once closed. */
static struct file_stream **stream_box(lua_State *L, int arg)
{
    return luaL_checkudata(L, arg, FILE_STREAM);
}

static int chunk_kept(lua_State *L, struct file_stream *s, size_t size)
{
    size_t n = size < s->kept_len ? size : s->kept_len;
    tusk_push_bytes(L, s->kept, n);
    s->kept_len -= n;
    memmove(s->kept, s->kept + n, s->kept_len);
    if (s->kept_len == 0) {
        free(s->kept);
        s->kept = NULL;
    }
    return tusk_inline(L, 1);
}

struct file_stream *file_stream_check(lua_State *L, int arg)
{
    struct file_stream *s = *stream_box(L, arg);
    if (!s)
        tusk_fail(L, "closed", "the file is closed");
    else if (s->busy)
        tusk_fail(L, "file.busy", "\"%s\" is being read by another task", s->path);
    return s;
}

void file_stream_use(struct file_job *job, struct file_stream *s)
{
    job->stream = s;
    s->refs++;
    s->busy = 1;
}

static int ends_at(const struct file_stream *s, off_t offset)
{
    struct stat info;
    return fstat(s->fd, &info) == 0 && info.st_size <= offset;
}

/* The length of what can be had without waiting, in buf; 0: the end; -1: nothing can. */
static ssize_t chunk_at_once(struct file_stream *s, char *buf, size_t size)
{
    if (s->polled) {
        ssize_t n = read(s->fd, buf, size);
        int end = n == 0 && s->fed;
        s->fed |= n > 0 || (n < 0 && errno == EAGAIN); // or nobody has opened it for writing yet
        return n > 0 || end ? n : -1;
    }
    ssize_t n = s->regular ? read_cached(s->fd, buf, size, s->offset) : -1;
    if (n > 0 && (size_t)n < size && !ends_at(s, s->offset + n))
        return -1; // what follows is not in the cache
    return n;
}

/* chunk(stream, size) -> string, or nothing at the end */
int op_chunk(lua_State *L)
{
    struct file_stream *s = file_stream_check(L, 1);
    size_t size = (size_t)luaL_checkinteger(L, 2);
    struct file_state *st = file_state(L);
    tusk_checkpoint(L);
    if (s->kept)
        return chunk_kept(L, s, size);
    ssize_t n = size <= FILE_INLINE ? chunk_at_once(s, st->scratch, size) : -1;
    if (n >= 0) {
        s->offset += n;
        if (n)
            tusk_push_bytes(L, st->scratch, (size_t)n);
        return tusk_inline(L, n != 0);
    }
    struct file_job *job = file_job_new(L, &verb_chunk, s->path, NULL);
    file_alloc(L, job, size);
    job->max = job->cap = size;
    file_stream_use(job, s);
    return s->polled ? file_poll_start(L, job) : file_start(L, job);
}

/* drain(stream, max) -> string: all up to the end */
int op_drain(lua_State *L)
{
    struct file_stream *s = file_stream_check(L, 1);
    size_t max = (size_t)luaL_checknumber(L, 2);
    struct file_job *job = file_job_new(L, &verb_drain, s->path, NULL);
    job->max = max;
    job->flag = 1;
    if (s->polled) {
        job->cap = max < GROW_FROM ? max + 1 : GROW_FROM;
        file_alloc(L, job, job->cap);
    }
    file_stream_use(job, s);
    return s->polled ? file_poll_start(L, job) : file_start(L, job);
}

/* close(stream), also its __gc: now, or when the read in flight has ended. */
int op_close(lua_State *L)
{
    struct file_stream **box = stream_box(L, 1);
    struct file_stream *s = *box;
    *box = NULL;
    if (s)
        file_stream_unref(s);
    return 0;
}

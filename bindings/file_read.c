/*
 * file_read.c: a whole file at once, and a file in pieces.
 *
 * What the kernel holds in its caches is read on the loop thread, with flags that mean "or tell me
 * you would block"; anything else, and any failure of that attempt, goes to the pool.
 */
#include "file.h"

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
        job->fd = open(job->path, OPEN_READ);
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

static int data_grow(struct file_job *job, size_t *cap)
{
    size_t want = *cap < job->max / 2 ? *cap * 2 : job->max + 1;
    char *data = realloc(job->data, want);
    if (!data) {
        job->err = ENOMEM;
        return 0;
    }
    job->data = data;
    *cap = want;
    return 1;
}

/* Reads to the end; one byte of room beyond the expected size is what tells the end is there. */
static void read_all(struct file_job *job, size_t cap)
{
    job->data = malloc(cap);
    if (!job->data) {
        job->err = ENOMEM;
        return;
    }
    while (!atomic_load(&job->abandoned)) {
        ssize_t n = read_some(job, job->fd, job->data + job->len, cap - job->len);
        if (n < 0)
            job->err = errno;
        if (n <= 0)
            return;
        job->len += (size_t)n;
        if (job->len > job->max) {
            job->fault = FAULT_LARGE;
            return;
        }
        if (job->len == cap && !data_grow(job, &cap))
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
            read_all(job, st.st_size > 0 ? (size_t)st.st_size + 1 : GROW_FROM);
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
    if (open_for_reading(job, &st))
        job->flag = S_ISREG(st.st_mode);
}

static void chunk_run(struct file_job *job)
{
    struct file_stream *s = job->stream;
    ssize_t n;
    do
        n = s->regular ? pread(s->fd, job->data, job->max, s->offset)
                       : read_some(job, s->fd, job->data, job->max);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        job->err = errno;
    else
        job->len = (size_t)n;
}

void file_stream_done(struct file_job *job)
{
    struct file_stream *s = job->stream;
    s->busy = 0;
    if (job->wait || s->regular || job->len == 0)
        return;
    s->kept = job->data; // a FIFO gives its bytes only once
    s->kept_len = job->len;
    job->data = NULL;
}

/* Task half. */

static int read_push(lua_State *L, struct file_job *job)
{
    lua_pushlstring(L, job->data, job->len);
    return 1;
}

static int chunk_push(lua_State *L, struct file_job *job)
{
    job->stream->offset += (off_t)job->len;
    if (job->len == 0)
        return 0;
    return read_push(L, job);
}

/* Moves fd into a new stream userdata. */
static void stream_push(lua_State *L, int *fd, int regular, const char *path)
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
    s->regular = regular != 0;
    memcpy(s->path, path, len);
    s->fd = *fd;
    *fd = -1;
    *box = s;
}

static int open_push(lua_State *L, struct file_job *job)
{
    stream_push(L, &job->fd, job->flag, job->path);
    return 1;
}

static const struct file_verb verb_read = {"read", read_run, read_push, 0};
static const struct file_verb verb_open = {"read", open_run, open_push, 0};
static const struct file_verb verb_chunk = {"read", chunk_run, chunk_push, 0};

/* Without a hop. */

static ssize_t read_cached(int fd, char *buf, size_t size, off_t at)
{
    struct iovec io = {.iov_base = buf, .iov_len = size};
    return preadv2(fd, &io, 1, at, RWF_NOWAIT);
}

/* The length of the whole file in scratch, or -1; then st->fd may hold it open. */
static ssize_t slurp_cached(struct file_state *st, const char *path, size_t max)
{
    struct stat info;
    int fd = file_open_cached(path, O_RDONLY);
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

/* read(path, max, special) -> string */
int op_read(lua_State *L)
{
    const char *path = file_path(L, 1);
    size_t max = (size_t)luaL_checknumber(L, 2);
    int special = lua_toboolean(L, 3);
    struct file_state *st = file_state(L);
    tusk_checkpoint(L);
    ssize_t n = slurp_cached(st, path, max);
    if (n >= 0) {
        lua_pushlstring(L, st->scratch, (size_t)n);
        return tusk_inline(L, 1);
    }
    struct file_job *job = file_job_new(L, &verb_read, path, NULL);
    job->max = max;
    job->special = special;
    return file_start(L, job);
}

/* open(path, special) -> stream */
int op_open(lua_State *L)
{
    const char *path = file_path(L, 1);
    int special = lua_toboolean(L, 2);
    struct file_state *st = file_state(L);
    struct stat info;
    tusk_checkpoint(L);
    int fd = file_open_cached(path, O_RDONLY);
    st->fd = fd;
    if (fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
        stream_push(L, &st->fd, 1, path);
        return tusk_inline(L, 1);
    }
    struct file_job *job = file_job_new(L, &verb_open, path, NULL);
    job->special = special;
    return file_start(L, job);
}

/* The stream of argument 1; NULL once closed. */
static struct file_stream **stream_box(lua_State *L)
{
    return luaL_checkudata(L, 1, FILE_STREAM);
}

static int chunk_kept(lua_State *L, struct file_stream *s, size_t size)
{
    size_t n = size < s->kept_len ? size : s->kept_len;
    lua_pushlstring(L, s->kept, n);
    s->kept_len -= n;
    memmove(s->kept, s->kept + n, s->kept_len);
    if (s->kept_len == 0) {
        free(s->kept);
        s->kept = NULL;
    }
    return tusk_inline(L, 1);
}

/* chunk(stream, size) -> string, or nothing at the end */
int op_chunk(lua_State *L)
{
    struct file_stream *s = *stream_box(L);
    size_t size = (size_t)luaL_checkinteger(L, 2);
    struct file_state *st = file_state(L);
    if (!s)
        return tusk_fail(L, "closed", "the file is closed");
    if (s->busy)
        return tusk_fail(L, "file.busy", "\"%s\" is being read by another task", s->path);
    tusk_checkpoint(L);
    if (s->kept)
        return chunk_kept(L, s, size);
    ssize_t n =
        s->regular && size <= FILE_INLINE ? read_cached(s->fd, st->scratch, size, s->offset) : -1;
    if (n >= 0) {
        s->offset += n;
        if (n)
            lua_pushlstring(L, st->scratch, (size_t)n);
        return tusk_inline(L, n != 0);
    }
    struct file_job *job = file_job_new(L, &verb_chunk, s->path, NULL);
    file_alloc(L, job, size);
    job->max = size;
    job->stream = s;
    s->refs++;
    s->busy = 1;
    return file_start(L, job);
}

/* close(stream), also its __gc: now, or when the read in flight has ended. */
int op_close(lua_State *L)
{
    struct file_stream **box = stream_box(L);
    struct file_stream *s = *box;
    *box = NULL;
    if (s)
        file_stream_unref(s);
    return 0;
}

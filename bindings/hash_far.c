/*
 * hash_far.c: what would hold up the loop, on libuv's pool: very long strings, and files. A string
 * is not copied: its waiter, and so the string, stays until the thread has let go of it, which a
 * cancel makes soon. A file's job is its own, and left to end by itself.
 */
#include "hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 256 * 1024 }; /* between two looks at whether anybody still wants it */

/* ---- a string ---- */

struct string_wait { /* its environment keeps the hasher and the string */
    struct tusk_wait base;
    uv_work_t work;
    struct hasher *hasher;
    const char *data;
    size_t length;
    atomic_int unwanted;
    int failed;
};

static void string_run(uv_work_t *work)
{
    struct string_wait *w = work->data;
    for (size_t at = 0, n; at < w->length && !w->failed; at += n) {
        n = w->length - at < PIECE ? w->length - at : PIECE;
        if (atomic_load(&w->unwanted))
            return;
        w->failed = hasher_update(w->hasher, w->data + at, n);
    }
}

static void string_done(uv_work_t *work, int status)
{
    struct string_wait *w = work->data;
    (void)status;
    w->hasher->busy = 0;
    tusk_wake(&w->base);
}

/* A digest of which nobody knows how much is in it is of no use. */
static int string_finish(lua_State *L, struct tusk_wait *wait)
{
    struct string_wait *w = (struct string_wait *)wait;
    if (wait->cancelled || w->failed)
        hasher_free(w->hasher);
    if (wait->cancelled)
        return tusk_fail_cancelled(L, 0);
    return w->failed ? luaL_error(L, "not enough memory") : 0;
}

static void string_cancel(struct tusk_wait *wait)
{
    struct string_wait *w = (struct string_wait *)wait;
    atomic_store(&w->unwanted, 1);
    uv_cancel((uv_req_t *)&w->work); // string_done comes, one way or the other
}

static const struct tusk_wait_ops string_ops = {string_finish, string_cancel};

int op_update_far(lua_State *L)
{
    size_t n;
    tusk_checkpoint(L);
    struct hasher *h = hash_check(L);
    const char *data = luaL_checklstring(L, 2, &n);
    struct string_wait *w = tusk_wait_new(L, sizeof *w, &string_ops);
    lua_createtable(L, 2, 0);
    for (int i = 1; i <= 2; i++) {
        lua_pushvalue(L, i);
        lua_rawseti(L, -2, i);
    }
    lua_setfenv(L, -2);
    w->hasher = h;
    w->data = data;
    w->length = n;
    w->work.data = w;
    h->busy = 1;
    uv_queue_work(tusk_loop(L), &w->work, string_run, string_done);
    return tusk_park(L, &w->base);
}

/* ---- a file ---- */

struct file_job { /* plain memory; freed by finish, or at its end if nobody waits any more */
    uv_work_t work;
    struct file_wait *wait; /* NULL: nobody does */
    struct hasher hasher;
    atomic_int unwanted;
    int err, odd; /* errno; it is no file, nor a folder */
    size_t length;
    unsigned char digest[EVP_MAX_MD_SIZE];
    char path[];
};

struct file_wait {
    struct tusk_wait base;
    struct file_job *job;
};

static void job_free(struct file_job *job)
{
    hasher_free(&job->hasher);
    free(job);
}

static int open_file(struct file_job *job)
{
    struct stat st;
    int fd = open(job->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st)) {
        job->err = errno;
    } else if (!S_ISREG(st.st_mode)) {
        job->err = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
        job->odd = !S_ISDIR(st.st_mode);
    }
    return fd;
}

static void hash_all(struct file_job *job, int fd, char *piece)
{
    ssize_t n = 1;
    while (n > 0 && !job->err && !atomic_load(&job->unwanted)) {
        n = read(fd, piece, PIECE);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n < 0)
            job->err = errno;
        else if (hasher_update(&job->hasher, piece, (size_t)n))
            job->err = ENOMEM;
    }
}

static void file_run(uv_work_t *work)
{
    struct file_job *job = work->data;
    char *piece = malloc(PIECE);
    int fd = open_file(job);
    if (!piece)
        job->err = ENOMEM;
    if (!job->err)
        hash_all(job, fd, piece);
    job->length = job->err ? 0 : hasher_finish(&job->hasher, job->digest);
    if (fd >= 0)
        close(fd);
    free(piece);
}

static void file_done(uv_work_t *work, int status)
{
    struct file_job *job = work->data;
    (void)status; // a job taken out of the queue has no waiter
    if (job->wait)
        tusk_wake(&job->wait->base);
    else
        job_free(job);
}

static const char *kind_of(const struct file_job *job)
{
    switch (job->err) {
    case ENOENT:
        return "file.not_found";
    case EACCES:
    case EPERM:
        return "file.permission";
    case EISDIR:
        return "file.is_directory";
    case ENOTDIR:
        return "file.not_directory";
    case EMFILE:
    case ENFILE:
        return "file.too_many_open";
    default:
        return job->odd ? "file.type" : "file.io";
    }
}

/* The job's memory is w's until the next collection: raising loses nothing. */
static int file_failed(lua_State *L, const struct file_job *job)
{
    char name[32], text[128];
    uv_err_name_r(-job->err, name, sizeof name);
    uv_strerror_r(-job->err, text, sizeof text);
    if (job->odd)
        tusk_error(L, kind_of(job), "cannot read \"%s\": it is no file", job->path);
    else
        tusk_error(L, kind_of(job), "cannot read \"%s\": %s (%s)", job->path, text, name);
    lua_pushstring(L, job->path);
    lua_setfield(L, -2, "path");
    lua_pushstring(L, name);
    lua_setfield(L, -2, "errno");
    return 1;
}

static int push_outcome(lua_State *L)
{
    struct file_job *job = lua_touserdata(L, 1);
    if (job->err)
        return file_failed(L, job);
    lua_pushlstring(L, (const char *)job->digest, job->length);
    return 1;
}

/* Nothing may raise before the job is freed. */
static int file_finish(lua_State *L, struct tusk_wait *wait)
{
    struct file_job *job = ((struct file_wait *)wait)->job;
    int failed = job->err != 0;
    lua_pushcfunction(L, push_outcome);
    lua_pushlightuserdata(L, job);
    int raised = lua_pcall(L, 1, 1, 0);
    job_free(job);
    return failed || raised ? lua_error(L) : 1;
}

static void file_cancel(struct tusk_wait *wait)
{
    struct file_job *job = ((struct file_wait *)wait)->job;
    job->wait = NULL;
    atomic_store(&job->unwanted, 1);
    uv_cancel((uv_req_t *)&job->work); // file_done frees it
    tusk_drop(wait);
}

static const struct tusk_wait_ops file_ops = {file_finish, file_cancel};

static struct file_job *job_new(const EVP_MD *md, const char *path, size_t length)
{
    struct file_job *job = calloc(1, sizeof *job + length + 1);
    if (!job)
        return NULL;
    memcpy(job->path, path, length + 1);
    job->work.data = job;
    job->hasher.md = EVP_MD_CTX_new();
    if (job->hasher.md && EVP_DigestInit_ex2(job->hasher.md, md, NULL) == 1)
        return job;
    job_free(job);
    return NULL;
}

int op_file(lua_State *L)
{
    size_t length;
    EVP_MD *md = hash_algorithm(L, 1);
    const char *path = luaL_checklstring(L, 2, &length);
    if (memchr(path, 0, length))
        return tusk_fail(L, "argument", "a path cannot contain a zero byte");
    struct file_wait *w = tusk_wait_new(L, sizeof *w, &file_ops);
    w->job = job_new(md, path, length);
    if (!w->job)
        return luaL_error(L, "not enough memory");
    w->job->wait = w;
    uv_queue_work(tusk_loop(L), &w->job->work, file_run, file_done);
    return tusk_park(L, &w->base);
}

/*
 * file.c: the life of one file operation, and the table of verbs.
 *
 * Every operation is one hop to libuv's pool, with the whole of open, work and close in it; reads
 * the kernel can answer from its cache take none. A cancelled operation is taken out of the queue
 * if it has not begun; otherwise it is let go and cleans up after itself.
 */
#include "file_place.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct file_state *file_state(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

const char *file_path(lua_State *L, int arg)
{
    size_t len;
    const char *path = luaL_checklstring(L, arg, &len);
    if (memchr(path, 0, len))
        tusk_fail(L, "argument", "a path cannot contain a zero byte");
    return path;
}

void file_stream_unref(struct file_stream *s)
{
    if (--s->refs)
        return;
    if (s->fd >= 0)
        close(s->fd);
    free(s->kept);
    free(s);
}

/* Gives back all that a job has but its names, which the error needs. */
void file_job_release(struct file_job *job)
{
    if (job->fd >= 0)
        close(job->fd);
    if (job->fd2 >= 0)
        close(job->fd2);
    if (job->stream)
        file_stream_unref(job->stream);
    if (job->writer)
        file_writer_unref(job->writer);
    if (job->root)
        file_root_unref(job->root);
    if (job->walk)
        file_walk_unref(job->walk);
    free(job->data);
    free(job->index);
    job->fd = job->fd2 = -1;
    job->stream = NULL;
    job->writer = NULL;
    job->root = NULL;
    job->walk = NULL;
    job->data = NULL;
    job->index = NULL;
}

void file_job_free(struct file_job *job)
{
    if (!job)
        return;
    file_job_release(job);
    free(job->inner);
    free(job);
}

/* Frees what an operation left behind when it raised half-way. */
static void state_tidy(struct file_state *st)
{
    file_job_free(st->held);
    st->held = NULL;
    if (st->fd >= 0)
        close(st->fd);
    st->fd = -1;
}

static int state_gc(lua_State *L)
{
    struct file_state *st = lua_touserdata(L, 1);
    state_tidy(st);
    free(st->scratch);
    st->scratch = NULL;
    return 0;
}

int file_finish(lua_State *L, struct tusk_wait *w)
{
    struct file_wait *fw = (struct file_wait *)w;
    struct file_job *job = fw->job;
    if (!job)
        return tusk_fail_cancelled(L, fw->sent);
    struct file_state *st = job->state;
    state_tidy(st);
    st->held = job;
    fw->job = NULL;
    if (w->cancelled && job->err == ECANCELED) {
        state_tidy(st);
        return tusk_fail_cancelled(L, 0);
    }
    int n = job->err || job->fault ? file_fail(L, job) : job->verb->push(L, job);
    state_tidy(st);
    return n;
}

static void wait_cancel(struct tusk_wait *w)
{
    struct file_wait *fw = (struct file_wait *)w;
    struct file_job *job = fw->job;
    atomic_store(&job->abandoned, 1);
    int begun = uv_cancel((uv_req_t *)&job->req) != 0;
    if (job->verb->writes == FILE_FINISHES)
        return;
    job->wait = NULL;
    fw->job = NULL;
    fw->sent = begun && job->verb->writes;
    if (fw->sent)
        tusk_wake(w);
    else
        tusk_drop(w);
}

static const struct tusk_wait_ops wait_ops = {file_finish, wait_cancel};

static void job_run(uv_work_t *req)
{
    struct file_job *job = req->data;
    job->verb->run(job);
}

static void job_done(uv_work_t *req, int status)
{
    struct file_job *job = req->data;
    if (job->stream)
        file_stream_done(job);
    if (job->writer)
        file_writer_done(job);
    if (job->walk)
        file_walk_done(job);
    if (!job->wait) {
        file_job_free(job);
        return;
    }
    if (status == UV_ECANCELED) // wait_cancel has taken it out of the queue
        job->err = ECANCELED;
    tusk_wake(&job->wait->base);
}

/* A job with its record pushed; it belongs to the state until file_start, so raising loses nothing.
 */
struct file_job *file_job_new(lua_State *L, const struct file_verb *verb, const char *path,
                              const char *to)
{
    struct file_state *st = file_state(L);
    struct file_wait *fw = tusk_wait_new(L, sizeof *fw, &wait_ops);
    size_t a = strlen(path) + 1, b = to ? strlen(to) + 1 : 0;
    struct file_job *job = calloc(1, sizeof *job + a + b);
    if (!job)
        luaL_error(L, "not enough memory");
    job->verb = verb;
    job->state = st;
    job->wait = fw;
    job->fd = st->fd;
    job->fd2 = -1;
    st->fd = -1;
    job->mode = -1;
    job->path = memcpy(job + 1, path, a);
    if (to)
        job->to = memcpy(job->path + a, to, b);
    file_job_free(st->held);
    st->held = job;
    fw->job = job;
    return job;
}

struct file_job *file_job_at(lua_State *L, const struct file_verb *verb, const char *path,
                             const char *to)
{
    struct file_root *root = file_root_arg(L);
    struct file_job *job = file_job_new(L, verb, path, to);
    job->root = root;
    if (root)
        root->refs++;
    return job;
}

void *file_alloc(lua_State *L, struct file_job *job, size_t size)
{
    job->data = malloc(size ? size : 1);
    if (!job->data)
        luaL_error(L, "not enough memory");
    return job->data;
}

int file_start(lua_State *L, struct file_job *job)
{
    job->state->held = NULL;
    job->req.data = job;
    int r = uv_queue_work(tusk_loop(L), &job->req, job_run, job_done);
    assert(r == 0);
    (void)r;
    return tusk_park(L, &job->wait->base);
}

int file_accept(struct file_job *job, int fd, struct stat *st)
{
    if (fstat(fd, st) < 0) {
        job->err = errno;
        return 0;
    }
    if (S_ISDIR(st->st_mode)) {
        job->err = EISDIR;
        return 0;
    }
    job->found = st->st_mode;
    if (job->fifo)
        job->fault = S_ISFIFO(st->st_mode) ? FAULT_NONE : FAULT_NOT_FIFO;
    else if (!S_ISREG(st->st_mode) && !job->special)
        job->fault = FAULT_TYPE;
    return job->fault == FAULT_NONE;
}

void file_open_failed(struct file_job *job)
{
    struct stat st;
    job->err = errno;
    if (job->err == ENXIO && !job->special && file_stat_at(job, job->path, 1, &st) == 0) {
        job->fault = job->fifo ? FAULT_NOT_FIFO : FAULT_TYPE;
        job->found = st.st_mode;
    }
}

int file_wait_ready(struct file_job *job, int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    while (!atomic_load(&job->abandoned))
        if (poll(&p, 1, 20) != 0)
            return 1;
    return 0;
}

static const luaL_Reg verbs[] = {
    {"root", op_root},
    {"read", op_read},
    {"open", op_open},
    {"chunk", op_chunk},
    {"drain", op_drain},
    {"close", op_close},
    {"write", op_write},
    {"write_atomic", op_write_atomic},
    {"writer", op_writer},
    {"writer_put", op_writer_put},
    {"writer_commit", op_writer_commit},
    {"writer_discard", op_writer_discard},
    {"read_dir", op_read_dir},
    {"mkdir", op_mkdir},
    {"remove", op_remove},
    {"metadata", op_metadata},
    {"exists", op_exists},
    {"rename", op_rename},
    {"walk", op_walk},
    {"walk_next", op_walk_next},
    {"walk_close", op_walk_close},
    {"copy", op_copy},
    {"temp", op_temp},
    {"temp_remove", op_temp_remove},
    {"temp_close", op_temp_close},
    {"sweep", op_sweep},
    {"lock", op_lock},
    {"unlock", op_unlock},
    {"watch_open", op_watch_open},
    {"watch_add", op_watch_add},
    {"watch_remove", op_watch_remove},
    {"watch_more", op_watch_more},
    {"watch_events", op_watch_events},
    {NULL, NULL},
};

TUSK_LUA_EXPORT int luaopen_tusk_binding_file(lua_State *L);

int luaopen_tusk_binding_file(lua_State *L)
{
    lua_newtable(L);
    struct file_state *st = lua_newuserdata(L, sizeof *st);
    memset(st, 0, sizeof *st);
    st->fd = -1;
    lua_newtable(L);
    lua_pushcfunction(L, state_gc);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2); // verbs, state
    st->scratch = malloc(FILE_INLINE + 1);
    if (!st->scratch)
        return luaL_error(L, "not enough memory");
    luaL_newmetatable(L, FILE_STREAM);
    lua_pushcfunction(L, op_close);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    file_writer_open_lua(L);
    file_root_open_lua(L);
    file_walk_open_lua(L);
    file_lock_open_lua(L);
    file_temp_open_lua(L);
    luaL_setfuncs(L, verbs, 1);
    return 1;
}

/*
 * file_writer.c: a file replaced by what comes in pieces. Each piece is one trip to the pool; what
 * is there before the commit is a temporary file, removed with the writer.
 *
 * Pieces are small, so a cancelled write waits for the end of the one in flight: afterwards nobody
 * writes any more, and the file can be removed.
 */
#include "file_put.h"
#include "file_swap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FILE_WRITER "tusk.file.writer"

enum { SLICE = 1024 * 1024 };

/* Loop thread, but for `swap`, which a job in flight has. A job owns a reference. */
struct file_writer {
    int refs;
    uint8_t busy;
    struct file_swap swap;
};

void file_writer_unref(struct file_writer *w)
{
    if (--w->refs)
        return;
    file_swap_close(&w->swap);
    free(w);
}

void file_writer_done(struct file_job *job)
{
    job->writer->busy = 0;
}

/* Pool half. */

static void open_run(struct file_job *job)
{
    struct file_swap *s = &job->writer->swap;
    if (!file_swap_open(s, job, job->path))
        file_swap_close(s);
}

static void put_run(struct file_job *job)
{
    if (file_put(job, job->writer->swap.fd, SLICE) < 0)
        job->err = errno;
}

static void commit_run(struct file_job *job)
{
    file_swap_commit(&job->writer->swap, job);
    file_swap_close(&job->writer->swap);
}

static void discard_run(struct file_job *job)
{
    file_swap_close(&job->writer->swap);
}

/* Task half. */

static int open_push(lua_State *L, struct file_job *job)
{
    struct file_writer **box = lua_newuserdata(L, sizeof *box);
    *box = NULL;
    luaL_getmetatable(L, FILE_WRITER);
    lua_setmetatable(L, -2);
    *box = job->writer;
    job->writer = NULL;
    return 1;
}

static const struct file_verb verb_open = {"write", open_run, open_push, FILE_FINISHES};
static const struct file_verb verb_put = {"write", put_run, file_pushed_true, FILE_FINISHES};
static const struct file_verb verb_commit = {"write", commit_run, file_pushed_true, FILE_FINISHES};
static const struct file_verb verb_discard = {"remove", discard_run, file_pushed_true,
                                              FILE_FINISHES};

/* writer(root, path, mode or nil) -> writer */
int op_writer(lua_State *L)
{
    const char *path = file_path(L, 2);
    int mode = (int)luaL_optinteger(L, 3, -1);
    struct file_job *job = file_job_at(L, &verb_open, path, NULL);
    struct file_writer *w = calloc(1, sizeof *w);
    if (!w)
        return luaL_error(L, "not enough memory");
    w->refs = 1;
    w->busy = 1;
    job->writer = w;
    job->mode = mode;
    return file_start(L, job);
}

static struct file_writer **writer_box(lua_State *L)
{
    return luaL_checkudata(L, 1, FILE_WRITER);
}

static struct file_writer *writer_free(lua_State *L)
{
    struct file_writer *w = *writer_box(L);
    if (w && !w->busy)
        return w;
    if (w)
        tusk_fail(L, "file.busy", "\"%s\" is being written by another task", w->swap.path);
    tusk_fail(L, "closed", "the writer is closed");
    return NULL;
}

static struct file_job *writer_job(lua_State *L, const struct file_verb *verb,
                                   struct file_writer *w)
{
    struct file_job *job = file_job_new(L, verb, w->swap.path, NULL);
    job->writer = w;
    w->refs++;
    return job;
}

/* writer_put(writer, data) -> true */
int op_writer_put(lua_State *L)
{
    size_t len;
    struct file_writer *w = writer_free(L);
    const char *data = luaL_checklstring(L, 2, &len);
    struct file_job *job = writer_job(L, &verb_put, w);
    memcpy(file_alloc(L, job, len), data, len);
    job->len = len;
    w->busy = 1;
    return file_start(L, job);
}

/* The writer ends with a job, which takes its reference over. */
static int writer_end(lua_State *L, const struct file_verb *verb, struct file_writer *w)
{
    struct file_job *job = writer_job(L, verb, w);
    *writer_box(L) = NULL;
    w->refs--;
    w->busy = 1;
    return file_start(L, job);
}

/* writer_commit(writer) -> true */
int op_writer_commit(lua_State *L)
{
    return writer_end(L, &verb_commit, writer_free(L));
}

static int writer_gc(lua_State *L)
{
    struct file_writer **box = writer_box(L), *w = *box;
    *box = NULL;
    if (w)
        file_writer_unref(w);
    return 0;
}

/* writer_discard(writer): nothing for one that has ended; one that another task uses ends then */
int op_writer_discard(lua_State *L)
{
    struct file_writer *w = *writer_box(L);
    if (w && !w->busy)
        return writer_end(L, &verb_discard, w);
    tusk_checkpoint(L);
    writer_gc(L);
    return tusk_inline(L, 0);
}

void file_writer_open_lua(lua_State *L)
{
    luaL_newmetatable(L, FILE_WRITER);
    lua_pushcfunction(L, writer_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}

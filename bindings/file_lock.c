/*
 * file_lock.c: locks that processes share (flock): asked for, never waited for. Whoever waits asks
 * again, so that no thread is held.
 */
#include "file_place.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#define FILE_LOCK "tusk.file.lock"

enum { OPEN_LOCK = O_CLOEXEC | O_NOCTTY | O_NONBLOCK };

/* A file is made; a folder, or what may only be read, can be locked as well. */
static int open_lock(struct file_job *job)
{
    int fd = file_open_at(job, job->path, O_RDWR | O_CREAT | OPEN_LOCK, 0666);
    if (fd < 0 && (errno == EISDIR || errno == EACCES || errno == EROFS))
        fd = file_open_at(job, job->path, O_RDONLY | OPEN_LOCK, 0);
    return fd;
}

/* Somebody may have removed it, or put another in its place, since it was opened: a lock on that
 * keeps nobody out. */
static int is_still_there(struct file_job *job, const struct stat *st)
{
    struct stat now;
    return file_stat_at(job, job->path, 1, &now) == 0 && now.st_dev == st->st_dev &&
           now.st_ino == st->st_ino;
}

static int try_lock(struct file_job *job)
{
    struct stat st;
    if (fstat(job->fd, &st) < 0)
        return -1;
    job->found = st.st_mode;
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
        job->fault = FAULT_TYPE;
        return 0;
    }
    if (flock(job->fd, (job->flag ? LOCK_SH : LOCK_EX) | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? 0 : -1;
    return is_still_there(job, &st);
}

/* flag: with others who read. fd is left open if it is locked. */
static void lock_run(struct file_job *job)
{
    job->fd = open_lock(job);
    int r = job->fd < 0 ? -1 : try_lock(job);
    if (r < 0)
        job->err = errno;
    if (r <= 0 && job->fd >= 0) {
        close(job->fd);
        job->fd = -1;
    }
}

static int lock_push(lua_State *L, struct file_job *job)
{
    if (job->fd < 0)
        return 0;
    int *fd = lua_newuserdata(L, sizeof *fd);
    *fd = -1;
    luaL_getmetatable(L, FILE_LOCK);
    lua_setmetatable(L, -2);
    *fd = job->fd;
    job->fd = -1;
    return 1;
}

static const struct file_verb verb_lock = {"lock", lock_run, lock_push, FILE_READS};

/* lock(root, path, shared) -> lock, or nothing when somebody else has it */
int op_lock(lua_State *L)
{
    struct file_job *job = file_job_at(L, &verb_lock, file_path(L, 2), NULL);
    job->flag = lua_toboolean(L, 3);
    job->plain = 1;
    return file_start(L, job);
}

/* unlock(lock), also its __gc. A child between fork and exec may still have the file open: closing
 * it would not be enough. */
int op_unlock(lua_State *L)
{
    int *fd = luaL_checkudata(L, 1, FILE_LOCK);
    if (*fd < 0)
        return 0;
    flock(*fd, LOCK_UN);
    close(*fd);
    *fd = -1;
    return 0;
}

void file_lock_open_lua(lua_State *L)
{
    luaL_newmetatable(L, FILE_LOCK);
    lua_pushcfunction(L, op_unlock);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}

/* file_stat.c: what a path stands for, and its name. */
#include "file_place.h"
#include "file_put.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { STAT_MASK = STATX_BASIC_STATS | STATX_BTIME };

/* flag: follow links. len: there is such a thing. */
static void stat_run(struct file_job *job)
{
    if (file_statx_at(job, job->path, job->flag, STAT_MASK, &job->st) == 0)
        job->len = 1;
    else if (errno != ENOENT && errno != ENOTDIR)
        job->err = errno;
}

static void set_number(lua_State *L, const char *key, double value)
{
    lua_pushnumber(L, value);
    lua_setfield(L, -2, key);
}

static void set_time(lua_State *L, const char *key, const struct statx_timestamp *t)
{
    set_number(L, key, (double)t->tv_sec + (double)t->tv_nsec / 1e9);
}

static void push_metadata(lua_State *L, const struct statx *st)
{
    lua_createtable(L, 0, 13);
    lua_pushstring(L, file_type_name(st->stx_mode));
    lua_setfield(L, -2, "type");
    set_number(L, "size", (double)st->stx_size);
    set_number(L, "mode", st->stx_mode & 07777);
    set_time(L, "modified", &st->stx_mtime);
    set_time(L, "accessed", &st->stx_atime);
    set_time(L, "changed", &st->stx_ctime);
    if (st->stx_mask & STATX_BTIME)
        set_time(L, "created", &st->stx_btime);
    set_number(L, "uid", st->stx_uid);
    set_number(L, "gid", st->stx_gid);
    set_number(L, "links", st->stx_nlink);
    set_number(L, "inode", (double)st->stx_ino);
    set_number(L, "device", (double)makedev(st->stx_dev_major, st->stx_dev_minor));
}

static int metadata_push(lua_State *L, struct file_job *job)
{
    if (job->len)
        push_metadata(L, &job->st);
    else
        lua_pushnil(L);
    return 1;
}

static int exists_push(lua_State *L, struct file_job *job)
{
    lua_pushboolean(L, job->len != 0);
    return 1;
}

static const struct file_verb verb_metadata = {"look at", stat_run, metadata_push, 0};
static const struct file_verb verb_exists = {"look at", stat_run, exists_push, 0};

/* True when the kernel could say without blocking that path is there, and what it is. */
static int stat_cached(const struct file_root *root, const char *path, int follow, struct statx *st)
{
    int fd = file_open_cached(root, path, (uint64_t)(O_PATH | (follow ? 0 : O_NOFOLLOW)));
    if (fd < 0)
        return 0;
    int r = statx(fd, "", AT_EMPTY_PATH, STAT_MASK, st);
    close(fd);
    return r == 0;
}

/* metadata(root, path, follow) -> table, or nothing when there is no such path */
int op_metadata(lua_State *L)
{
    const char *path = file_path(L, 2);
    int follow = lua_toboolean(L, 3);
    struct statx st;
    tusk_checkpoint(L);
    if (stat_cached(file_root_arg(L), path, follow, &st)) {
        push_metadata(L, &st);
        return tusk_inline(L, 1);
    }
    struct file_job *job = file_job_at(L, &verb_metadata, path, NULL);
    job->flag = follow;
    return file_start(L, job);
}

/* exists(root, path) -> boolean */
int op_exists(lua_State *L)
{
    const char *path = file_path(L, 2);
    struct statx st;
    tusk_checkpoint(L);
    if (stat_cached(file_root_arg(L), path, 1, &st)) {
        lua_pushboolean(L, 1);
        return tusk_inline(L, 1);
    }
    struct file_job *job = file_job_at(L, &verb_exists, path, NULL);
    job->flag = 1;
    return file_start(L, job);
}

/* flag: an existing target may be replaced. */
static void rename_run(struct file_job *job)
{
    unsigned flags = job->flag ? 0 : RENAME_NOREPLACE;
    struct file_place from, to;
    int r = file_place(job, job->path, &from) + file_place(job, job->to, &to);
    if (r < 0 || renameat2(from.dir, from.name, to.dir, to.name, flags) < 0)
        job->err = errno;
    file_place_close(&from);
    file_place_close(&to);
}

static const struct file_verb verb_rename = {"rename", rename_run, file_pushed_true, 1};

/* rename(root, from, to, replace) -> true */
int op_rename(lua_State *L)
{
    const char *from = file_path(L, 2), *to = file_path(L, 3);
    int replace = lua_toboolean(L, 4);
    struct file_job *job = file_job_at(L, &verb_rename, from, to);
    job->flag = replace;
    return file_start(L, job);
}

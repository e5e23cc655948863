/*
 * file_watch.c: what changes in folders, as the kernel tells it (inotify): one queue for each
 * watcher, read like a FIFO and bounded by the kernel, which says when it was too short.
 */
#include "file_place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

enum {
    SEEN = IN_CREATE | IN_DELETE | IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO |
           IN_DELETE_SELF | IN_MOVE_SELF,
    MASK = SEEN | IN_ONLYDIR | IN_EXCL_UNLINK,
    BUFFER = 64 * 1024
};

/* watch_open(path) -> a stream of events, of nothing yet; path: for messages */
int op_watch_open(lua_State *L)
{
    const char *path = file_path(L, 1);
    struct file_state *st = file_state(L);
    tusk_checkpoint(L);
    st->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (st->fd < 0) {
        file_push_failure(L, "watch", path, errno);
        return lua_error(L);
    }
    file_stream_push(L, &st->fd, S_IFIFO, 0, path);
    return tusk_inline(L, 1);
}

/* Beneath a root it is the folder that was found there, by its descriptor. */
static int add_beneath(struct file_job *job)
{
    char name[64];
    int fd = file_open_at(job, job->path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    int wd = inotify_add_watch(job->stream->fd, name, MASK), err = errno;
    close(fd);
    errno = err;
    return wd;
}

/* count: the watch's number. */
static void add_run(struct file_job *job)
{
    int wd = job->root ? add_beneath(job) : inotify_add_watch(job->stream->fd, job->path, MASK);
    job->count = (size_t)wd;
    if (wd >= 0)
        return;
    job->err = errno;
    if (job->err == ENOSPC)
        job->fault = FAULT_WATCHES;
}

static int add_push(lua_State *L, struct file_job *job)
{
    lua_pushnumber(L, (double)job->count);
    return 1;
}

static const struct file_verb verb_add = {"watch", add_run, add_push, FILE_FINISHES};

/* watch_add(root, path, stream) -> number of the watch on that folder; again: the same */
int op_watch_add(lua_State *L)
{
    const char *path = file_path(L, 2);
    struct file_stream *s = file_stream_check(L, 3);
    struct file_job *job = file_job_at(L, &verb_add, path, NULL);
    file_stream_use(job, s);
    return file_start(L, job);
}

/* watch_remove(stream, number); of one that is gone: no effect */
int op_watch_remove(lua_State *L)
{
    struct file_stream *s = file_stream_check(L, 1);
    inotify_rm_watch(s->fd, luaL_checkint(L, 2));
    return 0;
}

/* watch_more(stream) -> what there is to read at once, or nothing */
int op_watch_more(lua_State *L)
{
    struct file_stream *s = file_stream_check(L, 1);
    struct file_state *st = file_state(L);
    tusk_checkpoint(L);
    ssize_t n = read(s->fd, st->scratch, BUFFER);
    if (n > 0)
        tusk_push_bytes(L, st->scratch, (size_t)n);
    return tusk_inline(L, n > 0);
}

static void set_flag(lua_State *L, const char *key, unsigned is)
{
    if (!is)
        return;
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, key);
}

static void push_event(lua_State *L, const struct inotify_event *e, const char *name)
{
    lua_createtable(L, 0, 6);
    lua_pushnumber(L, e->wd);
    lua_setfield(L, -2, "watch");
    lua_pushnumber(L, e->cookie);
    lua_setfield(L, -2, "cookie");
    if (e->len) {
        lua_pushstring(L, name);
        lua_setfield(L, -2, "name");
    }
    set_flag(L, "directory", e->mask & IN_ISDIR);
    set_flag(L, "created", e->mask & IN_CREATE);
    set_flag(L, "changed", e->mask & (IN_MODIFY | IN_CLOSE_WRITE));
    set_flag(L, "removed", e->mask & IN_DELETE);
    set_flag(L, "moved_from", e->mask & IN_MOVED_FROM);
    set_flag(L, "moved_to", e->mask & IN_MOVED_TO);
    set_flag(L, "gone", e->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT));
    set_flag(L, "ignored", e->mask & IN_IGNORED);
    set_flag(L, "overflow", e->mask & IN_Q_OVERFLOW);
}

/* watch_events(bytes) -> list of { watch, cookie, name, and what it is = true } */
int op_watch_events(lua_State *L)
{
    size_t len;
    const char *bytes = luaL_checklstring(L, 1, &len);
    lua_newtable(L);
    for (int i = 1; len >= sizeof(struct inotify_event); i++) {
        struct inotify_event e;
        memcpy(&e, bytes, sizeof e);
        push_event(L, &e, bytes + sizeof e);
        lua_rawseti(L, -2, i);
        bytes += sizeof e + e.len;
        len -= sizeof e + e.len;
    }
    return 1;
}

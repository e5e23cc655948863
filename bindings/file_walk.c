/*
 * file_walk.c: all that is in a folder and below, a few entries at a time.
 *
 * It holds what is on the way down, and no folder's content: no more for a folder of a million. The
 * descriptors too are bounded: of folders further up only the position is kept, and which they are.
 */
#include "file_glob.h"
#include "file_place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_WALK "tusk.file.walk"

/* One trip ends with so many entries, or after so many looked at. */
enum { BATCH = 256, LOOKS_MAX = 4096, OPEN_MAX_FOLDERS = 32 };
enum { OPEN_FOLDER = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK };

/* A folder on the way down. */
struct level {
    DIR *dir; /* NULL: closed meanwhile */
    long at;  /* then: where it was */
    dev_t dev;
    ino_t ino;
    size_t path_len;
};

/* Loop thread, but for what a job in flight has: all from `levels` on. A job owns a reference. */
struct file_walk {
    int refs;
    uint8_t busy;
    struct level *levels;
    size_t depth, levels_cap, depth_max;
    char *path; /* of the innermost folder and, while it is looked at, of an entry */
    size_t path_cap, base;
    char *globs; /* one after the other, an empty one at the end; NULL: everything */
    size_t batch[BATCH], count;
    char *data; /* for each of the batch a byte of type and its path */
    size_t len, cap;
    int err; /* the folder whose path is at `failed` in data could not be read */
    size_t failed;
};

static void levels_close(struct file_walk *w)
{
    for (size_t i = 0; i < w->depth; i++)
        if (w->levels[i].dir)
            closedir(w->levels[i].dir);
    w->depth = 0;
}

void file_walk_unref(struct file_walk *w)
{
    if (--w->refs)
        return;
    levels_close(w);
    free(w->levels);
    free(w->path);
    free(w->globs);
    free(w->data);
    free(w);
}

void file_walk_done(struct file_job *job)
{
    job->walk->busy = 0;
}

/* Pool half: 0 or -1 and errno. */

static int reserve(void **p, size_t *cap, size_t need, size_t unit)
{
    if (need <= *cap)
        return 0;
    void *q = realloc(*p, 2 * need * unit);
    if (!q)
        return -1;
    *p = q;
    *cap = 2 * need;
    return 0;
}

static int say(struct file_walk *w, char type, size_t *where)
{
    size_t size = strlen(w->path) + 2;
    if (reserve((void **)&w->data, &w->cap, w->len + size, 1) < 0)
        return -1;
    *where = w->len;
    w->data[w->len] = type;
    memcpy(w->data + w->len + 1, w->path, size - 1);
    w->len += size;
    return 0;
}

/* Owns fd. What path is now is the path of the folder. */
static int enter(struct file_walk *w, int fd)
{
    struct stat st;
    DIR *dir = NULL;
    if (fstat(fd, &st) == 0 &&
        reserve((void **)&w->levels, &w->levels_cap, w->depth + 1, sizeof *w->levels) == 0)
        dir = fdopendir(fd);
    if (!dir) {
        int err = errno;
        close(fd);
        errno = err;
        return -1;
    }
    w->levels[w->depth++] = (struct level){dir, 0, st.st_dev, st.st_ino, strlen(w->path)};
    if (w->depth > OPEN_MAX_FOLDERS) {
        struct level *far = &w->levels[w->depth - 1 - OPEN_MAX_FOLDERS];
        if (!far->dir)
            return 0;
        far->at = telldir(far->dir);
        closedir(far->dir);
        far->dir = NULL;
    }
    return 0;
}

/* Opens a folder again from the one in it, if that is still where it was. */
static int reopen(struct level *l, int below)
{
    struct stat st;
    int fd = openat(below, "..", OPEN_FOLDER | O_NOFOLLOW);
    if (fd < 0)
        return -1;
    if (fstat(fd, &st) < 0 || st.st_dev != l->dev || st.st_ino != l->ino)
        errno = ENOENT;
    else if ((l->dir = fdopendir(fd))) {
        seekdir(l->dir, l->at);
        return 0;
    }
    int err = errno;
    close(fd);
    errno = err;
    return -1;
}

static int leave(struct file_walk *w)
{
    struct level *l = &w->levels[--w->depth], *up = w->depth ? l - 1 : NULL;
    int r = up && !up->dir ? reopen(up, dirfd(l->dir)) : 0, err = errno;
    closedir(l->dir);
    if (r < 0) { // with the way up, all further up is lost
        w->path[up->path_len] = 0;
        while (w->depth && !w->levels[w->depth - 1].dir)
            w->depth--;
        levels_close(w);
    }
    errno = err;
    return r;
}

static char type_of(int dir, const struct dirent *e)
{
    struct stat st;
    if (e->d_type != DT_UNKNOWN)
        return (char)e->d_type;
    return fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? (char)IFTODT(st.st_mode) : 0;
}

static int is_wanted(const struct file_walk *w)
{
    for (const char *g = w->globs; g && *g; g += strlen(g) + 1)
        if (file_glob_match(g, w->path + w->base))
            return 1;
    return !w->globs;
}

static int look_at(struct file_walk *w, struct level *l, const struct dirent *e)
{
    int dir = dirfd(l->dir);
    char type = type_of(dir, e);
    size_t at = l->path_len, len = strlen(e->d_name);
    if (reserve((void **)&w->path, &w->path_cap, at + len + 2, 1) < 0)
        return -1;
    if (at && w->path[at - 1] != '/')
        w->path[at++] = '/';
    memcpy(w->path + at, e->d_name, len + 1);
    if (is_wanted(w)) {
        if (say(w, type, &w->batch[w->count]) < 0)
            return -1;
        w->count++;
    }
    if (type != DT_DIR || w->depth >= w->depth_max)
        return 0;
    int fd = openat(dir, e->d_name, OPEN_FOLDER | O_NOFOLLOW);
    return fd < 0 ? -1 : enter(w, fd);
}

/* One entry, or the end of a folder. */
static int step(struct file_walk *w)
{
    struct level *l = &w->levels[w->depth - 1];
    errno = 0;
    const struct dirent *e = readdir(l->dir);
    if (e)
        return file_is_dots(e->d_name) ? 0 : look_at(w, l, e);
    int err = errno;
    w->path[l->path_len] = 0;
    int r = leave(w);
    if (!err)
        return r;
    errno = err;
    return -1;
}

static void next_run(struct file_job *job)
{
    struct file_walk *w = job->walk;
    for (int i = 0; i < LOOKS_MAX && w->depth && w->count < BATCH && !w->err; i++) {
        if (atomic_load(&job->abandoned))
            return;
        if (step(w) == 0)
            continue;
        w->err = errno;
        if (say(w, DT_DIR, &w->failed) < 0)
            w->failed = SIZE_MAX;
    }
}

static void open_run(struct file_job *job)
{
    struct file_walk *w = job->walk;
    size_t len = strlen(job->path);
    int fd = file_open_at(job, job->path, OPEN_FOLDER, 0);
    if (fd < 0 || reserve((void **)&w->path, &w->path_cap, len + 1, 1) < 0) {
        job->err = errno;
        if (fd >= 0)
            close(fd);
        return;
    }
    memcpy(w->path, job->path, len + 1);
    w->base = len + (job->path[len - 1] != '/');
    if (enter(w, fd) < 0)
        job->err = errno;
}

/* Task half. */

static int open_push(lua_State *L, struct file_job *job)
{
    struct file_walk **box = lua_newuserdata(L, sizeof *box);
    *box = NULL;
    luaL_getmetatable(L, FILE_WALK);
    lua_setmetatable(L, -2);
    *box = job->walk;
    job->walk = NULL;
    return 1;
}

static void push_entry(lua_State *L, const char *entry)
{
    const char *path = entry + 1, *slash = strrchr(path, '/');
    lua_createtable(L, 0, 3);
    lua_pushstring(L, slash ? slash + 1 : path);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, path);
    lua_setfield(L, -2, "path");
    lua_pushstring(L, file_type_name(DTTOIF((unsigned char)entry[0])));
    lua_setfield(L, -2, "type");
}

static int next_push(lua_State *L, struct file_job *job)
{
    struct file_walk *w = job->walk;
    if (!w->count && !w->err && !w->depth)
        return 0;
    lua_createtable(L, (int)w->count, 0);
    for (size_t i = 0; i < w->count; i++) {
        push_entry(L, w->data + w->batch[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
    int failed = w->err != 0;
    if (failed)
        file_push_failure(L, "walk", w->failed == SIZE_MAX ? job->path : w->data + w->failed + 1,
                          w->err);
    w->count = w->len = 0;
    w->err = 0;
    return 1 + failed;
}

static const struct file_verb verb_open = {"walk", open_run, open_push, FILE_READS};
static const struct file_verb verb_next = {"walk", next_run, next_push, FILE_READS};

/* walk(root, path, depth, globs or nil) -> walk; globs: each with a zero byte after it */
int op_walk(lua_State *L)
{
    size_t len;
    const char *path = file_path(L, 2);
    size_t depth = (size_t)luaL_checknumber(L, 3);
    const char *globs = luaL_optlstring(L, 4, NULL, &len);
    struct file_job *job = file_job_at(L, &verb_open, path, NULL);
    struct file_walk *w = job->walk = calloc(1, sizeof *w);
    if (w)
        w->refs = 1;
    if (w && globs && (w->globs = malloc(len + 1)))
        memcpy(w->globs, globs, len + 1);
    if (!w || (globs && !w->globs))
        return luaL_error(L, "not enough memory");
    w->depth_max = depth;
    w->busy = 1;
    return file_start(L, job);
}

/* walk_next(walk) -> entries {name, path, type}, error or nothing; nothing at the end */
int op_walk_next(lua_State *L)
{
    struct file_walk *w = *(struct file_walk **)luaL_checkudata(L, 1, FILE_WALK);
    if (!w)
        return tusk_fail(L, "closed", "the walk is closed");
    if (w->busy)
        return tusk_fail(L, "file.busy", "another task is reading from the walk");
    struct file_job *job = file_job_new(L, &verb_next, w->path, NULL);
    job->walk = w;
    w->refs++;
    w->busy = 1;
    return file_start(L, job);
}

/* walk_close(walk), also its __gc: now, or when the trip in flight has ended */
int op_walk_close(lua_State *L)
{
    struct file_walk **box = luaL_checkudata(L, 1, FILE_WALK), *w = *box;
    *box = NULL;
    if (w)
        file_walk_unref(w);
    return 0;
}

void file_walk_open_lua(lua_State *L)
{
    luaL_newmetatable(L, FILE_WALK);
    lua_pushcfunction(L, op_walk_close);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}

/*
 * file_temp.c: names that nobody has, and files and folders of such names for a while.
 *
 * What is made for a while is a folder, which is locked (flock) as long as somebody works in it;
 * a file lies in one of its own. So whatever takes the file's place in the meantime has the same
 * protection, and the same end.
 */
#include "file_place.h"
#include "file_put.h"
#include "file_swap.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

enum { TRIES_MAX = 100, TAG = 8, DECORATION = TAG + 11 }; /* "." NAME ".tusk-" TAG ".tmp" */
enum { OPEN_FOLDER = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC };

#define FILE_TEMP "tusk.file.temp"
#define OWN       "tusk-" /* 16 digits, and the end that was asked for */

static int draw(void *p, size_t size)
{
    if (getrandom(p, size, 0) == (ssize_t)size)
        return 0;
    errno = EIO;
    return -1;
}

int file_temp_name(const char *name, char temp[NAME_MAX + 1])
{
    unsigned tag;
    if (draw(&tag, sizeof tag) < 0)
        return -1;
    snprintf(temp, NAME_MAX + 1, ".%.*s.tusk-%08x.tmp", NAME_MAX - DECORATION, name, tag);
    return 0;
}

static int are_digits(const char *s, int n)
{
    for (int i = 0; i < n; i++)
        if (!isxdigit((unsigned char)s[i]))
            return 0;
    return 1;
}

int file_is_temp(const char *name)
{
    size_t len = strlen(name);
    const char *end = name + len - TAG - 10;
    return name[0] == '.' && len > DECORATION && !memcmp(end, ".tusk-", 6) &&
           !strcmp(end + 6 + TAG, ".tmp") && are_digits(end + 6, TAG);
}

int file_is_temp_folder(const char *name)
{
    return !strncmp(name, OWN, strlen(OWN)) && are_digits(name + strlen(OWN), 2 * TAG);
}

/* A file system without locks has no leftovers that could be told: nobody can lock them either. */
int file_temp_lock(int fd)
{
    struct stat st;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        return 0;
    return fstat(fd, &st) < 0 || st.st_nlink > 0;
}

/* For a while. The folder it is in is held by its descriptor: renamed, or another put in its place,
 * it is still the one to remove from. */
struct file_temp {
    int dir, top; /* -1: given back. top: what was made in dir; its lock says that it is in use */
    char path[];  /* of top */
};

static void temp_close(struct file_temp *t)
{
    if (t->top >= 0)
        close(t->top);
    if (t->dir >= 0)
        close(t->dir);
    t->dir = t->top = -1;
}

/* The folder, open and locked; -1 and errno. EEXIST: somebody was quicker, take another name. */
static int make_folder(int dir, const char *name)
{
    if (mkdirat(dir, name, 0700) < 0)
        return -1;
    int fd = openat(dir, name, OPEN_FOLDER);
    if (fd < 0 && errno != ENOENT)
        return -1;
    if (fd >= 0 && file_temp_lock(fd))
        return fd;
    if (fd >= 0)
        close(fd);
    errno = EEXIST;
    return -1;
}

static int make_named(struct file_job *job)
{
    char name[NAME_MAX + 1];
    const char *ending = job->flag ? job->data : "";
    for (int i = 0; i < TRIES_MAX; i++) {
        unsigned long long tag;
        if (draw(&tag, sizeof tag) < 0)
            return -1;
        if (snprintf(name, sizeof name, OWN "%016llx%s", tag, ending) >= (int)sizeof name) {
            errno = ENAMETOOLONG;
            return -1;
        }
        job->fd2 = make_folder(job->fd, name);
        if (job->fd2 < 0 && errno == EEXIST)
            continue;
        if (job->fd2 >= 0 && !(job->inner = strdup(name)))
            errno = ENOMEM;
        return job->inner ? 0 : -1;
    }
    return -1;
}

static int make_file(struct file_job *job)
{
    char name[NAME_MAX + 1];
    if (snprintf(name, sizeof name, "file%s", job->data) >= (int)sizeof name) {
        errno = ENAMETOOLONG;
        return -1;
    }
    int fd = openat(job->fd2, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? -1 : close(fd);
}

/* path: the folder; data: what the name is to end with; flag: a folder. */
static void temp_run(struct file_job *job)
{
    job->fd = file_open_at(job, job->path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    if (job->fd < 0 || make_named(job) < 0) {
        job->err = errno;
        return;
    }
    if (job->flag || make_file(job) == 0)
        return;
    job->err = errno;
    file_remove_all(job->fd, job->inner);
}

static int temp_push(lua_State *L, struct file_job *job)
{
    const char *slash = *job->path && job->path[strlen(job->path) - 1] != '/' ? "/" : "";
    const char *path = lua_pushfstring(L, "%s%s%s", job->path, slash, job->inner);
    size_t size = strlen(path) + 1;
    struct file_temp *t = lua_newuserdata(L, sizeof *t + size);
    memcpy(t->path, path, size);
    t->dir = t->top = -1;
    luaL_getmetatable(L, FILE_TEMP);
    lua_setmetatable(L, -2);
    t->dir = job->fd;
    t->top = job->fd2;
    job->fd = job->fd2 = -1;
    lua_insert(L, -2); // temp, path
    if (job->flag)
        return 2;
    lua_pushfstring(L, "%s/file%s", path, job->data);
    lua_replace(L, -2);
    return 2;
}

static const struct file_verb verb_temp = {"make a temporary file in", temp_run, temp_push,
                                           FILE_FINISHES};

/* temp(root, folder, ending, directory) -> temp, path */
int op_temp(lua_State *L)
{
    const char *folder = file_path(L, 2), *ending = file_path(L, 3);
    struct file_job *job = file_job_at(L, &verb_temp, folder, NULL);
    strcpy(file_alloc(L, job, strlen(ending) + 1), ending);
    job->flag = lua_toboolean(L, 4);
    return file_start(L, job);
}

/* That it is gone already is no failure. */
static void temp_remove_run(struct file_job *job)
{
    const char *slash = strrchr(job->path, '/');
    struct file_place p = {.dir = job->fd, .name = slash ? slash + 1 : job->path};
    if (file_remove_at(job, &p) < 0 && errno != ENOENT)
        job->err = errno;
}

static const struct file_verb verb_temp_remove = {"remove", temp_remove_run, file_pushed_true,
                                                  FILE_WRITES};

/* temp_remove(temp) -> true; once. It is in use until temp_close. */
int op_temp_remove(lua_State *L)
{
    struct file_temp *t = luaL_checkudata(L, 1, FILE_TEMP);
    struct file_job *job = file_job_new(L, &verb_temp_remove, t->path, NULL);
    job->fd = t->dir;
    job->flag = 1;
    t->dir = -1;
    return file_start(L, job);
}

/* temp_close(temp), also its __gc */
int op_temp_close(lua_State *L)
{
    temp_close(luaL_checkudata(L, 1, FILE_TEMP));
    return 0;
}

void file_temp_open_lua(lua_State *L)
{
    luaL_newmetatable(L, FILE_TEMP);
    lua_pushcfunction(L, op_temp_close);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}

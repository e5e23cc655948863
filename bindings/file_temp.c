/*
 * file_temp.c: names that nobody has, files and folders of such names, and what was left of them by
 * those who died.
 */
#include "file_place.h"
#include "file_swap.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

enum { TRIES_MAX = 100, TAG = 8, DECORATION = TAG + 11 }; /* "." NAME ".tusk-" TAG ".tmp" */

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

int file_is_temp(const char *name)
{
    size_t len = strlen(name);
    const char *end = name + len - TAG - 10;
    if (name[0] != '.' || len <= DECORATION || memcmp(end, ".tusk-", 6) ||
        strcmp(end + 6 + TAG, ".tmp"))
        return 0;
    for (int i = 0; i < TAG; i++)
        if (!isxdigit((unsigned char)end[6 + i]))
            return 0;
    return 1;
}

/* A file system without locks has no leftovers that could be told: nobody can lock them either. */
int file_temp_lock(int fd)
{
    struct stat st;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        return 0;
    return fstat(fd, &st) < 0 || st.st_nlink > 0;
}

/* Something of its own, for a while. path: the folder; data: what the name ends with, then the
 * path of what was made; flag: a folder. */

static int make(struct file_job *job, const char *path)
{
    if (job->flag)
        return file_mkdir_at(job, path, 0700);
    int fd = file_open_at(job, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return fd < 0 ? -1 : close(fd);
}

static char *temp_path(const struct file_job *job)
{
    unsigned long long tag;
    char *path = NULL;
    const char *slash = *job->path && job->path[strlen(job->path) - 1] != '/' ? "/" : "";
    if (draw(&tag, sizeof tag) < 0)
        return NULL;
    if (asprintf(&path, "%s%stusk-%016llx%s", job->path, slash, tag, job->data) < 0)
        return NULL;
    return path;
}

static void temp_run(struct file_job *job)
{
    for (int i = 0; i < TRIES_MAX; i++) {
        char *path = temp_path(job);
        if (path && make(job, path) == 0) {
            free(job->data);
            job->data = path;
            return;
        }
        int err = path ? errno : ENOMEM;
        free(path);
        job->err = err;
        if (err != EEXIST)
            return;
    }
}

static int temp_push(lua_State *L, struct file_job *job)
{
    lua_pushstring(L, job->data);
    return 1;
}

static const struct file_verb verb_temp = {"make a temporary file in", temp_run, temp_push,
                                           FILE_FINISHES};

/* temp(root, folder, ending, directory) -> path */
int op_temp(lua_State *L)
{
    const char *folder = file_path(L, 2), *ending = file_path(L, 3);
    struct file_job *job = file_job_at(L, &verb_temp, folder, NULL);
    strcpy(file_alloc(L, job, strlen(ending) + 1), ending);
    job->flag = lua_toboolean(L, 4);
    return file_start(L, job);
}

/* Leftovers. count: how many were removed; flag: in the folders below as well. */

static int is_named(int dir, const char *name, const struct stat *st)
{
    struct stat now;
    return fstatat(dir, name, &now, AT_SYMLINK_NOFOLLOW) == 0 && now.st_dev == st->st_dev &&
           now.st_ino == st->st_ino;
}

/* Whoever works on it holds its lock, from just after it was made until it has another name. */
static int remove_leftover(int dir, const char *name)
{
    struct stat st;
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    int removed = fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) &&
                  flock(fd, LOCK_EX | LOCK_NB) == 0 && is_named(dir, name, &st) &&
                  file_remove_all(dir, name) == 0;
    close(fd);
    return removed;
}

static void sweep_folder(struct file_job *job, int fd);

static void sweep_entry(struct file_job *job, int dir, const char *name)
{
    if (file_is_dots(name))
        return;
    if (file_is_temp(name)) {
        job->count += (size_t)remove_leftover(dir, name);
        return;
    }
    if (!job->flag)
        return;
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0)
        sweep_folder(job, fd);
    else if (errno == EMFILE || errno == ENFILE)
        job->err = errno;
}

/* Owns fd. */
static void sweep_folder(struct file_job *job, int fd)
{
    DIR *dir = fdopendir(fd);
    struct dirent *e;
    if (!dir) {
        job->err = errno;
        close(fd);
        return;
    }
    while (!job->err && !atomic_load(&job->abandoned) && (errno = 0, e = readdir(dir)))
        sweep_entry(job, dirfd(dir), e->d_name);
    closedir(dir);
}

static void sweep_run(struct file_job *job)
{
    int fd = file_open_at(job, job->path, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC, 0);
    if (fd < 0)
        job->err = errno;
    else
        sweep_folder(job, fd);
}

static int sweep_push(lua_State *L, struct file_job *job)
{
    lua_pushnumber(L, (double)job->count);
    return 1;
}

static const struct file_verb verb_sweep = {"sweep", sweep_run, sweep_push, FILE_WRITES};

/* sweep(root, path, recursive) -> number of things removed */
int op_sweep(lua_State *L)
{
    struct file_job *job = file_job_at(L, &verb_sweep, file_path(L, 2), NULL);
    job->flag = lua_toboolean(L, 3);
    return file_start(L, job);
}

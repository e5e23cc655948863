/*
 * file_sweep.c: what was left of temporary files and folders by those who died.
 */
#include "file_place.h"
#include "file_swap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

/* count: how many were removed; flag: in the folders below as well. */

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
    int is_ours =
        fstat(fd, &st) == 0 && (S_ISDIR(st.st_mode) || (S_ISREG(st.st_mode) && file_is_temp(name)));
    int removed = is_ours && flock(fd, LOCK_EX | LOCK_NB) == 0 && is_named(dir, name, &st) &&
                  file_remove_all(dir, name) == 0;
    close(fd);
    return removed;
}

static void sweep_folder(struct file_job *job, int fd);

static void sweep_entry(struct file_job *job, int dir, const char *name)
{
    if (file_is_dots(name))
        return;
    if (file_is_temp(name) || file_is_temp_folder(name)) {
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

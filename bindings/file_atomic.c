/*
 * file_atomic.c: a file is the old one or the new one, never a mixture and never half of one.
 *
 * A temporary file beside the target is written, synced and renamed over it, then the folder is
 * synced. All steps go through one descriptor of the folder, so that moving it changes nothing.
 */
#include "file_place.h"
#include "file_put.h"
#include "file_swap.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINKS_MAX = 40, TRIES_MAX = 100, SLICE = 8 * 1024 * 1024 };

static int fail_with(struct file_swap *s, int err)
{
    s->job->err = err;
    return 0;
}

/* path becomes what the link at path points to. */
static int follow_link(struct file_job *job, char path[PATH_MAX])
{
    char to[PATH_MAX];
    ssize_t n = file_readlink_at(job, path, to, sizeof to);
    if (n < 0)
        return errno;
    if (n == (ssize_t)sizeof to)
        return ENAMETOOLONG;
    char *slash = to[0] == '/' ? NULL : strrchr(path, '/');
    size_t keep = slash ? (size_t)(slash + 1 - path) : 0;
    if (keep + (size_t)n >= PATH_MAX)
        return ENAMETOOLONG;
    memcpy(path + keep, to, (size_t)n);
    path[keep + (size_t)n] = 0;
    return 0;
}

/* Finds the file to replace, through links, also dangling ones. */
static int find_target(struct file_swap *s, const char *target)
{
    if (strlen(target) >= sizeof s->path)
        return fail_with(s, ENAMETOOLONG);
    strcpy(s->path, target);
    for (int links = 0; links < LINKS_MAX; links++) {
        if (file_stat_at(s->job, s->path, 0, &s->old) < 0)
            return errno == ENOENT ? 1 : fail_with(s, errno);
        if (!S_ISLNK(s->old.st_mode)) {
            s->exists = 1;
            return 1;
        }
        int err = follow_link(s->job, s->path);
        if (err)
            return fail_with(s, err);
    }
    return fail_with(s, ELOOP);
}

static int check_target(struct file_swap *s)
{
    if (!s->exists)
        return 1;
    if (s->fresh)
        return fail_with(s, EEXIST);
    if (S_ISDIR(s->old.st_mode))
        return fail_with(s, EISDIR);
    if (S_ISREG(s->old.st_mode))
        return 1;
    s->job->plain = 1;
    s->job->fault = FAULT_TYPE;
    s->job->found = s->old.st_mode;
    return 0;
}

/* A folder that may be entered but not listed cannot be synced; it can be written to. */
static int open_folder(struct file_swap *s)
{
    char *slash = strrchr(s->path, '/');
    s->name = slash ? slash + 1 : s->path;
    if (!*s->name)
        return fail_with(s, s->path[0] ? EISDIR : ENOENT);
    char folder[PATH_MAX] = ".";
    if (slash)
        snprintf(folder, sizeof folder, "%.*s", (int)(slash - s->path + 1), s->path);
    s->dir = file_open_at(s->job, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    s->can_sync = s->dir >= 0;
    if (s->dir < 0 && errno == EACCES)
        s->dir = file_open_at(s->job, folder, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    return s->dir >= 0 ? 1 : fail_with(s, errno);
}

static int temp_mode(const struct file_swap *s)
{
    if (s->exists)
        return 0600; // until the target's own mode is put on it
    return s->mode < 0 ? 0666 : s->mode;
}

static int open_temp(struct file_swap *s)
{
    for (int i = 0; i < TRIES_MAX && s->fd < 0; i++) {
        if (file_temp_name(s->name, s->temp) < 0)
            break;
        s->fd = openat(s->dir, s->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                       temp_mode(s));
        if (s->fd < 0 && errno != EEXIST)
            break;
        if (s->fd >= 0 && !file_temp_lock(s->fd)) {
            close(s->fd);
            s->fd = -1;
            errno = EEXIST;
        }
    }
    if (s->fd >= 0)
        return 1;
    s->temp[0] = 0;
    return fail_with(s, errno);
}

/* The new file has the old one's mode and, where that is allowed, its owner. */
static int keep_mode(struct file_swap *s, int fd)
{
    int mode = s->mode;
    if (s->exists) {
        int same = s->old.st_uid == geteuid() && s->old.st_gid == getegid();
        same = same || fchown(fd, s->old.st_uid, s->old.st_gid) == 0;
        if (mode < 0)
            mode = s->old.st_mode & (same ? 07777 : 0777);
    }
    return mode < 0 || fchmod(fd, (mode_t)mode) == 0;
}

/* What has been written is on the disk, and whoever may read the target may read it. The file stays
 * open, and so locked, until it has its name. */
static int seal(struct file_swap *s)
{
    return (keep_mode(s, s->fd) && fsync(s->fd) == 0) || fail_with(s, errno);
}

/* From here on the new content is in place; what a failed sync leaves open is whether it stays. */
static void sync_folder(struct file_swap *s)
{
    if (!s->can_sync || fsync(s->dir) == 0 || errno == EINVAL || errno == EROFS)
        return;
    s->job->err = errno;
    s->job->done = 1;
}

int file_swap_open(struct file_swap *s, struct file_job *job, const char *target)
{
    s->job = job;
    s->mode = job->mode;
    s->dir = s->fd = -1;
    s->opened = 1;
    return find_target(s, target) && check_target(s) && open_folder(s) && open_temp(s);
}

void file_swap_commit(struct file_swap *s, struct file_job *job)
{
    s->job = job;
    if (seal(s) && atomic_load(&job->abandoned))
        fail_with(s, ECANCELED);
    unsigned flags = s->fresh ? RENAME_NOREPLACE : 0;
    if (!job->err && renameat2(s->dir, s->temp, s->dir, s->name, flags) < 0)
        fail_with(s, errno);
    if (job->err)
        return;
    s->temp[0] = 0;
    sync_folder(s);
}

void file_swap_close(struct file_swap *s)
{
    if (!s->opened)
        return;
    s->opened = 0;
    if (s->fd >= 0)
        close(s->fd);
    if (s->temp[0])
        unlinkat(s->dir, s->temp, 0);
    if (s->dir >= 0)
        close(s->dir);
}

static void atomic_run(struct file_job *job)
{
    struct file_swap *s = calloc(1, sizeof *s);
    if (!s) {
        job->err = ENOMEM;
        return;
    }
    if (file_swap_open(s, job, job->path)) {
        if (file_put(job, s->fd, SLICE) == 0)
            file_swap_commit(s, job);
        else
            job->err = errno;
    }
    file_swap_close(s);
    free(s);
}

static const struct file_verb verb_atomic = {"write", atomic_run, file_pushed_true, 1};

/* write_atomic(root, path, data, mode or nil) -> true */
int op_write_atomic(lua_State *L)
{
    lua_settop(L, 4);
    return file_start(L, file_put_job(L, &verb_atomic));
}

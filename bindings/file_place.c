/* file_place.c: paths, beneath a root or not. */
#include "file_place.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel gives up a step by ".." while anything is renamed anywhere: so often it is asked
 * again. */
enum { TRIES_MAX = 1000, BENEATH = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };

static int open_beneath(int root, const char *path, const struct open_how *how)
{
    int fd = -1;
    for (int i = 0; i < TRIES_MAX; i++) {
        fd = (int)syscall(SYS_openat2, root, path, how, sizeof *how);
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
            return fd;
        sched_yield();
    }
    errno = EBUSY;
    return fd;
}

int file_open_at(struct file_job *job, const char *path, int flags, mode_t mode)
{
    if (!job->root)
        return open(path, flags, mode);
    struct open_how how = {.flags = (uint64_t)flags, .resolve = BENEATH};
    if (flags & O_CREAT)
        how.mode = mode;
    int fd = open_beneath(job->root->fd, path, &how);
    if (fd < 0 && errno == EXDEV)
        job->fault = FAULT_ESCAPE;
    return fd;
}

/* The thing itself, not opened. */
static int point_at(struct file_job *job, const char *path, int follow)
{
    return file_open_at(job, path, O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW), 0);
}

static void close_quietly(int fd)
{
    int err = errno;
    close(fd);
    errno = err;
}

int file_stat_at(struct file_job *job, const char *path, int follow, struct stat *st)
{
    if (!job->root)
        return follow ? stat(path, st) : lstat(path, st);
    int fd = point_at(job, path, follow);
    if (fd < 0)
        return -1;
    int r = fstat(fd, st);
    close_quietly(fd);
    return r;
}

int file_statx_at(struct file_job *job, const char *path, int follow, unsigned mask,
                  struct statx *st)
{
    if (!job->root)
        return statx(AT_FDCWD, path, follow ? 0 : AT_SYMLINK_NOFOLLOW, mask, st);
    int fd = point_at(job, path, follow);
    if (fd < 0)
        return -1;
    int r = statx(fd, "", AT_EMPTY_PATH, mask, st);
    close_quietly(fd);
    return r;
}

ssize_t file_readlink_at(struct file_job *job, const char *path, char *to, size_t size)
{
    if (!job->root)
        return readlink(path, to, size);
    int fd = point_at(job, path, 0);
    if (fd < 0)
        return -1;
    ssize_t n = readlinkat(fd, "", to, size);
    close_quietly(fd);
    return n;
}

int file_mkdir_at(struct file_job *job, const char *path, mode_t mode)
{
    struct file_place p;
    int r = file_place(job, path, &p);
    if (r == 0)
        r = mkdirat(p.dir, p.name, mode);
    file_place_close(&p);
    return r;
}

static int fail(int err)
{
    errno = err;
    return -1;
}

/* The folder that the last name of path is in; ".": the root itself. */
static int open_parent(struct file_job *job, const char *path, size_t len)
{
    char folder[PATH_MAX] = ".";
    if (len >= sizeof folder)
        return fail(ENAMETOOLONG);
    if (len) {
        memcpy(folder, path, len);
        folder[len] = 0;
    }
    return file_open_at(job, folder, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
}

int file_place(struct file_job *job, const char *path, struct file_place *p)
{
    p->dir = AT_FDCWD;
    p->name = path;
    if (!job->root)
        return 0;
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    size_t start = len;
    while (start && path[start - 1] != '/')
        start--;
    if (len - start > NAME_MAX)
        return fail(ENAMETOOLONG);
    memcpy(p->last, path + start, len - start);
    p->last[len - start] = 0;
    p->name = p->last;
    int folder = open_parent(job, path, start);
    if (folder < 0)
        return -1;
    p->dir = folder;
    if (file_is_dots(p->last)) { // where that leads is for no call to decide
        file_place_close(p);
        return fail(EBUSY);
    }
    return 0;
}

void file_place_close(struct file_place *p)
{
    if (p->dir >= 0)
        close_quietly(p->dir);
    p->dir = AT_FDCWD;
}

int file_open_cached(const struct file_root *root, const char *path, uint64_t flags)
{
    struct open_how how = {.flags = flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
                           .resolve = RESOLVE_CACHED | (root ? BENEATH : 0)};
    if (flags & O_PATH)
        how.flags = flags | O_CLOEXEC;
    return (int)syscall(SYS_openat2, root ? root->fd : AT_FDCWD, path, &how, sizeof how);
}

/* file_copy.c: a file copied: its bytes, its holes and its mode. */
#include "file_copy.h"
#include "file_place.h"
#include "file_put.h"
#include "file_swap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { SLICE = 8 * 1024 * 1024, BUFFER = 256 * 1024 };
static const off_t END_OF_FILE = INT64_MAX;

static int is_over(struct file_job *job)
{
    if (!atomic_load(&job->abandoned))
        return 0;
    errno = ECANCELED;
    return 1;
}

static ssize_t put_all(int out, const char *data, size_t len, off_t at)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = pwrite(out, data + done, len - done, at + (off_t)done);
        if (n < 0 && errno != EINTR)
            return -1;
        done += n > 0 ? (size_t)n : 0;
    }
    return (ssize_t)len;
}

/* What was there when the copy began is not there any more: no copy has it, and zeros in its place
 * would be a lie. */
static int shrunk(struct file_job *job)
{
    job->fault = FAULT_SHRUNK;
    errno = EBUSY;
    return -1;
}

/* From `at` to `end`, or with END_OF_FILE as far as it goes, through memory. */
static int copy_plainly(struct file_job *job, int in, int out, off_t at, off_t end)
{
    char *buffer = malloc(BUFFER);
    int r = buffer ? 0 : -1;
    while (r == 0 && at < end && (r = -is_over(job)) == 0) {
        size_t want = end - at < BUFFER ? (size_t)(end - at) : BUFFER;
        ssize_t n = pread(in, buffer, want, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n == 0 && end == END_OF_FILE)
            break;
        if (n == 0)
            r = shrunk(job);
        else if (n < 0 || put_all(out, buffer, (size_t)n, at) < 0)
            r = -1;
        else
            at += n;
    }
    int err = errno;
    free(buffer);
    errno = err;
    return r;
}

/* These two file systems, or this kernel, cannot do it among themselves. */
static int is_incapable(int err)
{
    return err == EXDEV || err == EINVAL || err == ENOSYS || err == EOPNOTSUPP || err == EPERM;
}

static int copy_range(struct file_job *job, int in, int out, off_t at, off_t end)
{
    while (at < end) {
        off_t from = at, to = at;
        size_t want = end - at < SLICE ? (size_t)(end - at) : SLICE;
        if (is_over(job))
            return -1;
        ssize_t n = copy_file_range(in, &from, out, &to, want, 0);
        if (n == 0 || (n < 0 && is_incapable(errno)))
            return copy_plainly(job, in, out, at, end);
        if (n < 0 && errno != EINTR)
            return -1;
        at += n > 0 ? n : 0;
    }
    return 0;
}

/* Where data begins from `at` on; size: there is none; -1: it has become shorter than that. */
static off_t next_data(int in, off_t at, off_t size)
{
    struct stat st;
    off_t data = lseek(in, at, SEEK_DATA);
    if (data >= 0 || errno != ENXIO)
        return data < 0 ? at : data; // a file system that knows no holes
    if (fstat(in, &st) < 0 || st.st_size < size)
        return -1;
    data = lseek(in, at, SEEK_DATA); // it may have grown again just now
    return data < 0 ? size : data;
}

/* What lies between holes, and then the length. */
static int copy_data(struct file_job *job, int in, int out, off_t size)
{
    for (off_t at = 0; at < size;) {
        off_t data = next_data(in, at, size);
        if (data < 0)
            return shrunk(job);
        if (data >= size)
            break;
        off_t hole = lseek(in, data, SEEK_HOLE);
        if (hole < 0 || hole > size)
            hole = size;
        if (copy_range(job, in, out, data, hole) < 0)
            return -1;
        at = hole;
    }
    return ftruncate(out, size);
}

int file_copy_bytes(struct file_job *job, int in, int out)
{
    struct stat st;
    if (fstat(in, &st) < 0)
        return -1;
    if (st.st_size == 0) // or the system does not tell, as in /proc
        return copy_plainly(job, in, out, 0, END_OF_FILE);
    if (ioctl(out, FICLONE, in) == 0)
        return 0;
    return copy_data(job, in, out, st.st_size);
}

static void copy_file(struct file_job *job, int in, mode_t mode)
{
    struct file_swap *s = calloc(1, sizeof *s);
    if (!s) {
        job->err = ENOMEM;
        return;
    }
    job->mode = mode & 0777;
    s->fresh = job->keep;
    if (file_swap_open(s, job, job->to)) {
        if (file_copy_bytes(job, in, s->fd) == 0)
            file_swap_commit(s, job);
        else
            job->err = errno;
    }
    file_swap_close(s);
    free(s);
}

/* flag: folders too; keep: what is there stays. */
static void copy_run(struct file_job *job)
{
    struct stat st;
    int in = file_open_at(job, job->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0);
    if (in < 0)
        file_open_failed(job);
    else if (job->flag && fstat(in, &st) == 0 && S_ISDIR(st.st_mode))
        file_copy_tree(job, in);
    else if (file_accept(job, in, &st))
        copy_file(job, in, st.st_mode);
    if (in >= 0)
        close(in);
}

static const struct file_verb verb_copy = {"copy", copy_run, file_pushed_true, FILE_WRITES};

/* copy(root, from, to, recursive, keep) -> true */
int op_copy(lua_State *L)
{
    const char *from = file_path(L, 2), *to = file_path(L, 3);
    struct file_job *job = file_job_at(L, &verb_copy, from, to);
    job->flag = lua_toboolean(L, 4);
    job->keep = lua_toboolean(L, 5);
    job->plain = 1;
    return file_start(L, job);
}

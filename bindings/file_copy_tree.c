/*
 * file_copy_tree.c: a folder copied with all in it, beside its target, and renamed when it is
 * complete. Links are copied as links.
 */
#include "file_copy.h"
#include "file_place.h"
#include "file_swap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TRIES_MAX = 100 };
enum { OPEN_FOLDER = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC };

/* One copy under way. */
struct tree {
    struct file_job *job;
    char folder[PATH_MAX];   /* that the target is to be in */
    char name[NAME_MAX + 1]; /* the target there */
    char temp[NAME_MAX + 1];
    int dir, top;     /* the folder; what is being made in it: -1 before */
    struct stat made; /* which that is */
};

static int fail(int err)
{
    errno = err;
    return -1;
}

static void close_quietly(int fd)
{
    int err = errno;
    if (fd >= 0)
        close(fd);
    errno = err;
}

/* The failure was at this entry; called from the innermost outwards. */
static int failed_at(struct file_job *job, const char *name)
{
    int err = errno;
    char *longer = NULL;
    if (asprintf(&longer, job->inner ? "%s/%s" : "%s%s", name, job->inner ? job->inner : "") < 0)
        longer = NULL;
    free(job->inner);
    job->inner = longer;
    return fail(err);
}

static int copy_file(struct tree *t, int from, int to, const char *name)
{
    struct stat st;
    int out = -1, r = -1;
    int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (in >= 0 && file_accept(t->job, in, &st))
        out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    else if (t->job->err)
        errno = t->job->err;
    if (out >= 0 && file_copy_bytes(t->job, in, out) == 0)
        r = fchmod(out, st.st_mode & 0777);
    close_quietly(in);
    close_quietly(out);
    return r;
}

static int copy_link(int from, int to, const char *name)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(from, name, target, sizeof target - 1);
    if (n < 0)
        return -1;
    target[n] = 0;
    return symlinkat(target, to, name);
}

static int copy_entries(struct tree *t, int from, int to);

static int copy_folder(struct tree *t, int from, int to, const char *name)
{
    struct stat st;
    int out = -1, r = -1;
    int in = openat(from, name, OPEN_FOLDER);
    if (in < 0 || fstat(in, &st) < 0)
        r = -1;
    else if (st.st_dev == t->made.st_dev && st.st_ino == t->made.st_ino)
        errno = EINVAL; // the target is in the source: there would be no end
    else if (mkdirat(to, name, 0700) == 0)
        out = openat(to, name, OPEN_FOLDER);
    if (out >= 0 && copy_entries(t, in, out) == 0)
        r = fchmod(out, st.st_mode & 0777);
    close_quietly(in);
    close_quietly(out);
    return r;
}

static int copy_entry(struct tree *t, int from, int to, const char *name)
{
    struct stat st;
    if (atomic_load(&t->job->abandoned))
        return fail(ECANCELED);
    if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    if (S_ISDIR(st.st_mode))
        return copy_folder(t, from, to, name);
    if (S_ISLNK(st.st_mode))
        return copy_link(from, to, name);
    if (S_ISREG(st.st_mode))
        return copy_file(t, from, to, name);
    t->job->fault = FAULT_TYPE;
    t->job->found = st.st_mode;
    return fail(EINVAL);
}

static int copy_entries(struct tree *t, int from, int to)
{
    int fd = openat(from, ".", OPEN_FOLDER), r = 0;
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        close_quietly(fd);
        return -1;
    }
    struct dirent *e;
    while (r == 0 && (errno = 0, e = readdir(dir)))
        if (!file_is_dots(e->d_name) && copy_entry(t, from, to, e->d_name) < 0)
            r = failed_at(t->job, e->d_name);
    int err = errno;
    closedir(dir);
    errno = err;
    return err ? -1 : r;
}

/* The name of the target, and the folder it is in. */
static int split(struct tree *t)
{
    const char *to = t->job->to;
    size_t len = strlen(to), start;
    while (len > 1 && to[len - 1] == '/')
        len--;
    for (start = len; start && to[start - 1] != '/'; start--)
        ;
    if (start >= sizeof t->folder || len - start > NAME_MAX)
        return fail(ENAMETOOLONG);
    snprintf(t->folder, sizeof t->folder, "%.*s", start ? (int)start : 1, start ? to : ".");
    snprintf(t->name, sizeof t->name, "%.*s", (int)(len - start), to + start);
    if (len == start)
        return fail(len ? EBUSY : ENOENT);
    return file_is_dots(t->name) ? fail(EBUSY) : 0;
}

static int make_temp(struct tree *t)
{
    for (int i = 0; i < TRIES_MAX; i++) {
        if (file_temp_name(t->name, t->temp) < 0)
            break;
        if (mkdirat(t->dir, t->temp, 0700) < 0 && errno != EEXIST)
            break;
        t->top = openat(t->dir, t->temp, OPEN_FOLDER);
        if (t->top >= 0 && file_temp_lock(t->top))
            return fstat(t->top, &t->made);
        close_quietly(t->top);
        t->top = -1;
    }
    t->temp[0] = 0;
    return -1;
}

/* In place of what is there, which then has the temporary name. */
static int put_in_place(struct tree *t, int exists)
{
    unsigned flags = exists ? RENAME_EXCHANGE : RENAME_NOREPLACE;
    if (renameat2(t->dir, t->temp, t->dir, t->name, flags) < 0)
        return -1;
    if (!exists)
        t->temp[0] = 0;
    return 0;
}

static int copy_all(struct tree *t, int in)
{
    struct stat st;
    if (split(t) < 0)
        return -1;
    t->dir = file_open_at(t->job, t->folder, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    if (t->dir < 0)
        return -1;
    int exists = fstatat(t->dir, t->name, &st, AT_SYMLINK_NOFOLLOW) == 0;
    if (exists && t->job->keep)
        return fail(EEXIST);
    if (make_temp(t) < 0 || copy_entries(t, in, t->top) < 0 || fstat(in, &st) < 0 ||
        fchmod(t->top, st.st_mode & 0777) < 0)
        return -1;
    return atomic_load(&t->job->abandoned) ? fail(ECANCELED) : put_in_place(t, exists);
}

void file_copy_tree(struct file_job *job, int in)
{
    struct tree *t = calloc(1, sizeof *t);
    if (!t) {
        job->err = ENOMEM;
        return;
    }
    t->job = job;
    t->dir = t->top = -1;
    if (copy_all(t, in) < 0)
        job->err = errno;
    if (t->temp[0])
        file_remove_all(t->dir, t->temp);
    close_quietly(t->top);
    close_quietly(t->dir);
    free(t);
}

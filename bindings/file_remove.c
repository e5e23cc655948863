/*
 * file_remove.c: removing a file, or a folder with all that is in it.
 *
 * The walk holds two descriptors however deep the tree is: it goes down by name without following
 * links, and up by "..", making sure that it came back to where it had been.
 */
#include "file_place.h"
#include "file_put.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OPEN_FOLDER = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK };

/* One folder on the way down: which it is, and the name of the next one in it. */
struct level {
    struct level *up;
    dev_t dev;
    ino_t ino;
    char name[];
};

static int level_push(struct level **top, int fd, const char *name)
{
    struct stat st;
    size_t len = strlen(name) + 1;
    struct level *l = malloc(sizeof *l + len);
    if (!l || fstat(fd, &st) < 0) {
        free(l);
        return -1;
    }
    l->dev = st.st_dev;
    l->ino = st.st_ino;
    memcpy(l->name, name, len);
    l->up = *top;
    *top = l;
    return 0;
}

static void level_pop(struct level **top)
{
    struct level *l = *top;
    *top = l->up;
    free(l);
}

/* Removes what is no folder. 1: met the folder `sub`; 0: nothing is left; -1: errno. */
static int sweep(struct file_job *job, int fd, char sub[256])
{
    int copy = openat(fd, ".", OPEN_FOLDER);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    if (!dir) {
        int err = errno;
        if (copy >= 0)
            close(copy);
        errno = err;
        return -1;
    }
    int r = 0;
    struct dirent *e;
    while (r == 0 && (errno = 0, e = readdir(dir))) {
        if (file_is_dots(e->d_name))
            continue;
        if (atomic_load(&job->abandoned)) {
            errno = ECANCELED;
            r = -1;
        } else if (unlinkat(fd, e->d_name, 0) < 0 && errno != ENOENT) {
            // EISDIR from Linux, EPERM by POSIX
            r = errno == EISDIR || (errno == EPERM && e->d_type == DT_DIR) ? 1 : -1;
            strcpy(sub, e->d_name);
        }
    }
    int err = errno;
    closedir(dir);
    errno = err;
    return r == 0 && err ? -1 : r;
}

/* From an emptied folder to the one it is in; removes it there. The new descriptor, or -1. */
static int climb(int fd, struct level **top)
{
    struct stat st;
    int up = openat(fd, "..", OPEN_FOLDER);
    close(fd);
    if (up < 0)
        return -1;
    if (fstat(up, &st) == 0 && (st.st_dev != (*top)->dev || st.st_ino != (*top)->ino))
        errno = EBUSY; // moved meanwhile: what lies there is not ours to remove
    else if (unlinkat(up, (*top)->name, AT_REMOVEDIR) == 0) {
        level_pop(top);
        return up;
    }
    int err = errno;
    close(up);
    errno = err;
    return -1;
}

static int descend(int fd, struct level **top, const char *name)
{
    int sub = -1;
    if (level_push(top, fd, name) == 0)
        sub = openat(fd, name, OPEN_FOLDER);
    int err = errno;
    close(fd);
    errno = err;
    return sub;
}

static int empty_folder(struct file_job *job, const struct file_place *p)
{
    struct level *top = NULL;
    char name[256];
    int r = 0, fd = openat(p->dir, p->name, OPEN_FOLDER);
    while (fd >= 0) {
        r = sweep(job, fd, name);
        if (r < 0 || (r == 0 && !top))
            break;
        fd = r ? descend(fd, &top, name) : climb(fd, &top);
    }
    int err = errno;
    int ok = fd >= 0 && r == 0;
    if (fd >= 0)
        close(fd);
    while (top)
        level_pop(&top);
    errno = err;
    return ok;
}

/* flag: folders with all in them. */
int file_remove_at(struct file_job *job, const struct file_place *p)
{
    if (unlinkat(p->dir, p->name, 0) == 0)
        return 0;
    int folder = errno == EISDIR;
    if (errno == EPERM) {
        struct stat st;
        folder = fstatat(p->dir, p->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
        errno = EPERM;
    }
    if (!folder || (job->flag && !empty_folder(job, p)))
        return -1;
    return unlinkat(p->dir, p->name, AT_REMOVEDIR);
}

int file_remove_all(int dir, const char *name)
{
    struct file_job job = {.flag = 1};
    struct file_place p = {.dir = dir, .name = name};
    return file_remove_at(&job, &p);
}

static void remove_run(struct file_job *job)
{
    struct file_place p;
    if (file_place(job, job->path, &p) < 0 || file_remove_at(job, &p) < 0)
        job->err = errno;
    file_place_close(&p);
}

static const struct file_verb verb_remove = {"remove", remove_run, file_pushed_true, 1};

/* remove(root, path, recursive) -> true */
int op_remove(lua_State *L)
{
    const char *path = file_path(L, 2);
    int recursive = lua_toboolean(L, 3);
    struct file_job *job = file_job_at(L, &verb_remove, path, NULL);
    job->flag = recursive;
    return file_start(L, job);
}

/*
 * file_place.h: how the paths of a job become files. Of a job with a root every step of every path
 * is taken beneath that, by the kernel (openat2); of one without, it is as ever.
 *
 * Pool thread, but for file_open_cached. All fail with -1 and errno; a path that leads out of the
 * root is a fault of the job as well.
 */
#ifndef TUSK_FILE_PLACE_H
#define TUSK_FILE_PLACE_H 1

#include "file.h"

#include <limits.h>

/* open(). */
int file_open_at(struct file_job *job, const char *path, int flags, mode_t mode);
/* stat() or lstat(). */
int file_stat_at(struct file_job *job, const char *path, int follow, struct stat *st);
int file_statx_at(struct file_job *job, const char *path, int follow, unsigned mask,
                  struct statx *st);
/* readlink(): the length, without a zero at the end. */
ssize_t file_readlink_at(struct file_job *job, const char *path, char *to, size_t size);
int file_mkdir_at(struct file_job *job, const char *path, mode_t mode);

/* A name and the folder it is in, for the calls that take both and follow nothing. */
struct file_place {
    int dir;          /* AT_FDCWD of a job without a root */
    const char *name; /* one name, or then the whole path */
    char last[NAME_MAX + 1];
};

int file_place(struct file_job *job, const char *path, struct file_place *p);
/* Removes it; job->flag: a folder with all in it. Stops when the job is abandoned. */
int file_remove_at(struct file_job *job, const struct file_place *p);
/* The same whatever happens: for what one has made and does not want. */
int file_remove_all(int dir, const char *name);
/* Again, or of one that failed: no effect. Keeps errno. */
void file_place_close(struct file_place *p);

/* Loop thread: open() that fails rather than blocks; -1 when the answer is not in the kernel's
 * cache. root: NULL for none. */
int file_open_cached(const struct file_root *root, const char *path, uint64_t flags);

#endif

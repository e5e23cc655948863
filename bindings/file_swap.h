/*
 * file_swap.h: a file that takes another's place once it is complete: a temporary file beside the
 * target, renamed over it.
 */
#ifndef TUSK_FILE_SWAP_H
#define TUSK_FILE_SWAP_H 1

#include "file.h"

#include <limits.h>

/* Zeroed before file_swap_open; used by one job at a time. */
struct file_swap {
    struct file_job *job;    /* whose step is being taken: its err, fault and mode */
    char path[PATH_MAX];     /* the target, links followed */
    const char *name;        /* its last part */
    char temp[NAME_MAX + 1]; /* "": there is none, or it is the target by now */
    int dir, fd, opened;     /* the folder, and the temporary file: -1 once it is sealed */
    int can_sync, exists, mode;
    struct stat old;
};

/* Pool thread, like all of these. Makes the temporary file; 0, with the job's failure set, if not.
 */
int file_swap_open(struct file_swap *s, struct file_job *job);
/* Syncs it and puts it in the target's place; the job's err says if not. */
void file_swap_commit(struct file_swap *s, struct file_job *job);
/* Gives back the descriptors, and removes a temporary file that is still there. Any thread. */
void file_swap_close(struct file_swap *s);

#endif

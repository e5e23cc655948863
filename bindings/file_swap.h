/*
 * file_swap.h: a file that takes another's place once it is complete: a temporary file beside the
 * target, renamed over it.
 */
#ifndef TUSK_FILE_SWAP_H
#define TUSK_FILE_SWAP_H 1

#include "file.h"

#include <limits.h>

/*
 * Zeroed before file_swap_open; used by one job at a time. The temporary file is locked (flock)
 * while somebody works on it: what can be locked was left by one who died.
 */
struct file_swap {
    struct file_job *job;    /* whose step is being taken: its err, fault and mode */
    char path[PATH_MAX];     /* the target, links followed */
    const char *name;        /* its last part */
    char temp[NAME_MAX + 1]; /* "": there is none, or it is the target by now */
    int dir, fd, opened;     /* the folder, and the temporary file */
    int can_sync, exists, mode;
    int fresh; /* set before: there must be none yet */
    struct stat old;
};

/* Pool thread, like all of these. Makes the temporary file; 0, with the job's failure set, if not.
 */
int file_swap_open(struct file_swap *s, struct file_job *job, const char *target);
/* Syncs it and puts it in the target's place; the job's err says if not. */
void file_swap_commit(struct file_swap *s, struct file_job *job);
/* Gives back the descriptors, and removes a temporary file that is still there. Any thread. */
void file_swap_close(struct file_swap *s);

/* file_temp.c. A name for what is to become `name`, another each time; -1 and errno. */
int file_temp_name(const char *name, char temp[NAME_MAX + 1]);
/* Says that somebody works on what has just been made. 0: it was taken for a leftover; make
 * another. */
int file_temp_lock(int fd);
/* Whether a name is one of file_temp_name's; that of a folder for a while. */
int file_is_temp(const char *name);
int file_is_temp_folder(const char *name);

#endif

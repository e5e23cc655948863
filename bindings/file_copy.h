/* file_copy.h: what copying a file and copying a folder share. Pool thread; -1 and errno. */
#ifndef TUSK_FILE_COPY_H
#define TUSK_FILE_COPY_H 1

#include "file.h"

/*
 * All of `in`, an open plain file, to the empty file `out`: by sharing blocks where the file system
 * can, with its holes. ECANCELED when the job was abandoned meanwhile.
 */
int file_copy_bytes(struct file_job *job, int in, int out);
/* All of the open folder `in` to job->to, where it appears at once. Sets the job's failure. */
void file_copy_tree(struct file_job *job, int in);

#endif

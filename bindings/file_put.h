/* file_put.h: what writing in place and writing atomically share. */
#ifndef TUSK_FILE_PUT_H
#define TUSK_FILE_PUT_H 1

#include "file.h"

/* Pool thread: writes all of job->data, at most `slice` bytes at a time; -1 and errno on failure.
 */
int file_put(struct file_job *job, int fd, size_t slice);
/* Task: the job of a raw verb called as (root, path, data, mode or nil, special), data copied. */
struct file_job *file_put_job(lua_State *L, const struct file_verb *verb);
/* Task: pushes true. */
int file_pushed_true(lua_State *L, struct file_job *job);

#endif

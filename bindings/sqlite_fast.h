/* sqlite_fast.h: how the writer's thread does many writes at the price of one. */
#ifndef SQLITE_FAST_H
#define SQLITE_FAST_H 1

#include "sqlite.h"

#define GROUP_MAX 1024 /* statements that share a transaction */

/* ---- sqlite_group.c: writes that share a commit; the writer's thread ---- */

/*
 * Cuts off what follows the first job, or the first jobs that may share a transaction; returns it.
 * The jobs are the thread's: in no line any more.
 */
struct job *group_split(struct worker *k, struct job *jobs);
/*
 * Runs two or more that may share a transaction, and answers each when it is committed, as if each
 * had been alone: what makes SQLite undo the transaction is answered, and the others are run again.
 */
void group_run(struct worker *k, struct job *jobs);

#endif

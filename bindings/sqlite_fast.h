/* sqlite_fast.h: what makes a database quick: shared commits, the log, reading without a wait. */
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

/* ---- sqlite_route.c: which statements begin on the loop thread; the loop thread's ---- */

/* Whether reads have to stand in the writer's line: without a log they would keep it waiting. */
int route_is_shut(struct database *db);
/* Marks a job for the statement, if that is known, before it is given to a thread. */
void route_note(struct job *job, const struct stmt *s);
/* Whether it is not to begin on the loop thread now. */
int route_needs_thread(struct conn *c, struct stmt *s);
/* A thread has run it: several quick ones in a row earn their statement the loop thread. */
void route_learn(struct job *job);
/* The loop thread ran it, for so long; 0: it was too long. */
void route_judge(struct stmt *s, uint64_t spent);

/* ---- sqlite_checkpoint.c: the write-ahead log; the writer's thread, but for the questions ---- */

/* Counts what the writer's connection logs from now on; SQLite moves nothing by itself. */
void checkpoint_watch(struct conn *c);
/* Is the log to be moved into the file? */
int checkpoint_is_due(const struct conn *c);
/* Might the next commit wait for the disk, or leave that to be done? */
int checkpoint_is_near(const struct conn *c);
void checkpoint_run(struct worker *k);

/* ---- sqlite_vfs.c: no waiting for a disk on the loop thread ---- */

/* As sqlite3_open_v2 into c->db, through c->vfs. */
int vfs_open_database(struct conn *c, const char *path, int flags);

#endif

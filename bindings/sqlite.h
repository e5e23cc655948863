/* sqlite.h: what the files of the SQLite binding do for each other. */
#ifndef SQLITE_BINDING_H
#define SQLITE_BINDING_H 1

#include "sqlite_types.h"

/* ---- sqlite_conn.c: opening; what a connection refuses; failures ---- */

/* Opens for a role; 0, or -1 with c->failure set. */
int conn_open(struct conn *c, struct database *db, enum conn_role role);
void conn_close(struct conn *c);
/* Runs one of our own control statements; returns SQLite's code. */
int conn_control(struct conn *c, const char *sql);
/* Keeps the connection's last error in c->failure, with the schema's names if it is about one; -1.
 */
int conn_failed(struct conn *c, int code);
/* Sets a failure of our own; -1. */
int failure_set(struct failure *f, int code, const char *fmt, ...);
void failure_move(struct failure *to, struct failure *from);

/* ---- sqlite_stmt.c: cached statements and their parameters ---- */

/* The prepared statement; NULL with c->failure set. The text need not outlive the call. */
struct stmt *stmt_get(struct conn *c, const char *sql, size_t length);
/* Past blanks, comments and semicolons. */
const char *stmt_skip_blank(const char *p, const char *end);
/* conn_failed for a statement within a text, with the line it is in; -1. */
int stmt_failed_at(struct conn *c, int code, const char *text, const char *statement);
/* Binds copied values; 0 or -1 with c->failure set. The bytes must live until the reset. */
int stmt_bind(struct conn *c, struct stmt *s, const struct value *values, int count, int named);
int stmt_bind_one(struct stmt *s, int index, const struct value *v);
/* Refuses a number of positional parameters that is not the statement's: 0 or -1. */
int stmt_expect(struct conn *c, struct stmt *s, int count);
/* Forgets what was bound; refuses a statement with a parameter that has no name: 0 or -1. */
int stmt_expect_names(struct conn *c, struct stmt *s);
/* Binds every parameter of that name; -1 with c->failure set if there is none. */
int stmt_bind_name(struct conn *c, struct stmt *s, const char *name, const struct value *v);
/* The statement if it is cached, or NULL. */
struct stmt *stmt_known(struct conn *c, const char *sql, size_t length);
/* The first step; notices that the schema has changed. */
int stmt_start(struct stmt *s);
void cache_clear(struct cache *cache);
/* One that is in no cache: it may stay at a row while others run. Freed by stmt_free. */
struct stmt *stmt_new(struct conn *c, const char *sql, size_t length);
void stmt_free(struct stmt *s);

/* ---- sqlite_value.c: Lua values as parameters ---- */

/* Whether the value at index can be a parameter. */
int value_is_parameter(lua_State *L, struct state *st, int index);
/* Raises that the one at index, not relative to the top, cannot; the text says which it is. */
int value_refuse(lua_State *L, int index, const char *fmt, ...);
/* Whether the value at index is a table of named parameters. */
int value_is_named(lua_State *L, struct state *st, int index);
/* Reads a checked value; its bytes are Lua's. */
void value_read(lua_State *L, struct state *st, int index, struct value *v);
int value_new_blob(lua_State *L);
void value_push_integer(lua_State *L, struct state *st, int64_t n);

/* ---- sqlite_rows.c: rows, straight to Lua or through a job's buffer ---- */

/* Pushes the statement's current row as a table. */
void row_push(lua_State *L, struct state *st, struct stmt *s);
void row_push_column(lua_State *L, struct state *st, sqlite3_stmt *handle, int column);
/* Appends the current row to the job's answer; 0 or -1 when out of memory. */
int row_keep(struct job *job, sqlite3_stmt *handle, int columns);
int row_keep_names(struct job *job, sqlite3_stmt *handle, int columns);
/* Pushes the next kept row, or its first column. */
void row_take(lua_State *L, struct state *st, struct job *job, struct shape *shape);
void row_take_value(lua_State *L, struct state *st, struct job *job);
/* The constructor for a job's rows. */
void row_shape(lua_State *L, struct state *st, struct job *job, struct shape *shape);

/* ---- sqlite_job.c: jobs ---- */

/* A job with copies of the text; NULL when out of memory. */
struct job *job_new(struct database *db, enum job_kind kind, uint64_t lease, const char *sql,
                    size_t length);
/* Gives it room for count values with `bytes` bytes of text in all; 0 or -1. */
int job_reserve(struct job *job, int count, size_t bytes);
/* Copies v into place i, its bytes after those copied before. */
void job_set(struct job *job, int i, const struct value *v);
void job_free(struct job *job);
/* Loop thread: keeps the job in its database's list until job_free, so that nothing leaks. */
void job_track(struct job *job);

/* ---- sqlite_work.c: the thread's half of a job; no Lua ---- */
void work_run(struct worker *k, struct job *job);
/* The connection may have been the loop's: from now on it is a thread's. */
void work_ready(struct conn *c);
/* Opens the worker's connection unless it is open; 0, or -1 with its failure set. */
int work_open(struct worker *k);
/* A statement of no transaction, or one of a group: forgets an earlier answer, runs, keeps the
 * failure. */
void work_statement(struct conn *c, struct job *job);

/* ---- sqlite_thread.c: threads and their lines ---- */

int worker_init(struct worker *k, struct database *db, enum conn_role role);
/* Queues the job, starting the thread if need be; 0 or -1 when there can be no thread. */
int worker_submit(struct worker *k, struct job *job);
/* Loop thread: the same, but all of one turn are handed over together, by worker_flush. */
int worker_submit_later(struct worker *k, struct job *job);
void worker_flush(struct worker *k);
/* The thread: which job an interrupt may hit from now on; NULL: none. */
void worker_current(struct worker *k, struct job *job);
/* The thread: gives a job's answer to the loop. */
void worker_answer(struct worker *k, struct job *job);
/* Loop thread: takes the job out of the line (1), or interrupts it if it runs (0). */
int worker_cancel(struct worker *k, struct job *job);
/* Loop thread: the connection, if the thread is idle and the lease is the caller's; until the next
 * submit. */
struct conn *worker_borrow(struct worker *k, uint64_t lease);
/* Whether a transaction holds it. */
int worker_leased(struct worker *k);
/* Whether one does, or stands in line. */
int worker_in_transaction(struct worker *k);
/* Wakes the thread, whatever it waits for. */
void worker_wake(struct worker *k);
/* Asks the thread to end, when it has done all it was given. */
void worker_end(struct worker *k);
/* Whether it has, so that worker_stop does not wait. */
int worker_ended(struct worker *k);
/* Ends the thread: what runs is interrupted, what is queued is done first. Joins. */
void worker_stop(struct worker *k);
void worker_free(struct worker *k);
/* A connection is closed of those that a closing database counts. */
void worker_closed(struct database *db);

/* ---- sqlite_database.c: a database's life, its inline turn ---- */

struct database *database_new(struct state *st, const char *path, const struct options *options);
void database_unref(struct database *db);
/* The same for something in Lua's hands: a database that nothing else uses is let go. */
void database_release(struct database *db);
/* One thread at a time counts the same. */
void database_count(struct database *db, enum count what, unsigned n);
/* A thread to read on; NULL when there can be none. */
struct worker *database_reader(struct database *db);
/*
 * From now on only open transactions go on. `closer` is posted when the readers' connections are
 * closed and the writer has done the JOB_CLOSE that the caller gives it.
 */
void database_closing(struct database *db, struct tusk_wait *closer);
/* Nothing uses it any more: its threads end by themselves, and database_reap takes them away. */
void database_abandon(struct database *db);
/* Frees the abandoned databases whose threads have ended. */
void database_reap(struct state *st);
/* Stops its threads and closes its connections. */
void database_stop(struct database *db);
/* The connection on which the loop thread may run a statement for this handle now, or NULL. */
struct conn *database_inline(struct database *db, uint64_t lease);
/* The turn's end ends its read transaction and hands over what it asked of the writer. */
void turn_watch(struct database *db);
/* Opens the turn's read transaction unless it is open; 0 or SQLite's code. */
int turn_begin(struct database *db);
void turn_end(struct database *db);
/* After an inline failure: whether the transaction is still there. */
void turn_check(struct database *db);

/* ---- sqlite_call.c: a statement called from Lua ---- */

struct call { /* the arguments of one call, all on the stack */
    struct handle *handle;
    struct database *db;
    const char *sql;
    size_t length, bytes;   /* bytes: of the values and their names */
    int mode, first, count; /* parameters at first .. first + count - 1 */
    int named, values;
};

struct call_wait {
    struct tusk_wait w;
    struct job *job;
};

/* Runs it on the loop thread: 1 with the answer pushed, 0 if a thread has to; or raises. *known:
 * its statement. */
int call_inline(lua_State *L, struct call *x, struct stmt **known);
/* Reads and checks the arguments of a function (handle, sql, ...); may raise. */
void call_read(lua_State *L, struct call *x);
/* A job with copies of them; NULL when out of memory. */
struct job *call_job(lua_State *L, struct call *x, enum job_kind kind);
/* Gives the job to the thread and parks on w, which was made before the job. */
int call_park(lua_State *L, struct worker *k, struct job *job, struct call_wait *w);
void call_push_changes(lua_State *L, struct database *db, int64_t changes, int64_t last_id);
/* Raises the failure (emptied) through the Lua function that names kinds. */
int call_raise(lua_State *L, struct state *st, struct failure *f, const char *sql, size_t length);
int call_no_memory(lua_State *L);
/* Raises if this is work for the writer that would wait for a transaction of the task's own
 * ancestor. */
void call_outside(lua_State *L, struct handle *h);
/* The handle at index, still open; raises otherwise. */
struct handle *handle_check(lua_State *L, int index);
int op_run(lua_State *L);

/* ---- sqlite_answer.c: what a thread answered ---- */

extern const struct tusk_wait_ops call_statement_ops;
void call_cancel(struct tusk_wait *w);
/* Raises a job's failure, or `cancelled` if that is what it was; frees the job. */
int call_failed(lua_State *L, struct state *st, struct tusk_wait *w, struct job *job);
int call_rest_gc(lua_State *L);
int op_more(lua_State *L);

/* ---- sqlite_tx.c: transactions, many rows, closing ---- */

struct handle *handle_push(lua_State *L, struct database *db, uint64_t lease);
int handle_gc(lua_State *L);
int op_outside(lua_State *L);
int op_begin(lua_State *L);
int op_commit(lua_State *L);
int op_rollback(lua_State *L);
int op_control(lua_State *L);
int op_many(lua_State *L);
int op_ping(lua_State *L);
int op_counts(lua_State *L);
int op_close(lua_State *L);

#endif

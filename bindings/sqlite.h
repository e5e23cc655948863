/*
 * sqlite.h: what the files of the SQLite binding share.
 *
 * A database is a path, a writer (a thread with one connection, leased to one party at a time),
 * readers (threads, started on the first fallback) and, for a file, one connection that the loop
 * thread reads through inline. `:memory:` is the writer's connection alone; the loop thread borrows
 * it when it is idle.
 */
#ifndef SQLITE_BINDING_H
#define SQLITE_BINDING_H 1

#include <sqlite3.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "tusk_lua.h"

#define READERS_MAX       8
#define INLINE_LENGTH_MAX (1 << 20) /* no value longer than this on the loop thread */

/* What a statement is asked for. */
enum mode { MODE_QUERY, MODE_ONE, MODE_VALUE, MODE_EXEC };

/* Outcomes that SQLite has no code for; they stand beside its extended result codes. */
enum {
    FAIL_ARGUMENT = -1,
    FAIL_CLOSED = -2,
    FAIL_ABORTED = -3,
    FAIL_REFUSED = -4,
    FAIL_ANCESTOR = -5,
    FAIL_STREAMS = -6
};

struct buffer { /* malloc'ed bytes that grow */
    char *data;
    size_t size, capacity;
};

struct failure { /* code 0: none. names: the schema's, for a suggestion; malloc'ed or NULL */
    int code;
    int line; /* of the text, where it is wrong or the statement begins; 0: not known */
    char message[512];
    char *names;
};

struct shape { /* how a row becomes a table: a constructor in the registry. ref 0: not known yet */
    int ref;
    unsigned generation;
    int columns;
};

struct stmt { /* a cached statement; handle NULL: nothing but blanks and comments */
    struct stmt *chain, *newer, *older;
    sqlite3_stmt *handle;
    char *sql;
    size_t length;
    uint32_t hash;
    int params, reprepared;
    struct shape shape;
    uint8_t readonly; /* changes nothing */
    uint8_t scans;    /* its plan visits whole tables: no time budget sees that */
    uint8_t by_key;   /* touches the rows it names by rowid or gives as values, no others */
    uint8_t ddl;      /* changes the schema */
    uint8_t vacuum;
    uint8_t internal;    /* transaction control of our own: never a caller's */
    uint8_t shares;      /* an ordinary write: may have others beside it in one transaction */
    uint8_t on_thread;   /* does not begin on the loop thread */
    uint8_t stale;       /* prepared again since its plan was judged */
    uint8_t blind;       /* and never will: it may visit much in one step */
    uint8_t quick, slow; /* runs in a row on a thread; on the loop thread */
    uint8_t more;        /* another statement follows it */
};

struct cache { /* least recently used first out */
    struct stmt *buckets[256], *newest, *oldest;
    int count;
};

struct warm { /* an open file that is read without waiting for a disk */
    sqlite3_io_methods methods;
    const sqlite3_io_methods *real;
    struct conn *conn;
    int fd; /* SQLite's own; -1: this file system cannot tell */
};

struct conn {
    sqlite3 *db;
    struct database *owner;
    struct cache cache;
    struct job *job;        /* what a thread runs on it */
    struct job *group;      /* those for which a thread begins a transaction */
    struct cursor *cursors; /* begun on it, at a row; of whoever has the connection */
    uint64_t limit;         /* inline: when to stop, in uv_hrtime's nanoseconds; 0: never */
    uint64_t busy_since;    /* since when it waits for a lock */
    const char *refusal;    /* why the authorizer said no */
    struct failure failure;
    uint8_t internal; /* transaction control is our own just now */
    uint8_t ddl;      /* the authorizer saw the schema change */
    uint8_t on_loop;  /* the loop thread uses it: never sleep */
    uint8_t deaf;     /* what runs begins or ends a transaction: it is too late to stop it */
    uint8_t loose;    /* foreign keys are not enforced just now */
    uint8_t nowait;   /* what is not in memory is for a thread: it failed, and cold is set */
    uint8_t cold;
    struct conn *next_spare;
    int log_frames; /* pages in the write-ahead log after its last commit; 0: not known */
    int log_kept;   /* of them those that the last checkpoint has seen */
    sqlite3_vfs vfs;
    struct warm warm[2]; /* the database, its log */
};

enum conn_role { CONN_WRITER, CONN_READER, CONN_INLINE };

struct value { /* a parameter; type is SQLite's. name NULL: by position */
    union {
        int64_t integer;
        double number;
        const char *bytes;
    };
    size_t length;
    const char *name;
    int type;
};

enum job_kind {
    JOB_RUN,
    JOB_MANY,
    JOB_BEGIN,
    JOB_CONTROL,
    JOB_COMMIT,
    JOB_ROLLBACK,
    JOB_CLOSE,
    JOB_FILL
};

struct job { /* one piece of work for a thread; malloc'ed, never Lua's */
    struct job *next;
    struct job *newer, *older; /* among the database's that Lua still has to take (loop thread) */
    struct database *db;
    struct worker *worker;
    struct tusk_wait *wait; /* NULL: nobody waits, the thread frees it */
    struct cursor *cursor;  /* JOB_FILL: whose it is; given to a thread again and again */
    uint64_t lease;         /* of a transaction; 0: none */
    atomic_int cancelled;
    uint8_t kind, mode;
    uint8_t named;   /* the values have names */
    uint8_t tracked; /* in that list */
    uint8_t ended;   /* the lease ends with it */
    uint8_t loose;   /* JOB_BEGIN: foreign keys are not enforced in the transaction */
    uint8_t writes;  /* among those that the database counts as such */
    uint64_t spent;  /* nanoseconds that it ran */
    char *sql;
    size_t length;
    struct value *values;
    int count;          /* of values */
    int params, repeat; /* JOB_MANY: values per row, rows */
    /* the answer */
    struct failure failure;
    struct buffer rows, names;
    size_t row_count,
        taken; /* taken: bytes of rows that Lua has; of the values' room before it runs */
    int columns;
    int64_t changes, last_id;
    uint8_t ddl;
};

struct worker {
    struct database *db;
    struct conn conn;
    enum conn_role role;
    uv_mutex_t mutex; /* guards all below */
    uv_cond_t wake;
    uv_thread_t thread;
    struct job *head, **tail;        /* parties in line */
    struct job *held, **held_tail;   /* jobs of the party that has the lease */
    struct job *later, **later_tail; /* the loop thread's: handed over when its turn ends */
    struct job *current;
    sqlite3 *target; /* what an interrupt of it goes to; NULL while it opens one */
    uint64_t lease;
    uint64_t lease_busy; /* the thread's: nanoseconds in statements of the lease */
    uint8_t started, stopping, finished;
    uint8_t idle; /* waits for something to do */
};

struct options {
    int synchronous; /* SQLite's: 1 NORMAL, 2 FULL */
    int rollback;    /* a rollback journal, no write-ahead log */
    int readonly, readers;
    int64_t cache_bytes;
    uint64_t busy_ns;
};

struct state { /* of one host */
    struct tusk_hook close;
    struct tusk *host;
    struct database *databases;
    int make_int64, check_int64, outcome, null, raise, shapes, rest_type, handle_type,
        cursor_type; /* registry references */
    int shape_count;
    unsigned generation;
};

/* What a database has done, by one thread each. */
enum count {
    COUNT_INLINE,      /* statements answered on the loop thread */
    COUNT_WRITES,      /* of them those that wrote to a file */
    COUNT_OVERRUN,     /* begun there, and over the budget */
    COUNT_COLD,        /* begun there, and a page was not in memory */
    COUNT_GROUPS,      /* transactions shared by several statements, */
    COUNT_GROUPED,     /* those statements, */
    COUNT_AGAIN,       /* and those that could not stay in a group */
    COUNT_CHECKPOINTS, /* of the write-ahead log */
    COUNTS
};

struct database {
    struct database *next;
    struct state *state;
    struct options options;
    char *path;
    int refs; /* handles in Lua, and the state's list */
    uint8_t memory, closed, abandoned;
    uint8_t closing; /* only transactions that are open go on */
    uint8_t doomed;  /* the host closes: the hook of its last turn frees it */
    struct worker writer;
    struct worker *readers[READERS_MAX];
    int reader_count, reader_turn;
    struct conn inliner; /* the loop thread's, once ready */
    atomic_int ready;
    atomic_ullong epoch;     /* commits so far */
    unsigned long long seen; /* the epoch of the open turn */
    atomic_int turn_open, turn_awaited;
    atomic_uint turns;  /* that have ended */
    uint8_t wal;        /* the file has a write-ahead log; known once ready */
    int writing;        /* writes of no transaction that Lua has not taken the answer of */
    atomic_int reading; /* jobs that run on readers */
    struct tusk_hook turn;
    uint64_t leases;
    atomic_int closers;       /* connections still to be closed */
    struct tusk_wait *closer; /* who waits for that */
    struct job *newest;       /* jobs that Lua still has to take */
    struct cursor *cursors;   /* those that Lua has */
    int cursor_count;
    struct conn *spares; /* that cursors have left; these three under the writer's mutex */
    int spare_count;
    uint8_t spares_shut;
    atomic_ullong counts[COUNTS];
};

#define HANDLE_MAGIC 0x5d8a11e7u

struct handle { /* what Lua holds: a database, or with a lease a transaction on it */
    uint32_t magic;
    uint8_t ended;
    uint8_t outside; /* its tasks' ancestor has a transaction: must not wait for that one to end */
    struct database *db;
    uint64_t lease;
};

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

/*
 * sqlite_types.h: what a database consists of.
 *
 * A database is a path, a writer (a thread with one connection, leased to one party at a time),
 * readers (threads, started on the first fallback) and, for a file, one connection that the loop
 * thread reads through inline. `:memory:` is the writer's connection alone; the loop thread borrows
 * it when it is idle.
 */
#ifndef SQLITE_TYPES_H
#define SQLITE_TYPES_H 1

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
    uint8_t internal;       /* transaction control is our own just now */
    uint8_t ddl;            /* the authorizer saw the schema change */
    sqlite3_stmt *stepping; /* on the loop, its rows becoming Lua's */
    uint8_t on_loop;        /* the loop thread uses it: never sleep */
    uint8_t deaf;           /* what runs begins or ends a transaction: it is too late to stop it */
    uint8_t loose;          /* foreign keys are not enforced just now */
    uint8_t nowait;         /* what is not in memory is for a thread: it failed, and cold is set */
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

#endif

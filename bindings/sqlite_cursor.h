/* sqlite_cursor.h: rows read ahead by a thread and taken by Lua a few at a time. */
#ifndef SQLITE_CURSOR_H
#define SQLITE_CURSOR_H 1

#include "sqlite.h"

/* ---- sqlite_cursor.c: rows read ahead by a thread, a few blocks at a time; no Lua ---- */

struct block { /* rows on their way to Lua */
    struct block *next;
    struct buffer rows;
    size_t count;
};

#define CURSOR_BLOCKS 4 /* read ahead */

/*
 * A SELECT that stands at a row. Over a file it has a connection of its own; in a transaction, and
 * in memory, it shares the writer's: what is left of it is read before anything there is changed.
 */
struct cursor {
    struct job *job; /* its statement; its rows: the block that is being filled */
    struct conn *own;
    struct stmt *stmt;   /* NULL: not begun, or ended */
    struct cursor *next; /* on the same connection */
    size_t kept;         /* bytes read ahead because of a change */
    uv_mutex_t mutex;    /* guards all down to `counted` */
    struct block *head, **tail;
    int ready;              /* blocks there */
    sqlite3 *target;        /* runs now: where an interrupt goes */
    struct tusk_wait *wait; /* who waits for a block */
    uint8_t busy;           /* a thread has its job */
    uint8_t done;           /* no block comes after those there: the end, or job->failure */
    uint8_t closed;         /* nobody wants it: a thread that has the job frees it */
    uint8_t counted;        /* among the database's closers */
    atomic_int waiting;     /* as wait */
    /* the loop thread's */
    struct cursor *newer, *older; /* among the database's */
    struct cursor **ref;          /* Lua's pointer to it */
    struct tusk_owned owned;      /* by the scope that it was begun in */
    struct job view;              /* the block that Lua takes rows from */
    struct shape shape;
    uint64_t begun; /* since when that block is filled, for the thread */
    uint8_t started;
};

/* Takes the job over; NULL, and the job is still the caller's, when out of memory. */
struct cursor *cursor_new(struct job *job);
/* Frees it and what it holds but its connection; nobody uses it any more. */
void cursor_free(struct cursor *q);
/* A thread's half of JOB_FILL, then its end (under the thread's mutex). */
void cursor_run(struct worker *k, struct job *job);
void cursor_delivered(struct worker *k, struct job *job);
/* While a step takes long: what there is goes to whoever waits. */
void cursor_tick(struct job *job);
/* Before a thread runs another job on its connection: reads the rest of the cursors there if the
 * job may change what they see, ends those whose transaction or database it ends. */
void cursors_settle(struct worker *k, struct job *job);
/* Whoever has the connection: finalizes the statement. */
void cursor_detach(struct conn *c, struct cursor *q);

/* ---- sqlite_spare.c: connections for cursors ---- */

/* A connection for one, to be opened by a thread unless it is: NULL when out of memory. */
struct conn *spare_take(struct database *db);
/* It serves the next one, if there is room. Any thread, but not under the writer's mutex. */
void spare_keep(struct database *db, struct conn *c);
/* From now on none is kept. */
void spares_close(struct database *db);

/* ---- sqlite_each.c: cursors in Lua's hands ---- */

int cursor_gc(lua_State *L);
/* Closes those of the database, with all = 0 but those of open transactions. */
void cursors_close(struct database *db, int all);
int op_each(lua_State *L);
int op_take(lua_State *L);
int op_finish(lua_State *L);
int op_columns(lua_State *L);
int op_complete(lua_State *L);

#endif

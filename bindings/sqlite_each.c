/* sqlite_each.c: rows that Lua takes a few at a time while a thread reads those after them. */
#include <stdlib.h>
#include <string.h>

#include "sqlite_cursor.h"

#define CURSORS_MAX  64 /* open at once on a database: each holds a connection */
#define CURSORS_MANY 16 /* now and then: are some of them garbage? */
#define TAKE_ROWS    128

/* ---- letting go ---- */

static void unlist(struct cursor *q)
{
    struct database *db = q->job->db;
    *(q->newer ? &q->newer->older : &db->cursors) = q->older;
    if (q->older)
        q->older->newer = q->newer;
    db->cursor_count--;
}

static void enlist(struct database *db, struct cursor *q)
{
    q->older = db->cursors;
    if (q->older)
        q->older->newer = q;
    db->cursors = q;
    db->cursor_count++;
}

/* No thread has its job. A statement on the writer's connection ends here if that is idle, else
 * there. */
static void dispose(struct cursor *q, int done)
{
    struct database *db = q->job->db;
    if (q->own) {
        cursor_detach(q->own, q);
        spare_keep(db, q->own);
    } else if (q->started && !done && !db->closed) {
        struct conn *c = worker_borrow(&db->writer, q->job->lease);
        if (!c) {
            q->busy = 1;
            if (worker_submit(&db->writer, q->job) == 0)
                return;
            c = &db->writer.conn; // it has no thread
        }
        cursor_detach(c, q);
    }
    cursor_free(q);
}

/* `counting`: the database is closing, and waits for connections that are in use. */
static void leave_cursor(struct cursor *q, int counting)
{
    uv_mutex_lock(&q->mutex);
    q->closed = 1;
    atomic_store(&q->job->cancelled, 1);
    if (q->target)
        sqlite3_interrupt(q->target);
    struct tusk_wait *w = q->wait;
    q->wait = NULL;
    int busy = q->busy, done = q->done;
    if (busy && counting && q->own) {
        q->counted = 1;
        atomic_fetch_add(&q->job->db->closers, 1);
    }
    *q->ref = NULL;
    unlist(q);
    uv_mutex_unlock(&q->mutex); // from here on a busy one is the thread's
    if (w)
        tusk_wake(w);
    if (!busy)
        dispose(q, done);
}

static void close_cursor(struct cursor *q, int counting)
{
    tusk_disown(&q->owned);
    leave_cursor(q, counting);
}

static void scope_ended(struct tusk_owned *o)
{
    leave_cursor((struct cursor *)((char *)o - offsetof(struct cursor, owned)), 0);
}

void cursors_close(struct database *db, int all)
{
    spares_close(db);
    for (struct cursor *next, *q = db->cursors; q; q = next) {
        next = q->older;
        if (all || !q->job->lease)
            close_cursor(q, !all);
    }
}

struct hold {              /* Lua's */
    struct cursor *cursor; /* NULL: closed */
    struct database *db;
};

int cursor_gc(lua_State *L)
{
    struct hold *h = lua_touserdata(L, 1);
    struct database *db = h->db;
    if (!db)
        return 0;
    h->db = NULL;
    if (h->cursor)
        close_cursor(h->cursor, 0);
    database_release(db);
    return 0;
}

/* ---- beginning ---- */

static struct hold *hold_push(lua_State *L, struct database *db)
{
    struct hold *h = lua_newuserdata(L, sizeof *h);
    *h = (struct hold){NULL, db};
    db->refs++;
    lua_rawgeti(L, LUA_REGISTRYINDEX, db->state->cursor_type);
    lua_setmetatable(L, -2);
    return h;
}

/* Loops that were left early have cursors until they are collected. */
static void check_count(lua_State *L, struct database *db)
{
    struct failure f = {0};
    if (db->cursor_count && db->cursor_count % CURSORS_MANY == 0)
        lua_gc(L, LUA_GCCOLLECT, 0);
    if (db->cursor_count < CURSORS_MAX)
        return;
    failure_set(&f, FAIL_STREAMS, "%d streams of rows are open on the database", CURSORS_MAX);
    call_raise(L, db->state, &f, "", 0);
}

static int fail_memory(lua_State *L, struct job *job, struct cursor *q)
{
    if (q)
        cursor_free(q);
    else if (job)
        job_free(job);
    return call_no_memory(L);
}

/* each(handle, sql, ...) -> cursor; its rows are had by take */
int op_each(lua_State *L)
{
    struct call x = {.mode = MODE_QUERY};
    call_read(L, &x);
    check_count(L, x.db);
    struct hold *h = hold_push(L, x.db);
    struct job *job = call_job(L, &x, JOB_FILL);
    struct cursor *q = job ? cursor_new(job) : NULL;
    if (!q)
        return fail_memory(L, job, NULL);
    if (!x.db->memory && !x.handle->lease && !(q->own = spare_take(x.db)))
        return fail_memory(L, job, q);
    h->cursor = q;
    q->ref = &h->cursor;
    enlist(x.db, q);
    q->owned.end = scope_ended;
    tusk_own(L, &q->owned);
    return 1;
}

/* ---- taking ---- */

static struct cursor *check_cursor(lua_State *L)
{
    struct hold *h = lua_touserdata(L, 1);
    handle_check(L, 3);
    if (!h->cursor)
        tusk_fail(L, "closed", "the stream of rows is closed");
    return h->cursor;
}

static int fill_list(lua_State *L, struct cursor *q)
{
    struct state *st = q->job->db->state;
    int n = 0;
    if (!q->shape.ref || q->shape.generation != st->generation)
        row_shape(L, st, q->job, &q->shape);
    for (; n < TAKE_ROWS && q->view.row_count; n++) {
        row_take(L, st, &q->view, &q->shape);
        lua_rawseti(L, 2, n + 1);
    }
    lua_pushinteger(L, n);
    return tusk_inline(L, 1);
}

/* The next block, under the mutex: 1 if there was one. */
static int take_block(struct cursor *q)
{
    struct block *b = q->head;
    if (!b)
        return 0;
    q->head = b->next;
    if (!q->head)
        q->tail = &q->head;
    q->ready--;
    free(q->view.rows.data);
    q->view.rows = b->rows;
    q->view.row_count = b->count;
    q->view.taken = 0;
    q->view.columns = q->job->columns;
    free(b);
    return 1;
}

/* Is a thread to read on? Then from now on it has the job. Under the mutex. */
static int demand(struct cursor *q)
{
    if (q->busy || q->done || q->ready > CURSOR_BLOCKS / 2)
        return 0;
    q->busy = 1;
    return 1;
}

static int submit(struct cursor *q)
{
    struct database *db = q->job->db;
    struct worker *k = q->own ? database_reader(db) : &db->writer;
    q->started = 1;
    if (k && worker_submit(k, q->job) == 0)
        return 0;
    q->busy = 0; // no thread has seen it
    return -1;
}

static int no_thread(lua_State *L)
{
    return tusk_fail(L, "db", "no thread could be started for the database");
}

struct take_wait {
    struct tusk_wait w;
    struct hold *hold; /* the caller's, anchored by it */
};

/* The rows are had by the next take. */
static int take_finish(lua_State *L, struct tusk_wait *w)
{
    (void)w;
    lua_pushinteger(L, 0);
    return 1;
}

/* What is cancelled does not read on: neither does the statement. */
static void take_cancel(struct tusk_wait *w)
{
    struct cursor *q = ((struct take_wait *)w)->hold->cursor;
    if (!q)
        return; // closed, and woken
    uv_mutex_lock(&q->mutex);
    int mine = q->wait == w;
    if (mine)
        q->wait = NULL;
    uv_mutex_unlock(&q->mutex);
    close_cursor(q, 0);
    if (mine) // else its wake is on the way
        tusk_drop(w);
}

static const struct tusk_wait_ops take_ops = {take_finish, take_cancel};

static int at_end(lua_State *L, struct cursor *q)
{
    struct failure f = {0};
    failure_move(&f, &q->job->failure);
    return f.code ? call_raise(L, q->job->db->state, &f, q->job->sql, q->job->length) : 0;
}

static int park(lua_State *L, struct cursor *q)
{
    struct hold *hold = lua_touserdata(L, 1);
    if (!q->own)
        call_outside(L, lua_touserdata(L, 3));
    struct take_wait *w = tusk_wait_new(L, sizeof *w, &take_ops);
    w->hold = hold;
    uv_mutex_lock(&q->mutex);
    int ready = q->head || q->done, wanted = !ready && demand(q);
    if (!ready) {
        q->wait = &w->w;
        atomic_store(&q->waiting, 1);
    }
    uv_mutex_unlock(&q->mutex);
    if (ready) { // since it was looked for
        lua_pushinteger(L, 0);
        return tusk_inline(L, 1);
    }
    if (wanted && submit(q)) {
        q->wait = NULL;
        return no_thread(L);
    }
    return tusk_park(L, &w->w);
}

/* take(cursor, list, handle), by one task at a time -> how many rows were put into the list; 0: ask
 * again; nil: the end */
int op_take(lua_State *L)
{
    struct cursor *q = check_cursor(L);
    tusk_checkpoint(L);
    if (q->view.row_count)
        return fill_list(L, q);
    uv_mutex_lock(&q->mutex);
    int any = take_block(q), over = !any && q->done, wanted = any && demand(q);
    uv_mutex_unlock(&q->mutex);
    if (wanted && submit(q))
        return no_thread(L);
    if (any)
        return fill_list(L, q);
    return over ? at_end(L, q) : park(L, q);
}

/* columns(cursor) -> list of their names, once a row or the end was taken; {} before */
int op_columns(lua_State *L)
{
    struct hold *h = lua_touserdata(L, 1);
    lua_newtable(L);
    if (!h->cursor)
        return 1;
    struct job *job = h->cursor->job;
    const char *name = job->names.data;
    for (int i = 1; i <= job->columns; i++, name += strlen(name) + 1) {
        lua_pushstring(L, name);
        lua_rawseti(L, -2, i);
    }
    return 1;
}

/* complete(sql) -> whether it ends with a whole statement */
int op_complete(lua_State *L)
{
    lua_pushboolean(L, sqlite3_complete(luaL_checkstring(L, 1)));
    return 1;
}

/* finish(cursor): closes it; again: no effect */
int op_finish(lua_State *L)
{
    struct hold *h = lua_touserdata(L, 1);
    if (h->cursor)
        close_cursor(h->cursor, 0);
    return 0;
}

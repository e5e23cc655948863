/* sqlite_inline.c: a statement run on the loop thread, within a budget of time. */
#include <string.h>

#include "sqlite.h"
#include "sqlite_fast.h"

#define INLINE_NS 100000

static int raise_conn(lua_State *L, struct call *x, struct conn *c)
{
    return call_raise(L, x->db->state, &c->failure, x->sql, x->length);
}

static int bind_position(lua_State *L, struct call *x, struct conn *c, struct stmt *s)
{
    struct value v;
    if (stmt_expect(c, s, x->count))
        return -1;
    for (int i = 0; i < x->count; i++) {
        value_read(L, x->db->state, x->first + i, &v);
        int code = stmt_bind_one(s, i + 1, &v);
        if (code)
            return conn_failed(c, code);
    }
    return 0;
}

static int bind_names(lua_State *L, struct call *x, struct conn *c, struct stmt *s)
{
    struct value v;
    if (stmt_expect_names(c, s))
        return -1;
    lua_pushnil(L);
    while (lua_next(L, x->first)) {
        value_read(L, x->db->state, -1, &v);
        if (stmt_bind_name(c, s, lua_tostring(L, -2), &v) < 0)
            return -1;
        lua_pop(L, 1);
    }
    return 0;
}

void call_push_changes(lua_State *L, struct database *db, int64_t changes, int64_t last_id)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, db->state->outcome);
    lua_pushnumber(L, (double)changes);
    if (last_id)
        value_push_integer(L, db->state, last_id);
    else
        lua_pushnil(L);
    lua_call(L, 2, 1);
}

/* Steps through the rows, the answer growing on the stack; returns SQLite's code. */
static int step_rows(lua_State *L, struct call *x, struct stmt *s)
{
    struct state *st = x->db->state;
    int n = 0, code = stmt_start(s);
    for (; code == SQLITE_ROW; code = sqlite3_step(s->handle)) {
        n++;
        if (x->mode == MODE_QUERY) {
            if (n == 1)
                lua_newtable(L);
            row_push(L, st, s);
            lua_rawseti(L, -2, n);
        } else if (n == 1 && x->mode == MODE_ONE) {
            row_push(L, st, s);
        } else if (n == 1 && x->mode == MODE_VALUE) {
            row_push_column(L, st, s->handle, 0);
        }
        if (s->readonly && x->mode != MODE_QUERY && x->mode != MODE_EXEC)
            return SQLITE_DONE;
    }
    return code;
}

static void push_outcome(lua_State *L, struct call *x, struct conn *c, int64_t before, int top)
{
    if (x->mode == MODE_EXEC) {
        int moved = sqlite3_total_changes64(c->db) != before;
        call_push_changes(L, x->db, moved ? sqlite3_changes64(c->db) : 0,
                          sqlite3_last_insert_rowid(c->db));
    } else if (lua_gettop(L) == top) {
        if (x->mode == MODE_QUERY)
            lua_newtable(L);
        else
            lua_pushnil(L);
    }
}

/* Whether a thread may do what could not be done here without waiting. */
static int is_for_thread(const struct conn *c, int code)
{
    switch (code & 0xff) {
    case SQLITE_INTERRUPT: // over the budget
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL: // locks were looked at again and again, without sleeping
    case SQLITE_TOOBIG:
    case SQLITE_READONLY: // a journal is to be played back
    case SQLITE_CANTOPEN:
        return 1;
    case SQLITE_IOERR:
        return c->cold;
    default:
        return 0;
    }
}

static int bind_failed(lua_State *L, struct call *x, struct conn *c, int top)
{
    lua_settop(L, top);
    return c->failure.code == SQLITE_TOOBIG ? 0 : raise_conn(L, x, c);
}

static void count_failed(struct call *x, struct conn *c, struct stmt *s, int code)
{
    if ((code & 0xff) == SQLITE_INTERRUPT) {
        database_count(x->db, COUNT_OVERRUN, 1);
        route_judge(s, 0);
    } else if ((code & 0xff) == SQLITE_IOERR && c->cold) {
        database_count(x->db, COUNT_COLD, 1);
    }
}

static int run_failed(lua_State *L, struct call *x, struct conn *c, struct stmt *s, int code)
{
    count_failed(x, c, s, code);
    if (c == &x->db->inliner)
        turn_check(x->db);
    return is_for_thread(c, code) ? 0 : raise_conn(L, x, c);
}

/* Steps to the end: SQLITE_DONE with the answer pushed, or the code of c->failure. */
static int run_steps(lua_State *L, struct call *x, struct conn *c, struct stmt *s)
{
    int top = lua_gettop(L);
    int64_t before = 0;
    if (!s->readonly) {
        sqlite3_set_last_insert_rowid(c->db, 0);
        before = sqlite3_total_changes64(c->db);
    }
    c->deaf = c->cold = 0;
    c->stepping = s->handle;
    int code = step_rows(L, x, s); // may raise
    c->limit = 0;
    if (code == SQLITE_DONE)
        push_outcome(L, x, c, before, top);
    else
        conn_failed(c, code);
    c->stepping = NULL;
    sqlite3_reset(s->handle);
    sqlite3_stmt_status(s->handle, SQLITE_STMTSTATUS_VM_STEP, 1); // the budget counts from here
    return code;
}

/* Runs s on the loop thread: 1 with the answer pushed, 0 if it has to be run by a thread; or
 * raises. */
static int run_inline(lua_State *L, struct call *x, struct conn *c, struct stmt *s)
{
    int top = lua_gettop(L);
    sqlite3_limit(c->db, SQLITE_LIMIT_LENGTH, INLINE_LENGTH_MAX); // a thread lifts it again
    sqlite3_reset(s->handle);
    if (x->named ? bind_names(L, x, c, s) : bind_position(L, x, c, s))
        return bind_failed(L, x, c, top);
    uint64_t began = uv_hrtime();
    // inside a transaction an interrupted write would undo it all
    c->limit = s->readonly || !x->handle->lease ? began + INLINE_NS : 0;
    int code = run_steps(L, x, c, s);
    if (code != SQLITE_DONE) {
        lua_settop(L, top);
        return run_failed(L, x, c, s, code);
    }
    database_count(x->db, COUNT_INLINE, 1);
    if (s->scans) // the budget may not have seen it
        route_judge(s, uv_hrtime() - began);
    return 1;
}

/* A statement that no time budget can bound, or that must not have one, is for a thread. */
static int may_inline(struct call *x, struct conn *c, struct stmt *s)
{
    if (!s->handle || s->more || route_needs_thread(c, s))
        return 0;
    if (c == &x->db->inliner)
        return s->readonly && !route_is_shut(x->db) && turn_begin(x->db) == 0;
    if (!s->readonly && c->cursors) // what is left of them has to be read first
        return 0;
    return s->readonly || s->by_key || !x->handle->lease;
}

/* ---- a write of its own ---- */

/*
 * The writer's connection, when a commit on it waits for nothing: the file has a log that is not
 * flushed now, the writer is idle, and no other task is about to write, whose commit it could
 * share.
 */
static struct conn *lone_writer(lua_State *L, struct call *x)
{
    struct database *db = x->db;
    if (!db->wal || db->options.synchronous > 1 || db->closing || !tusk_alone(L))
        return NULL;
    struct conn *c = worker_borrow(&db->writer, 0);
    return c && !checkpoint_is_near(c) ? c : NULL;
}

/* A write of no transaction that a thread has run before: 1, 0 or raises as run_inline. */
static int write_inline(lua_State *L, struct call *x)
{
    struct conn *c = x->db->memory || x->handle->lease ? NULL : lone_writer(L, x);
    struct stmt *s = c ? stmt_known(c, x->sql, x->length) : NULL;
    if (!s || !s->handle || s->more || !s->shares || route_needs_thread(c, s))
        return 0;
    int done = run_inline(L, x, c, s);
    if (done) {
        atomic_fetch_add_explicit(&x->db->epoch, 1, memory_order_release);
        database_count(x->db, COUNT_WRITES, 1);
    }
    return done;
}

/* A reader's view of the schema may be older than the writer's: only what it reads fails there. */
static int fails_inline(struct call *x, struct conn *c)
{
    const char *p = x->sql;
    while (*p == ' ' || *p == '\n' || *p == '\t')
        p++;
    if (is_for_thread(c, c->failure.code)) // the schema could not be read without waiting
        return 0;
    return c != &x->db->inliner || sqlite3_strnicmp(p, "select", 6) == 0 ||
           sqlite3_strnicmp(p, "with", 4) == 0;
}

int call_inline(lua_State *L, struct call *x, struct stmt **known)
{
    struct conn *c = database_inline(x->db, x->handle->lease);
    if (!c || (x->handle->lease && sqlite3_get_autocommit(c->db))) // undone: the thread says so
        return 0;
    struct stmt *s = stmt_get(c, x->sql, x->length);
    if (!s)
        return fails_inline(x, c) ? raise_conn(L, x, c) : 0;
    *known = s;
    if (may_inline(x, c, s))
        return run_inline(L, x, c, s);
    return s->readonly ? 0 : write_inline(L, x);
}

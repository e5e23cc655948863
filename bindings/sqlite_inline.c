/* sqlite_inline.c: a statement run on the loop thread, within a budget of time. */
#include <string.h>

#include "sqlite.h"

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

static int is_for_thread(int code)
{
    code &= 0xff;
    return code == SQLITE_INTERRUPT || code == SQLITE_BUSY || code == SQLITE_TOOBIG ||
           code == SQLITE_LOCKED;
}

static int bind_failed(lua_State *L, struct call *x, struct conn *c, int top)
{
    lua_settop(L, top);
    return c->failure.code == SQLITE_TOOBIG ? 0 : raise_conn(L, x, c);
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
    // inside a transaction an interrupted write would undo it all
    c->limit = s->readonly || !x->handle->lease ? uv_hrtime() + INLINE_NS : 0;
    c->deaf = 0;
    int64_t before = 0;
    if (!s->readonly) {
        sqlite3_set_last_insert_rowid(c->db, 0);
        before = sqlite3_total_changes64(c->db);
    }
    int code = step_rows(L, x, s);
    c->limit = 0;
    if (code == SQLITE_DONE)
        push_outcome(L, x, c, before, top);
    else
        conn_failed(c, code);
    sqlite3_reset(s->handle);
    if (code == SQLITE_DONE) {
        database_count(x->db, COUNT_INLINE, 1);
        return 1;
    }
    if ((code & 0xff) == SQLITE_INTERRUPT)
        database_count(x->db, COUNT_OVERRUN, 1);
    if (c == &x->db->inliner)
        turn_check(x->db);
    lua_settop(L, top);
    return is_for_thread(code) ? 0 : raise_conn(L, x, c);
}

/* A statement that no time budget can bound, or that must not have one, is for a thread. */
static int may_inline(struct call *x, struct conn *c, struct stmt *s)
{
    if (!s->handle || s->more || s->scans)
        return 0;
    if (c == &x->db->inliner)
        return s->readonly && turn_begin(x->db) == 0;
    if (!s->readonly && c->cursors) // what is left of them has to be read first
        return 0;
    return s->readonly || s->by_key || !x->handle->lease;
}

/* A reader's view of the schema may be older than the writer's: only what it reads fails there. */
static int fails_inline(struct call *x, struct conn *c)
{
    const char *p = x->sql;
    while (*p == ' ' || *p == '\n' || *p == '\t')
        p++;
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
    return may_inline(x, c, s) ? run_inline(L, x, c, s) : 0;
}

/* sqlite_call.c: a statement called from Lua: inline where that cannot hold the loop, else on a
 * thread. */
#include <string.h>

#include "sqlite.h"
#include "sqlite_fast.h"

/* ---- failing ---- */

int call_raise(lua_State *L, struct state *st, struct failure *f, const char *sql, size_t length)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, st->raise);
    lua_pushinteger(L, f->code);
    lua_pushstring(L, f->message);
    lua_pushlstring(L, sql, length);
    lua_pushstring(L, f->names); // nil when there are none
    lua_pushinteger(L, f->line);
    struct failure none = {0};
    failure_move(f, &none);
    lua_call(L, 5, 0);
    return luaL_error(L, "a failure was not raised");
}

int call_no_memory(lua_State *L)
{
    return luaL_error(L, "not enough memory");
}

/* Where a statement the loop thread does not run goes; s may be NULL: not known. */
static struct worker *choose(struct call *x, struct stmt *s)
{
    struct database *db = x->db;
    if (db->memory || x->handle->lease || !s || !s->readonly || !s->handle || s->more)
        return &db->writer;
    if (route_is_shut(db))
        return &db->writer;
    struct worker *reader = database_reader(db);
    return reader ? reader : &db->writer;
}

void call_outside(lua_State *L, struct handle *h)
{
    struct failure f = {0};
    if (!h->outside || !worker_leased(&h->db->writer))
        return;
    failure_set(&f, FAIL_ANCESTOR,
                "this would wait for the transaction of the task that started this one");
    call_raise(L, h->db->state, &f, "", 0);
}

int call_park(lua_State *L, struct worker *k, struct job *job, struct call_wait *w)
{
    // what may share a commit is handed over with all others of this turn
    int later = job->kind == JOB_RUN && !job->lease && k->role == CONN_WRITER;
    w->job = job;
    job->wait = &w->w;
    if (later ? worker_submit_later(k, job) : worker_submit(k, job)) {
        job_free(job);
        return tusk_fail(L, "db", "no thread could be started for the database");
    }
    job_track(job);
    return tusk_park(L, &w->w);
}

/* ---- the arguments ---- */

static void measure(lua_State *L, struct call *x, int i)
{
    struct value v;
    value_read(L, x->db->state, i, &v);
    x->bytes += v.length;
    x->values++;
}

/* Checks the parameters: nothing below raises for them. */
static void check_values(lua_State *L, struct call *x)
{
    struct state *st = x->db->state;
    x->named = x->count == 1 && value_is_named(L, st, x->first);
    for (int i = x->first; !x->named && i < x->first + x->count; i++)
        if (!value_is_parameter(L, st, i))
            value_refuse(L, i, "parameter %d", i - x->first + 1);
    if (!x->named)
        return;
    lua_pushnil(L);
    while (lua_next(L, x->first)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            tusk_fail(L, "argument",
                      "a table of parameters names them (:name); pass others one by one");
        if (!value_is_parameter(L, st, lua_gettop(L)))
            value_refuse(L, lua_gettop(L), "parameter :%s", lua_tostring(L, -2));
        lua_pop(L, 1);
    }
}

static void measure_all(lua_State *L, struct call *x)
{
    for (int i = 0; !x->named && i < x->count; i++)
        measure(L, x, x->first + i);
    if (!x->named)
        return;
    lua_pushnil(L);
    while (lua_next(L, x->first)) {
        measure(L, x, lua_gettop(L));
        x->bytes += lua_objlen(L, -2) + 1;
        lua_pop(L, 1);
    }
}

static void copy_values(lua_State *L, struct call *x, struct job *job)
{
    struct value v = {0};
    for (int i = 0; !x->named && i < x->count; i++) {
        value_read(L, x->db->state, x->first + i, &v);
        job_set(job, i, &v);
    }
    if (!x->named)
        return;
    lua_pushnil(L);
    for (int i = 0; lua_next(L, x->first); i++, lua_pop(L, 1)) {
        value_read(L, x->db->state, -1, &v);
        v.name = lua_tostring(L, -2);
        job_set(job, i, &v);
    }
}

struct job *call_job(lua_State *L, struct call *x, enum job_kind kind)
{
    measure_all(L, x);
    struct job *job = job_new(x->db, kind, x->handle->lease, x->sql, x->length);
    if (!job || job_reserve(job, x->values, x->bytes)) {
        if (job)
            job_free(job);
        return NULL;
    }
    job->mode = (uint8_t)x->mode;
    job->named = (uint8_t)x->named;
    copy_values(L, x, job);
    return job;
}

static int park_statement(lua_State *L, struct call *x, struct stmt *s)
{
    struct worker *k = choose(x, s);
    if (k == &x->db->writer)
        call_outside(L, x->handle);
    struct call_wait *w = tusk_wait_new(L, sizeof *w, &call_statement_ops);
    struct job *job = call_job(L, x, JOB_RUN);
    if (!job)
        return call_no_memory(L);
    route_note(job, s);
    return call_park(L, k, job, w);
}

struct handle *handle_check(lua_State *L, int index)
{
    struct handle *h = lua_type(L, index) == LUA_TUSERDATA ? lua_touserdata(L, index) : NULL;
    if (!h || lua_objlen(L, index) != sizeof *h || h->magic != HANDLE_MAGIC)
        luaL_typerror(L, index, "database");
    if (h->ended)
        tusk_fail(L, "closed", "the transaction has ended");
    if (h->db->closed || (h->db->closing && !h->lease))
        tusk_fail(L, "closed", "the database is closed");
    return h;
}

void call_read(lua_State *L, struct call *x)
{
    x->first = 3;
    x->handle = handle_check(L, 1);
    x->db = x->handle->db;
    x->count = lua_gettop(L) - 2;
    if (lua_type(L, 2) != LUA_TSTRING)
        tusk_fail(L, "argument", "sql: a string expected, got %s%s", luaL_typename(L, 2),
                  lua_istable(L, 2) ? " (a database's functions are called with a dot)" : "");
    x->sql = lua_tolstring(L, 2, &x->length);
    tusk_checkpoint(L);
    luaL_checkstack(L, 16, "a statement");
    check_values(L, x);
}

/* run(handle, sql, ...) with the mode as upvalue */
int op_run(lua_State *L)
{
    struct call x = {.mode = (int)lua_tointeger(L, lua_upvalueindex(1))};
    struct stmt *s = NULL;
    call_read(L, &x);
    if (call_inline(L, &x, &s))
        return tusk_inline(L, 1);
    return park_statement(L, &x, s);
}

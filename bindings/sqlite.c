/* sqlite.c: the SQLite binding's raw verbs and its state of one host. */
/* link: -lsqlite3 */
#include <string.h>

#include "sqlite_cursor.h"

/* Lua code of the binding's own: integers beyond 2^53, and what exec answers. */
static const char helpers[] =
    "local ffi = require 'ffi'\n"
    "local int64, uint64 = ffi.typeof 'int64_t', ffi.typeof 'uint64_t'\n"
    "local function make(high, low) return int64(high) * 4294967296LL + int64(low) end\n"
    "local function check(v)\n"
    "  return ffi.istype(int64, v) or (ffi.istype(uint64, v) and v < 0x8000000000000000ULL)\n"
    "end\n"
    "local function outcome(changes, last_id) return { changes = changes, last_id = last_id } end\n"
    "return make, check, outcome\n";

static struct state *state_of(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

static void state_close(struct tusk_hook *hook)
{
    struct state *st = (struct state *)hook;
    for (struct database *next, *db = st->databases; db; db = next) {
        next = db->next;
        database_stop(db);
        if (db->turn.queued)
            db->doomed = 1;
        else
            database_unref(db);
    }
    st->databases = NULL;
}

/* ---- opening ---- */

static int64_t field_integer(lua_State *L, int table, const char *name, int64_t otherwise)
{
    lua_getfield(L, table, name);
    int64_t n = lua_isnil(L, -1) ? otherwise : (int64_t)lua_tonumber(L, -1);
    lua_pop(L, 1);
    return n;
}

static int field_boolean(lua_State *L, int table, const char *name)
{
    lua_getfield(L, table, name);
    int b = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return b;
}

/* open(path, {synchronous, rollback, readonly, readers, cache_bytes, busy_ms}) -> handle; the file
 * is opened on first use */
static int op_open(lua_State *L)
{
    struct state *st = state_of(L);
    const char *path = luaL_checkstring(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    struct options o = {
        .synchronous = (int)field_integer(L, 2, "synchronous", 1),
        .rollback = field_boolean(L, 2, "rollback"),
        .readonly = field_boolean(L, 2, "readonly"),
        .readers = (int)field_integer(L, 2, "readers", 2),
        .cache_bytes = field_integer(L, 2, "cache_bytes", 0),
        .busy_ns = (uint64_t)field_integer(L, 2, "busy_ms", 5000) * 1000000,
    };
    o.readers = o.readers > READERS_MAX ? READERS_MAX : o.readers < 1 ? 1 : o.readers;
    struct database *db = database_new(st, path, &o);
    if (!db)
        return luaL_error(L, "not enough memory");
    if (db->memory && conn_open(&db->writer.conn, db, CONN_WRITER))
        return call_raise(L, st, &db->writer.conn.failure, "", 0);
    handle_push(L, db, 0);
    return 1;
}

/* on_failure(fn): fn(code, message, sql, names) raises every failure */
static int op_on_failure(lua_State *L)
{
    struct state *st = state_of(L);
    lua_settop(L, 1);
    lua_rawseti(L, LUA_REGISTRYINDEX, st->raise);
    return 0;
}

/* null(value): what stands for NULL among parameters */
static int op_null(lua_State *L)
{
    struct state *st = state_of(L);
    lua_settop(L, 1);
    lua_rawseti(L, LUA_REGISTRYINDEX, st->null);
    return 0;
}

/* ---- loading ---- */

static int reference_false(lua_State *L)
{
    lua_pushboolean(L, 0);
    return luaL_ref(L, LUA_REGISTRYINDEX);
}

static int reference_type(lua_State *L, lua_CFunction gc)
{
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, gc);
    lua_setfield(L, -2, "__gc");
    return luaL_ref(L, LUA_REGISTRYINDEX);
}

static void state_open(lua_State *L, struct state *st)
{
    memset(st, 0, sizeof *st);
    st->host = tusk_of(L);
    st->null = reference_false(L);
    st->raise = reference_false(L);
    lua_newtable(L);
    st->shapes = luaL_ref(L, LUA_REGISTRYINDEX);
    st->handle_type = reference_type(L, handle_gc);
    st->rest_type = reference_type(L, call_rest_gc);
    st->cursor_type = reference_type(L, cursor_gc);
    if (luaL_loadbuffer(L, helpers, sizeof helpers - 1, "=[tusk.sqlite]"))
        lua_error(L);
    lua_call(L, 0, 3);
    st->outcome = luaL_ref(L, LUA_REGISTRYINDEX);
    st->check_int64 = luaL_ref(L, LUA_REGISTRYINDEX);
    st->make_int64 = luaL_ref(L, LUA_REGISTRYINDEX);
    st->close.run = state_close;
    tusk_at_close(st->host, &st->close);
}

static void add_modes(lua_State *L)
{
    static const char *const names[] = {"query", "one", "value", "exec"};
    for (int mode = MODE_QUERY; mode <= MODE_EXEC; mode++) {
        lua_pushinteger(L, mode);
        lua_pushcclosure(L, op_run, 1);
        lua_setfield(L, -2, names[mode]);
    }
}

TUSK_LUA_EXPORT int luaopen_tusk_binding_sqlite(lua_State *L)
{
    static const luaL_Reg plain[] = {
        {"outside", op_outside},
        {"begin", op_begin},
        {"commit", op_commit},
        {"rollback", op_rollback},
        {"control", op_control},
        {"many", op_many},
        {"more", op_more},
        {"blob", value_new_blob},
        {"take", op_take},
        {"finish", op_finish},
        {"each", op_each},
        {"columns", op_columns},
        {"complete", op_complete},
        {"ping", op_ping},
        {"counts", op_counts},
        {"close", op_close},
        {NULL, NULL},
    };
    static const luaL_Reg stateful[] = {
        {"open", op_open}, {"on_failure", op_on_failure}, {"null", op_null}, {NULL, NULL}};
    lua_newtable(L);
    struct state *st = lua_newuserdata(L, sizeof *st);
    state_open(L, st);
    for (const luaL_Reg *r = stateful; r->name; r++) {
        lua_pushvalue(L, -1);
        lua_pushcclosure(L, r->func, 1);
        lua_setfield(L, -3, r->name);
    }
    luaL_ref(L, LUA_REGISTRYINDEX); // lives as long as the host
    for (const luaL_Reg *r = plain; r->name; r++) {
        lua_pushcfunction(L, r->func);
        lua_setfield(L, -2, r->name);
    }
    add_modes(L);
    return 1;
}

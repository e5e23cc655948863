/* module.c: hosts for another Lua: calls of them, and theirs. */
#include <string.h>

#include "module.h"

static const char HOSTS; /* registry key: the open hosts, by address */

/* ---- calls, and calls back ---- */

struct module *module_check(lua_State *L)
{
    struct module *m = luaL_checkudata(L, 1, MODULE_HOST);
    luaL_argcheck(L, m->host, 1, "the host is closed");
    luaL_checkstack(L, 2 * LUA_MINSTACK, "a call of the host");
    return m;
}

void module_not_inside(lua_State *L, const struct module *m)
{
    if (m->frame)
        luaL_error(L, "a callback of the host's cannot poll, run or close it");
}

void module_enter(struct module *m, lua_State *L, struct frame *f)
{
    lua_pushnil(L);
    *f = (struct frame){m->frame, L, lua_gettop(L)};
    m->frame = f;
}

void module_leave(struct module *m, lua_State *L, struct frame *f)
{
    m->frame = f->outer;
    lua_pushvalue(L, f->failure);
    if (!lua_isnil(L, -1))
        lua_error(L);
    lua_pop(L, 1);
}

int module_protect(struct module *m, lua_CFunction fn, void *ud)
{
    lua_State *L = m->frame->L;
    return lua_checkstack(L, 4) ? lua_cpcall(L, fn, ud) : (lua_pushnil(L), LUA_ERRMEM);
}

void module_keep(struct module *m)
{
    lua_State *L = m->frame->L;
    if (lua_isnil(L, m->frame->failure) && !lua_isnil(L, -1))
        lua_replace(L, m->frame->failure);
    else
        lua_pop(L, 1);
}

void module_push(lua_State *L, struct module *m)
{
    lua_pushlightuserdata(L, (void *)&HOSTS);
    lua_rawget(L, LUA_REGISTRYINDEX);
    lua_pushlightuserdata(L, m);
    lua_rawget(L, -2);
    lua_remove(L, -2);
}

void module_list(lua_State *L, struct module *m, int open)
{
    lua_pushlightuserdata(L, (void *)&HOSTS);
    lua_rawget(L, LUA_REGISTRYINDEX);
    lua_pushlightuserdata(L, m);
    if (open)
        lua_pushvalue(L, 1);
    else
        lua_pushnil(L);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

/* Pushes a list of the open hosts; their number. */
int module_push_hosts(lua_State *L)
{
    int n = 0;
    lua_newtable(L);
    lua_pushlightuserdata(L, (void *)&HOSTS);
    lua_rawget(L, LUA_REGISTRYINDEX);
    for (lua_pushnil(L); lua_next(L, -2);)
        lua_rawseti(L, -4, ++n);
    lua_pop(L, 1);
    return n;
}

void module_push_function(struct module *m, lua_State *L, const void *key)
{
    module_push(L, m);
    lua_getfenv(L, -1);
    lua_pushlightuserdata(L, (void *)key);
    lua_rawget(L, -2);
    lua_replace(L, -3);
    lua_pop(L, 1);
}

void module_keep_function(lua_State *L, const void *key)
{
    lua_getfenv(L, 1);
    lua_pushlightuserdata(L, (void *)key);
    lua_pushvalue(L, -3);
    lua_rawset(L, -3);
    lua_pop(L, 2);
}

/* ---- failures ---- */

static const char *kind_of(tusk_rc rc)
{
    static const char *const kinds[] = {"ok",     "argument",        "no_memory", "abi",
                                        "thread", "state",           "syntax",    "lua",
                                        "denied", "timeout",         "cancelled", "cpu",
                                        "io",     "unknown_outcome", "closed",    "not_found"};
    return (size_t)rc < sizeof kinds / sizeof *kinds ? kinds[rc] : "lua";
}

static void set_text(lua_State *L, const char *name, const char *text)
{
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

void module_push_failure(lua_State *L, const tusk_failure *f)
{
    lua_createtable(L, 0, 5);
    set_text(L, "kind", f->kind ? f->kind : kind_of(f->rc));
    set_text(L, "message", f->message ? f->message : tusk_strerror(f->rc));
    set_text(L, "plugin", f->plugin);
    set_text(L, "traceback", f->traceback);
    if (f->task_id) {
        lua_pushnumber(L, (double)f->task_id);
        lua_setfield(L, -2, "task");
    }
    luaL_getmetatable(L, MODULE_FAILURE);
    lua_setmetatable(L, -2);
}

static int failure_tostring(lua_State *L)
{
    lua_settop(L, 1);
    lua_getfield(L, 1, "traceback");
    lua_getfield(L, 1, "message");
    if (lua_objlen(L, 2))
        lua_pushfstring(L, "%s\n%s", lua_tostring(L, 3), lua_tostring(L, 2));
    return 1;
}

int module_result(lua_State *L, struct module *m, tusk_rc rc)
{
    if (!rc) {
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_pushnil(L);
    module_push_failure(L, &(tusk_failure){.rc = rc, .message = tusk_errmsg(m->host)});
    return 2;
}

/* ---- the module ---- */

/* What conversions of values need; nothing global is asked for or made. */
static const char VALUES[] =
    "local show, find = tostring, string.find\n"
    "local null = newproxy(true)\n"
    "getmetatable(null).__tostring = function() return 'tusk.null' end\n"
    "return {\n"
    "  kind64 = function(c)\n"
    "    local text = show(c)\n"
    "    return find(text, '^%-?%d+LL$') and 1 or find(text, '^%d+ULL$') and 2 or 0\n"
    "  end,\n"
    "  make64 = function(high, low) return high * 4294967296LL + low end,\n"
    "  null = null, mark = { __name = 'tusk.list' } }\n";

static const char REFS; /* registry key */

const struct value_refs *module_refs(lua_State *L)
{
    lua_pushlightuserdata(L, (void *)&REFS);
    lua_rawget(L, LUA_REGISTRYINDEX);
    const struct value_refs *refs = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return refs;
}

/* Leaves the values that it has made on the stack. */
static void make_refs(lua_State *L)
{
    if (luaL_loadbuffer(L, VALUES, sizeof VALUES - 1, "=[tusk]"))
        lua_error(L);
    lua_call(L, 0, 1);
    int values = lua_gettop(L);
    lua_pushlightuserdata(L, (void *)&REFS);
    struct value_refs *refs = lua_newuserdata(L, sizeof *refs);
    value_refs_take(L, values, refs);
    lua_rawset(L, LUA_REGISTRYINDEX);
}

static void make_type(lua_State *L, const char *name, const luaL_Reg *meta)
{
    luaL_newmetatable(L, name);
    luaL_register(L, NULL, meta);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "__index");
}

static void open_types(lua_State *L)
{
    static const luaL_Reg meta[] = {
        {"__gc", module_gc_host}, {"__tostring", module_host_tostring}, {NULL, NULL}};
    static const luaL_Reg failure[] = {{"__tostring", failure_tostring}, {NULL, NULL}};
    make_type(L, MODULE_HOST, meta);
    luaL_register(L, NULL, module_host_methods);
    luaL_register(L, NULL, module_op_methods);
    luaL_register(L, NULL, module_call_methods);
    luaL_newmetatable(L, MODULE_FAILURE);
    luaL_register(L, NULL, failure);
    module_op_open(L);
    module_call_open(L);
    lua_settop(L, 0);
}

__attribute__((visibility("default"))) int luaopen_tusk(lua_State *L);

int luaopen_tusk(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"open", module_open_host}, {"poll", module_poll_all}, {NULL, NULL}};
    lua_settop(L, 0);
    lua_pushlightuserdata(L, (void *)&HOSTS);
    lua_newtable(L);
    lua_rawset(L, LUA_REGISTRYINDEX);
    open_types(L);
    make_refs(L);
    lua_newtable(L);
    luaL_register(L, NULL, functions);
    set_text(L, "version", tusk_version());
    lua_getfield(L, 1, "null");
    lua_setfield(L, -2, "null");
    return 1;
}

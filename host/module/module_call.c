/* module_call.c: functions of plugins called from the caller's Lua, and events. */
#include "module.h"

struct future { /* userdata; its environment keeps the host */
    tusk_future *future;
    struct module *m;
};

struct target {
    const char *plugin, *function;
    uint64_t timeout_ms;
};

static const char *field_of(lua_State *L, const char *name)
{
    lua_getfield(L, 2, name);
    luaL_argcheck(
        L, lua_isnil(L, -1) || lua_type(L, -1) == LUA_TSTRING, 2,
        lua_pushfstring(L, "%s: a string expected, got a %s", name, luaL_typename(L, -1)));
    return lua_tostring(L, -1); // it stays where it was, in the table
}

/* At index 2: "users.find", or { "find", plugin = "users", timeout = 1.5 } */
static struct target check_target(lua_State *L)
{
    struct target t = {NULL, NULL, 0};
    if (lua_type(L, 2) != LUA_TTABLE) {
        t.function = luaL_checkstring(L, 2);
        return t;
    }
    lua_rawgeti(L, 2, 1);
    luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, 2, "the name of a function expected in [1]");
    t.function = lua_tostring(L, -1);
    t.plugin = field_of(L, "plugin");
    lua_getfield(L, 2, "timeout");
    double s = lua_tonumber(L, -1);
    luaL_argcheck(L, lua_isnil(L, -1) || s > 0, 2, "timeout: seconds, more than 0, expected");
    t.timeout_ms = s < 1e9 ? (uint64_t)(s * 1000) + (s > 0) : 0;
    lua_pop(L, 3);
    return t;
}

/* Of the host at index 1 */
static struct future *push_future(lua_State *L, struct module *m)
{
    struct future *f = lua_newuserdata(L, sizeof *f);
    f->future = NULL;
    f->m = m;
    luaL_getmetatable(L, MODULE_FUTURE);
    lua_setmetatable(L, -2);
    lua_createtable(L, 1, 0);
    lua_pushvalue(L, 1);
    lua_rawseti(L, -2, 1);
    lua_setfenv(L, -2);
    return f;
}

/* What is above index 2 as values for C; or an error. */
static void check_values(lua_State *L, struct module *m, struct value_view *view)
{
    if (value_view(L, m->refs, 3, "argument", view))
        lua_error(L);
}

/* host:call(function, ...) -> future; nil, failure */
static int host_call(lua_State *L)
{
    struct module *m = module_check(L);
    struct target t = check_target(L);
    struct value_view view;
    struct frame frame;
    struct future *f = push_future(L, m);
    lua_replace(L, 1); // it keeps the host
    check_values(L, m, &view);
    module_enter(m, L, &frame);
    tusk_rc rc = tusk_call(m->host, t.plugin, t.function, view.at, view.n, t.timeout_ms, NULL, NULL,
                           &f->future);
    value_view_free(&view);
    module_leave(m, L, &frame);
    if (rc)
        return module_result(L, m, rc);
    lua_settop(L, 1);
    return 1;
}

/* host:emit(event, ...) -> true; nil, failure */
static int host_emit(lua_State *L)
{
    struct module *m = module_check(L);
    const char *event = luaL_checkstring(L, 2);
    struct value_view view;
    struct frame frame;
    check_values(L, m, &view);
    module_enter(m, L, &frame);
    tusk_rc rc = tusk_emit(m->host, event, view.at, view.n);
    value_view_free(&view);
    module_leave(m, L, &frame);
    return module_result(L, m, rc);
}

const luaL_Reg module_call_methods[] = {{"call", host_call}, {"emit", host_emit}, {NULL, NULL}};

/* ---- futures ---- */

static struct future *check_future(lua_State *L)
{
    return luaL_checkudata(L, 1, MODULE_FUTURE);
}

/* future:done() -> whether it has ended */
static int future_done(lua_State *L)
{
    lua_pushboolean(L, tusk_future_poll(check_future(L)->future) != TUSK_E_STATE);
    return 1;
}

/* future:result() -> nothing while it runs; true, values; false, failure */
static int future_result(lua_State *L)
{
    struct future *f = check_future(L);
    tusk_rc rc = tusk_future_poll(f->future);
    uint32_t n = 0;
    if (rc == TUSK_E_STATE)
        return 0;
    lua_pushboolean(L, !rc);
    if (rc) {
        module_push_failure(L, tusk_future_failure(f->future));
        return 2;
    }
    const tusk_val *values = tusk_future_values(f->future, &n);
    value_push(L, module_refs(L), values, n);
    return 1 + (int)n;
}

/* future:cancel(): asks it to stop */
static int future_cancel(lua_State *L)
{
    struct future *f = check_future(L);
    struct frame frame;
    module_enter(f->m, L, &frame); // operators hear of it
    tusk_future_cancel(f->future);
    module_leave(f->m, L, &frame);
    return 0;
}

static int future_gc(lua_State *L)
{
    struct future *f = lua_touserdata(L, 1);
    tusk_future_free(f->future);
    f->future = NULL;
    return 0;
}

void module_call_open(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"done", future_done}, {"result", future_result}, {"cancel", future_cancel}, {NULL, NULL}};
    luaL_newmetatable(L, MODULE_FUTURE);
    lua_pushcfunction(L, future_gc);
    lua_setfield(L, -2, "__gc");
    lua_newtable(L);
    luaL_register(L, NULL, methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}

/* luv.c: libuv for Lua, on the host's own loop. */
/* link: -llua5.1-luv */
/* compile: -I/usr/include/lua5.1 */
#include <luv/luv.h>

#include "tusk_lua.h"

static int push_traceback(lua_State *L)
{ // 1 the error
    lua_getglobal(L, "debug");
    lua_getfield(L, -1, "traceback");
    lua_pushliteral(L, "");
    lua_pushinteger(L, 2);
    lua_call(L, 2, 1);
    lua_createtable(L, 2, 0);
    lua_pushvalue(L, 1);
    lua_rawseti(L, -2, 1);
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, 2);
    return 1;
}

/* report{error, traceback}, or report(message): as an error in a task nobody waits for */
static int report(lua_State *L)
{
    if (!lua_istable(L, 1)) { // out of memory: the handler did not run
        lua_createtable(L, 1, 0);
        lua_insert(L, 1);
        lua_rawseti(L, 1, 1);
    }
    lua_getglobal(L, "require");
    lua_pushliteral(L, "tusk.core");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "callback_failed");
    lua_rawgeti(L, 1, 1);
    lua_rawgeti(L, 1, 2);
    lua_call(L, 2, 0);
    return 0;
}

/* luv's: calls the function below its nargs arguments; the number of results, or minus the status.
 */
static int call_protected(lua_State *L, int nargs, int nresults, int flags)
{
    (void)flags; // they say when to print and when to exit: never
    int base = lua_gettop(L) - nargs;
    lua_pushcfunction(L, push_traceback);
    lua_insert(L, base);
    int status = lua_pcall(L, nargs, nresults, base);
    lua_remove(L, base);
    if (!status)
        return nresults == LUA_MULTRET ? lua_gettop(L) - base + 1 : nresults;
    lua_pushcfunction(L, report);
    lua_insert(L, -2);
    if (lua_pcall(L, 1, 0, 0))
        lua_pop(L, 1);
    return -status;
}

static int open_on_main(lua_State *L)
{
    luv_set_loop(L, tusk_loop(L));
    luv_set_callback(L, call_protected);
    lua_pushcfunction(L, luaopen_luv);
    lua_call(L, 0, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, "tusk.luv");
    return 0;
}

/* The functions that would run, end or walk a loop which is not the script's. */
static int op_refused(lua_State *L)
{
    return luaL_error(L, "luv.%s is not available: the loop is the host's",
                      lua_tostring(L, lua_upvalueindex(1)));
}

static void refuse_loop_functions(lua_State *L)
{
    static const char *const names[] = {"run", "stop", "loop_close", "walk"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        lua_pushstring(L, names[i]);
        lua_pushvalue(L, -1);
        lua_pushcclosure(L, op_refused, 1);
        lua_rawset(L, -3);
    }
}

TUSK_LUA_EXPORT int luaopen_tusk_binding_luv(lua_State *L);

int luaopen_tusk_binding_luv(lua_State *L)
{
    lua_State *main_state = tusk_main_state(tusk_of(L));
    if (lua_cpcall(main_state, open_on_main, NULL)) {
        lua_xmove(main_state, L, 1);
        return lua_error(L);
    }
    lua_getfield(L, LUA_REGISTRYINDEX, "tusk.luv");
    refuse_loop_functions(L);
    return 1;
}

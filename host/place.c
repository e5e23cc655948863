/* place.c: whose line is running: the innermost frame that is neither C nor the host's own Lua. */
#include <string.h>

#include "host.h"

#define FRAMES 100

static int is_own(const lua_Debug *ar)
{
    return !strncmp(ar->source, "=[tusk", 6);
}

// Whoever calls it is told of mistakes at his own line, but it may be cut short like his.
static int is_shipped(const lua_Debug *ar)
{
    return !strncmp(ar->source, "=[tusk.plugins.", 15);
}

int place_is_users(lua_State *L, lua_Debug *ar)
{
    lua_getinfo(L, "S", ar);
    return *ar->what != 'C' && (!is_own(ar) || is_shipped(ar));
}

/*
 * here(sites[, coroutine]) -> the entry that `sites` has for the function of the innermost frame
 * with one; or nil, file, line of the innermost frame that is a user's; whichever is met first.
 */
static int op_here(lua_State *L)
{
    lua_State *co = lua_type(L, 2) == LUA_TTHREAD ? lua_tothread(L, 2) : L;
    lua_Debug ar;
    lua_settop(L, 1);
    if (co != L && !lua_checkstack(co, 1))
        return 0;
    for (int level = co == L; level < FRAMES && lua_getstack(co, level, &ar); level++) {
        lua_getinfo(co, "f", &ar);
        if (co != L)
            lua_xmove(co, L, 1);
        lua_rawget(L, 1);
        if (!lua_isnil(L, -1))
            return 1;
        lua_getinfo(co, "Sl", &ar);
        if (*ar.what == 'C' || ar.currentline <= 0 || is_own(&ar)) {
            lua_pop(L, 1);
            continue;
        }
        lua_pushstring(L, ar.short_src);
        lua_pushinteger(L, ar.currentline);
        return 3;
    }
    return 0;
}

void place_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"here", op_here}, {NULL, NULL}};
    luaL_register(L, NULL, functions);
}

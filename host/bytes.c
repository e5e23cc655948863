/* bytes.c: tusk_lua.h: large strings, and the collector's share of the work for them. */
#include "host.h"

/* LuaJIT's collector does the same small step at each allocation, however large that was: a loop
 * over strings of a megabyte would have a thousand of them lie about before they are collected. */
enum { LARGE = 16 * 1024 };

void tusk_push_bytes(lua_State *L, const char *bytes, size_t n)
{
    lua_pushlstring(L, bytes, n);
    if (n >= LARGE && lua_gc(L, LUA_GCISRUNNING, 0))
        lua_gc(L, LUA_GCSTEP, (int)(n / 2048)); // half of it: a cycle as often as small ones cause
}

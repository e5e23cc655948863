/* embed: a C function, called from C through Lua: lua_pcall, n times. */
/* compile: $(pkg-config --cflags luajit) */
/* link: $(pkg-config --libs luajit) */
#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>

#include "../../lib/bench.h"

static int add_one(lua_State *L)
{
    lua_pushnumber(L, lua_tonumber(L, 1) + 1);
    return 1;
}

int main(int argc, char **argv)
{
    long n = argc > 1 ? strtol(argv[1], NULL, 10) : 1000, sum = 0;
    lua_State *L = luaL_newstate();
    lua_pushcfunction(L, add_one);
    double began = bench_now();
    for (long i = 0; i < n; i++) {
        lua_pushvalue(L, 1);
        lua_pushnumber(L, (double)(i % 7));
        if (lua_pcall(L, 1, 1, 0))
            return EXIT_FAILURE;
        sum += (long)lua_tonumber(L, -1);
        lua_pop(L, 1);
    }
    bench_print(began, sum);
    lua_close(L);
    return EXIT_SUCCESS;
}

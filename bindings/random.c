/*
 * random.c: bytes and integers from the system's generator, which never blocks once the system
 * is up.
 */
#include "tusk_lua.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

enum { BYTES_MAX = 1024 * 1024 };

static void fill(lua_State *L, void *buf, size_t n)
{
    char *p = buf;
    while (n) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0 && errno != EINTR)
            tusk_fail(L, "random", "the system has no random bytes to give");
        if (got > 0) {
            p += got;
            n -= (size_t)got;
        }
    }
}

/* bytes(n) -> string; n from 0 to 1 MiB */
static int op_bytes(lua_State *L)
{
    double n = luaL_checknumber(L, 1);
    luaL_argcheck(L, n >= 0 && n <= BYTES_MAX, 1, "out of range");
    void *buf = lua_newuserdata(L, (size_t)n + 1);
    fill(L, buf, (size_t)n);
    lua_pushlstring(L, buf, (size_t)n);
    return 1;
}

/* below(n) -> integer from 0 to n - 1, each as likely; n from 1 to 2^54 */
static int op_below(lua_State *L)
{
    double max = luaL_checknumber(L, 1);
    luaL_argcheck(L, max >= 1 && max <= 18014398509481984.0, 1, "out of range");
    uint64_t n = (uint64_t)max, v;
    uint64_t uneven = -n % n; // 2^64 mod n: that many of the lowest values would favour some
    do
        fill(L, &v, sizeof v);
    while (v < uneven);
    lua_pushnumber(L, (double)(v % n));
    return 1;
}

static const luaL_Reg verbs[] = {{"bytes", op_bytes}, {"below", op_below}, {NULL, NULL}};

TUSK_LUA_EXPORT int luaopen_tusk_binding_random(lua_State *L);

int luaopen_tusk_binding_random(lua_State *L)
{
    lua_newtable(L);
    luaL_setfuncs(L, verbs, 0);
    return 1;
}

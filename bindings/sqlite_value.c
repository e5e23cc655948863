/* sqlite_value.c: Lua values as parameters, and 64-bit integers back. */
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "sqlite.h"

#define TYPE_CDATA 10 /* LuaJIT's lua_type of FFI data */
#define BLOB_MAGIC 0xb10bb10bu
#define EXACT_MAX  9007199254740992.0 /* 2^53 */

struct blob { /* userdata: bytes to be stored as a BLOB */
    uint32_t magic;
    size_t length;
    char bytes[];
};

int value_new_blob(lua_State *L)
{
    size_t n;
    if (lua_type(L, 1) != LUA_TSTRING)
        return tusk_fail(L, "argument", "blob: a string expected, got %s", luaL_typename(L, 1));
    const char *s = lua_tolstring(L, 1, &n);
    struct blob *b = lua_newuserdata(L, sizeof *b + n);
    b->magic = BLOB_MAGIC;
    b->length = n;
    memcpy(b->bytes, s, n);
    return 1;
}

static struct blob *to_blob(lua_State *L, int i)
{
    struct blob *b = lua_type(L, i) == LUA_TUSERDATA ? lua_touserdata(L, i) : NULL;
    return b && lua_objlen(L, i) >= sizeof *b && b->magic == BLOB_MAGIC ? b : NULL;
}

static int is_null(lua_State *L, struct state *st, int i)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, st->null);
    int same = lua_rawequal(L, i, -1);
    lua_pop(L, 1);
    return same;
}

/* Whether the FFI value at i is an integer that an int64 can hold. */
static int is_int64(lua_State *L, struct state *st, int i)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, st->check_int64);
    lua_pushvalue(L, i);
    lua_call(L, 1, 1);
    int yes = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return yes;
}

int value_is_named(lua_State *L, struct state *st, int i)
{
    return lua_type(L, i) == LUA_TTABLE && !is_null(L, st, i);
}

int value_is_parameter(lua_State *L, struct state *st, int i)
{
    switch (lua_type(L, i)) {
    case LUA_TNIL:
    case LUA_TBOOLEAN:
    case LUA_TSTRING:
        return 1;
    case LUA_TNUMBER:
        return !isnan(lua_tonumber(L, i));
    case TYPE_CDATA:
        return is_int64(L, st, i);
    default:
        return is_null(L, st, i) || to_blob(L, i);
    }
}

int value_refuse(lua_State *L, int i, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const char *which = lua_pushvfstring(L, fmt, args);
    va_end(args);
    if (lua_type(L, i) == LUA_TNUMBER)
        return tusk_fail(L, "argument", "%s is not a number (NaN): SQLite cannot store it", which);
    return tusk_fail(L, "argument", "%s: a %s cannot be a parameter", which, luaL_typename(L, i));
}

static void read_number(struct value *v, double d)
{
    v->type = SQLITE_FLOAT;
    v->number = d;
    if (d >= -EXACT_MAX && d <= EXACT_MAX && (double)(int64_t)d == d) {
        v->type = SQLITE_INTEGER;
        v->integer = (int64_t)d;
    }
}

static void read_bytes(lua_State *L, int i, struct value *v)
{
    struct blob *b = to_blob(L, i);
    v->type = b ? SQLITE_BLOB : SQLITE_NULL;
    v->bytes = b ? b->bytes : NULL;
    v->length = b ? b->length : 0;
}

void value_read(lua_State *L, struct state *st, int i, struct value *v)
{
    (void)st;
    v->length = 0;
    switch (lua_type(L, i)) {
    case LUA_TNUMBER:
        read_number(v, lua_tonumber(L, i));
        return;
    case LUA_TSTRING:
        v->type = SQLITE_TEXT;
        v->bytes = lua_tolstring(L, i, &v->length);
        return;
    case LUA_TBOOLEAN:
        v->type = SQLITE_INTEGER;
        v->integer = lua_toboolean(L, i);
        return;
    case TYPE_CDATA:
        v->type = SQLITE_INTEGER;
        memcpy(&v->integer, lua_topointer(L, i), sizeof v->integer);
        return;
    default:
        read_bytes(L, i, v);
    }
}

void value_push_integer(lua_State *L, struct state *st, int64_t n)
{
    if (n >= -(int64_t)EXACT_MAX && n <= (int64_t)EXACT_MAX) {
        lua_pushnumber(L, (double)n);
        return;
    }
    int64_t low = n & 0xffffffff;
    lua_rawgeti(L, LUA_REGISTRYINDEX, st->make_int64);
    lua_pushnumber(L, (double)((n - low) / 0x100000000));
    lua_pushnumber(L, (double)low);
    lua_call(L, 2, 1);
}

/* loader.c: the dialect, for Lua. Compiling itself is lua/tusk/loader.lua's. */
#include <string.h>

#include "dialect.h"
#include "host.h"

static void push_sites(lua_State *L, const struct dialect *d, const char *source)
{ // { name, line, column, span, name, ... }
    int n = 0;
    lua_createtable(L, (int)d->count * 4, 0);
    for (size_t i = 0; i < d->count; i++) {
        const struct dialect_site *s = &d->sites[i];
        lua_pushlstring(L, source + s->name, s->name_length);
        lua_rawseti(L, -2, ++n);
        lua_pushinteger(L, (lua_Integer)s->line);
        lua_rawseti(L, -2, ++n);
        lua_pushinteger(L, (lua_Integer)s->column);
        lua_rawseti(L, -2, ++n);
        lua_pushinteger(L, (lua_Integer)s->span);
        lua_rawseti(L, -2, ++n);
    }
}

struct expansion {
    struct dialect *d;
    const char *source;
};

static int push_expansion(lua_State *L)
{
    struct expansion *e = lua_touserdata(L, 1);
    lua_pushlstring(L, e->d->text, e->d->length);
    push_sites(L, e->d, e->source);
    return 2;
}

/*
 * expand(source) -> text, sites { name, line, column, span, ... }; or false when there is nothing
 * to rewrite; or nil, message, line, column for a syntax error of the dialect.
 */
static int op_expand(lua_State *L)
{
    struct dialect d;
    size_t n;
    const char *source = luaL_checklstring(L, 1, &n);
    if (!memchr(source, '@', n)) {
        lua_pushboolean(L, 0);
        return 1;
    }
    int rc = dialect_expand(&d, source, n);
    if (rc == -2)
        return luaL_error(L, "not enough memory");
    if (rc) {
        lua_pushnil(L);
        lua_pushstring(L, d.error.message);
        lua_pushinteger(L, (lua_Integer)d.error.line);
        lua_pushinteger(L, (lua_Integer)d.error.column);
        dialect_free(&d);
        return 4;
    }
    if (!d.rewritten) {
        dialect_free(&d);
        lua_pushboolean(L, 0);
        return 1;
    }
    // pushing may raise: d is freed either way
    struct expansion e = {&d, source};
    lua_pushcfunction(L, push_expansion);
    lua_pushlightuserdata(L, &e);
    int failed = lua_pcall(L, 1, 2, 0);
    dialect_free(&d);
    return failed ? lua_error(L) : 2;
}

void loader_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"expand", op_expand}, {NULL, NULL}};
    luaL_register(L, NULL, functions);
}

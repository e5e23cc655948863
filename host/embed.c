/* embed.c: what the calls of tusk.h from C have of Lua: its half, its errors as codes. */
#include <stdlib.h>
#include <string.h>

#include "embed.h"

void embed_load(lua_State *L)
{
    struct embedding *e = HOST(L)->embedding;
    if (e->lua)
        return;
    lua_getfield(L, LUA_REGISTRYINDEX, "tusk.require");
    lua_pushliteral(L, "tusk.embed");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "values");
    value_refs_take(L, lua_gettop(L), &e->values);
    lua_pop(L, 1);
    e->lua = luaL_ref(L, LUA_REGISTRYINDEX);
}

struct run {
    lua_CFunction fn;
    void *ud;
};

static int run_protected(lua_State *L)
{
    struct run *r = lua_touserdata(L, 1);
    embed_load(L);
    lua_settop(L, 0);
    lua_pushlightuserdata(L, r->ud);
    return r->fn(L);
}

/* (error, a table) -> its message, with its place if it has one: as the error callback is told it
 */
static void push_text(lua_State *L)
{
    lua_getfield(L, 1, "message");
    lua_getfield(L, 1, "site");
    if (!lua_istable(L, -1) || lua_type(L, -2) != LUA_TSTRING) {
        lua_pop(L, 1);
        return;
    }
    lua_getfield(L, -1, "file");
    lua_getfield(L, -2, "line");
    lua_getfield(L, 1, "op");
    const char *file = lua_tostring(L, -3), *line = lua_tostring(L, -2), *op = lua_tostring(L, -1);
    if (file && line)
        lua_pushfstring(L, "%s:%s: %s%s%s%s", file, line, op ? "@" : "", op ? op : "",
                        op ? ": " : "", lua_tostring(L, -5));
    else
        lua_pushvalue(L, -5);
}

/* (error) -> its code, after its message was kept */
static int keep_error(lua_State *L)
{
    struct tusk *h = tusk_of(L);
    tusk_rc rc = TUSK_E_LUA;
    if (lua_istable(L, 1)) {
        lua_getfield(L, 1, "kind");
        rc = lua_isstring(L, -1) ? failure_code(lua_tostring(L, -1), 0) : rc;
        push_text(L);
    }
    const char *text = lua_tostring(L, -1);
    const char *memory = text ? strstr(text, "not enough memory") : NULL;
    if (memory && !strcmp(memory, "not enough memory")) // Lua's own, or with a place before it
        rc = TUSK_E_NOMEM;
    host_refuse(h, rc, "%s", text ? text : tusk_strerror(rc));
    lua_pushinteger(L, rc);
    return 1;
}

tusk_rc embed_run(struct tusk *h, lua_CFunction fn, void *ud)
{
    return embed_protected(h, run_protected, &(struct run){fn, ud});
}

tusk_rc embed_protected(struct tusk *h, lua_CFunction fn, void *ud)
{
    lua_State *L = h->L; // others may have values on its stack
    if (memory_ensure(h))
        return host_refuse(h, TUSK_E_NOMEM, "not enough memory");
    int status = lua_cpcall(L, fn, ud);
    if (!status)
        return TUSK_OK;
    tusk_rc rc = TUSK_E_NOMEM;
    if (status != LUA_ERRMEM && lua_checkstack(L, 2)) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, h->embedding->keep); // a new one would need memory
        lua_insert(L, -2);
        status = lua_pcall(L, 1, 1, 0);
        rc = status ? TUSK_E_NOMEM : (tusk_rc)lua_tointeger(L, -1);
    }
    lua_pop(L, 1);
    return status ? host_refuse(h, TUSK_E_NOMEM, "not enough memory") : rc;
}

void embed_push(lua_State *L, struct tusk *h, const char *name)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, h->embedding->lua);
    lua_getfield(L, -1, name);
    lua_remove(L, -2);
}

/* ---- opening and closing ---- */

static struct link *link_new(struct tusk *h)
{
    struct link *link = calloc(1, sizeof *link);
    if (link && uv_mutex_init(&link->mutex)) {
        free(link);
        link = NULL;
    }
    if (!link)
        return NULL;
    link->host = h;
    atomic_init(&link->refs, 1);
    return link;
}

int embed_new(struct tusk *h)
{
    h->embedding = host_calloc(h, sizeof *h->embedding);
    if (!h->embedding)
        return -1;
    h->embedding->link = link_new(h);
    return h->embedding->link ? 0 : -1;
}

void embed_free(struct tusk *h)
{
    if (!h->embedding)
        return;
    if (h->embedding->link)
        link_unref(h->embedding->link);
    host_free(h, h->embedding, sizeof *h->embedding);
    h->embedding = NULL;
}

void embed_open(lua_State *L)
{
    lua_pushcfunction(L, keep_error);
    tusk_of(L)->embedding->keep = luaL_ref(L, LUA_REGISTRYINDEX);
    op_open(L);
    future_open(L);
    library_open(L);
}

void embed_hurry(struct tusk *h)
{
    op_drop(h);
}

void embed_close(struct tusk *h)
{
    op_close(h);
    future_close(h);
}

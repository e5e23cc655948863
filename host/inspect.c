/* inspect.c: looking inside: the tree of tasks, for whoever asks from outside. */
#include "host.h"

#define DUMP "tusk.dump" /* in the registry: what logs the tree */

void tusk_dump(tusk_host *h)
{
    atomic_store(&h->dump, 1);
    uv_async_send(&h->async);
}

void inspect_if_asked(struct tusk *h)
{
    if (!atomic_load_explicit(&h->dump, memory_order_relaxed))
        return;
    atomic_store(&h->dump, 0);
    lua_getfield(h->L, LUA_REGISTRYINDEX, DUMP);
    if (lua_pcall(h->L, 0, 0, 0))
        lua_pop(h->L, 1);
}

/* deadline_of(task) -> seconds until the deadline it works under, or nil */
static int op_deadline_of(lua_State *L)
{
    struct tusk *h = HOST(L);
    struct handle *d = task_handle(L, 1);
    uint64_t due = d->task ? scope_deadline(h, d->task->scope) : UINT64_MAX;
    if (due == UINT64_MAX)
        return 0;
    lua_pushnumber(L, due > h->now ? (double)(due - h->now) / 1e9 : 0);
    return 1;
}

/* on_dump(fn): what logs the tree after a tusk_dump */
static int op_on_dump(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, DUMP);
    return 0;
}

void inspect_open(lua_State *L, struct tusk *h)
{
    static const luaL_Reg functions[] = {
        {"deadline_of", op_deadline_of}, {"on_dump", op_on_dump}, {NULL, NULL}};
    host_register(L, h, functions);
}

/* inspect.c: looking inside: the tree of tasks, for whoever asks from outside. */
#include "host.h"

#define DUMP "tusk.dump" /* in the registry: what logs the tree */

void tusk_dump(tusk_host *h)
{
    if (!h)
        return;
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

/* The list of the tasks that s owns, oldest first. */
static void push_children(lua_State *L, const struct scope *s)
{
    int n = 0;
    for (const struct scope *c = s->child; c; c = c->next)
        n += c->is_task;
    lua_createtable(L, n, 0);
    for (const struct scope *c = s->child; c; c = c->next) {
        if (!c->is_task)
            continue;
        task_push_handle(L, c->task);
        lua_rawseti(L, -2, n--);
    }
}

/* Who parks on a channel has it on top of the stack: "channel", it, whether to receive; else the
 * line: "line", its address */
static int push_line(lua_State *L, struct task *t)
{
    struct queue *receivers = channel_line(t->co, -1);
    lua_pushstring(L, receivers ? "channel" : "line");
    if (!receivers || !lua_checkstack(t->co, 1)) {
        lua_pushlightuserdata(L, t->place.queue);
        return 2;
    }
    lua_pushvalue(t->co, -1);
    lua_xmove(t->co, L, 1);
    lua_pushboolean(L, t->place.queue == receivers);
    return 3;
}

/*
 * waits_on(task) -> "tasks", the list of those that must end first; "channel", it, whether to
 * receive; "line", the address of the line it stands in; "select"; nothing: none of these
 */
static int op_waits_on(lua_State *L)
{
    struct task *t = task_handle(L, 1)->task;
    if (!t || (t->state != TASK_PARKED && t->state != TASK_JOINING))
        return 0;
    if (t->scope->joining) {
        lua_pushliteral(L, "tasks");
        push_children(L, t->scope);
        return 2;
    }
    if (t->place.queue)
        return push_line(L, t);
    if (!t->wait || !select_is(t->wait))
        return 0;
    lua_pushliteral(L, "select");
    return 1;
}

/* awaiters(task) -> the address of the line of those who await it */
static int op_awaiters(lua_State *L)
{
    struct handle *d = task_handle(L, 1);
    lua_pushlightuserdata(L, d->task ? &d->task->awaiters : NULL);
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

void inspect_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"deadline_of", op_deadline_of},
        {"waits_on", op_waits_on},
        {"awaiters", op_awaiters},
        {"on_dump", op_on_dump},
        {NULL, NULL},
    };
    luaL_register(L, NULL, functions);
}

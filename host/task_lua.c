/* task_lua.c: tasks, for Lua: what spawns, awaits, cancels and describes them. */
#include "host.h"

static struct scope *spawning_scope(lua_State *L, struct tusk *h)
{
    struct scope *s = h->current ? h->current->scope : h->app ? &h->app->scope : &h->root;
    if (s->reason)
        host_raise_cancelled(L, h, 0);
    return s;
}

/* A table of options comes before the function: its Lua half handles those. */
static int start_with_options(lua_State *L, struct tusk *h, int held)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, h->callbacks[CALL_NAMED]);
    lua_insert(L, 1);
    lua_pushboolean(L, held);
    lua_insert(L, 2);
    lua_call(L, lua_gettop(L) - 1, 1);
    return 1;
}

static int start_here(lua_State *L, int how)
{
    struct tusk *h = HOST(L);
    if (lua_type(L, 1) != LUA_TFUNCTION)
        return start_with_options(L, h, how & TASK_HELD);
    return task_start(L, h, spawning_scope(L, h), lua_gettop(L) - 1, how);
}

/* spawn([options,] fn, ...) -> task; its failure fails the scope */
static int op_spawn(lua_State *L)
{
    return start_here(L, 0);
}

/* async([options,] fn, ...) -> task; its failure is held for await */
static int op_async(lua_State *L)
{
    return start_here(L, TASK_HELD);
}

/* The same, called by the host's own Lua. */
static int op_spawn_inside(lua_State *L)
{
    return start_here(L, TASK_INSIDE);
}

static int op_async_inside(lua_State *L)
{
    return start_here(L, TASK_HELD | TASK_INSIDE);
}

/* Calls what a test has put in the operator's place. */
static int call_other(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

static int start_at(lua_State *L, int how)
{
    return lua_isnil(L, lua_upvalueindex(1)) ? start_here(L, how | TASK_AT_SITE) : call_other(L);
}

static int op_spawn_at(lua_State *L)
{
    return start_at(L, 0);
}

static int op_async_at(lua_State *L)
{
    return start_at(L, TASK_HELD);
}

/*
 * site_function(fn) -> for spawn and async one that does the same at one place: the tasks it starts
 * remember its address as their spawner's. Its first upvalue, nil, may be set to a function to call
 * instead. nil for any other fn.
 */
static int op_site_function(lua_State *L)
{
    lua_CFunction fn = lua_tocfunction(L, 1);
    if (fn != op_spawn && fn != op_async)
        return 0;
    lua_pushnil(L);
    lua_pushnil(L);
    lua_pushcclosure(L, fn == op_spawn ? op_spawn_at : op_async_at, 2);
    lua_pushlightuserdata(L, (void *)lua_topointer(L, -1));
    lua_setupvalue(L, -2, 2);
    return 1;
}

/* spawn_root(fn): a task that belongs to the host itself, whatever is being cancelled */
static int op_spawn_root(lua_State *L)
{
    struct tusk *h = HOST(L);
    return task_start(L, h, &h->root, lua_gettop(L) - 1, TASK_INSIDE);
}

/* spawn_later(task | nil, fn, ...): a child of that task's, or of the host; it begins at its turn
 */
static int op_spawn_later(lua_State *L)
{
    struct tusk *h = HOST(L);
    struct handle *d = task_test_handle(L, 1);
    struct scope *owner = d && d->task ? &d->task->own : &h->root;
    return task_start(L, h, owner, lua_gettop(L) - 2, TASK_INSIDE | TASK_LATER);
}

/* Pushes the values of the task at 1, which has ended, or raises what it failed with. */
static int push_result(lua_State *L, struct handle *d)
{
    d->observed = 1;
    if (d->state != TASK_DONE) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, HOST(L)->callbacks[CALL_FAILED]);
        lua_pushvalue(L, 1);
        lua_call(L, 1, 0);
        return 0;
    }
    if (d->kept == KEPT_NOTHING)
        return 0;
    if (d->kept == KEPT_NUMBER) {
        lua_pushnumber(L, d->number);
        return 1;
    }
    lua_getfenv(L, 1);
    lua_getfield(L, -1, "n");
    int n = (int)lua_tointeger(L, -1), kept = lua_gettop(L) - 1;
    lua_pop(L, 1);
    luaL_checkstack(L, n, "results");
    for (int i = 1; i <= n; i++)
        lua_rawgeti(L, kept, i);
    lua_remove(L, kept);
    return n;
}

/* result(task): the values of one that has ended, or raises what it failed with */
static int op_result(lua_State *L)
{
    return push_result(L, task_handle(L, 1));
}

/* await(task) -> false and the result of one that has ended; else, when it has, nothing; true if
 * the caller was cancelled meanwhile */
static int op_await(lua_State *L)
{
    struct tusk *h = HOST(L);
    struct handle *d = task_handle(L, 1);
    wait_check(L, h);
    if (!d->task) {
        lua_pushboolean(L, 0);
        return push_result(L, d) + 1;
    }
    if (d->task == h->current)
        return tusk_fail(L, "argument", "a task cannot wait for itself");
    queue_put(&d->task->awaiters, &h->current->place);
    return task_park(L, h);
}

/* keep(task, {n = , ...}): what result gives */
static int op_keep(lua_State *L)
{
    struct handle *d = task_handle(L, 1);
    lua_settop(L, 2);
    lua_setfenv(L, 1);
    d->kept = KEPT_TABLE;
    return 0;
}

/* kept(task) -> that table, or nil */
static int op_kept(lua_State *L)
{
    if (task_handle(L, 1)->kept != KEPT_TABLE)
        return 0;
    lua_getfenv(L, 1);
    return 1;
}

static int op_cancel(lua_State *L)
{
    struct handle *d = task_handle(L, 1);
    if (d->task)
        scope_cancel(HOST(L), &d->task->own, CANCEL_ASKED);
    return 0;
}

/* state(task) -> "running" "ready" "parked" "joining" "done" "failed" "cancelled", observed */
static int op_state(lua_State *L)
{
    static const char *const names[] = {"running", "ready",  "parked",   "joining",
                                        "done",    "failed", "cancelled"};
    struct handle *d = task_handle(L, 1);
    lua_pushstring(L, names[d->task ? d->task->state : d->state]);
    lua_pushboolean(L, d->observed);
    return 2;
}

/* current() -> the running task, or nil */
static int op_current(lua_State *L)
{
    struct tusk *h = HOST(L);
    if (!h->current)
        return 0;
    task_push_handle(L, h->current);
    return 1;
}

/* info(task) -> id, address of the function that spawned it, line there, the task whose scope owns
 * it */
static int op_info(lua_State *L)
{
    struct handle *d = task_handle(L, 1);
    lua_pushinteger(L, (lua_Integer)d->id);
    if (!d->task)
        return 1;
    lua_pushlightuserdata(L, (void *)d->spawner);
    lua_pushinteger(L, d->line);
    struct scope *owner = d->task->own.parent;
    if (!owner || !owner->task)
        return 3;
    task_push_handle(L, owner->task);
    return 4;
}

/* address(function) -> what info gives for it */
static int op_address(lua_State *L)
{
    lua_pushlightuserdata(L, (void *)lua_topointer(L, 1));
    return 1;
}

/* parked_for(task): how long it has waited, parked or for its children; nil if it does not */
static int op_parked_for(lua_State *L)
{
    struct handle *d = task_handle(L, 1);
    if (!d->task || (d->task->state != TASK_PARKED && d->task->state != TASK_JOINING))
        return 0;
    uint64_t now = HOST(L)->now, since = d->task->since; // perhaps of another clock
    lua_pushnumber(L, now > since ? (double)(now - since) / 1e9 : 0);
    return 1;
}

/* coroutine_of(task) -> its coroutine, while it lives */
static int op_coroutine_of(lua_State *L)
{
    struct handle *d = task_handle(L, 1);
    if (!d->task)
        return 0;
    lua_rawgeti(L, LUA_REGISTRYINDEX, d->task->co_ref);
    return 1;
}

/* is_task(v) */
static int op_is_task(lua_State *L)
{
    lua_pushboolean(L, task_test_handle(L, 1) != NULL);
    return 1;
}

/* tasks() -> the list of all that live, owners before what they own */
static int op_tasks(lua_State *L)
{
    struct scope *root = &HOST(L)->root, *s = root;
    int n = 0;
    lua_newtable(L);
    while (s) {
        if (s->is_task && s->task) {
            task_push_handle(L, s->task);
            lua_rawseti(L, -2, ++n);
        }
        if (s->child) {
            s = s->child;
            continue;
        }
        while (s != root && !s->next)
            s = s->parent;
        s = s == root ? NULL : s->next;
    }
    return 1;
}

void task_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"spawn", op_spawn},
        {"spawn_root", op_spawn_root},
        {"spawn_later", op_spawn_later},
        {"spawn_inside", op_spawn_inside},
        {"async", op_async},
        {"async_inside", op_async_inside},
        {"site_function", op_site_function},
        {"await", op_await},
        {"result", op_result},
        {"keep", op_keep},
        {"kept", op_kept},
        {"cancel", op_cancel},
        {"state", op_state},
        {"current", op_current},
        {"info", op_info},
        {"is_task", op_is_task},
        {"parked_for", op_parked_for},
        {"tasks", op_tasks},
        {"coroutine_of", op_coroutine_of},
        {"address", op_address},
        {NULL, NULL},
    };
    luaL_register(L, NULL, functions);
}

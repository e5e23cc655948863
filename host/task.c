/* task.c: tasks and the ready queue. The only place that resumes or yields one. */
#include <stdlib.h>
#include <string.h>

#include "host.h"

#define TASK_MAGIC 0x7a5c1ea5u
#define SLAB_TASKS 64
#define NEST_MAX   100 /* nested starts; a deeper child is queued */
#define INLINE_MAX 128 /* answers without waiting, per resume */

/*
 * A coroutine's stack, for life: 1 xpcall, 2 the error handler; above them what xpcall was given,
 * and when it has returned: 3 whether all went well, then the values.
 */
enum { SLOT_XPCALL = 1, SLOT_HANDLER, SLOT_OK, SLOT_RESULTS };

struct slab {
    struct slab *next;
    struct task tasks[SLAB_TASKS];
};

void task_ready(struct tusk *h, struct task *t, int nargs)
{
    t->nargs = nargs;
    t->state = TASK_READY;
    t->next = NULL;
    if (h->ready_tail)
        h->ready_tail->next = t;
    else
        h->ready_head = t;
    h->ready_tail = t;
}

/* ---- records ---- */

static void add_slab(lua_State *L, struct tusk *h)
{
    struct slab *slab = calloc(1, sizeof *slab);
    if (!slab)
        luaL_error(L, "not enough memory");
    slab->next = h->slabs;
    h->slabs = slab;
    for (int i = SLAB_TASKS - 1; i >= 0; i--) {
        slab->tasks[i].next = h->spare;
        h->spare = &slab->tasks[i];
    }
}

static void give_coroutine(lua_State *L, struct tusk *h, struct task *t)
{
    lua_State *co = lua_newthread(L);
    t->co_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_rawgeti(co, LUA_REGISTRYINDEX, h->callbacks[CALL_XPCALL]);
    lua_rawgeti(co, LUA_REGISTRYINDEX, h->callbacks[CALL_HANDLER]);
    lua_pushboolean(L, 0);
    t->handle_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_rawgeti(L, LUA_REGISTRYINDEX, h->callbacks[COROUTINES]);
    lua_rawgeti(L, LUA_REGISTRYINDEX, t->co_ref);
    lua_pushliteral(L, "cannot resume coroutine: it is a task");
    lua_rawset(L, -3);
    lua_pop(L, 1);
    t->co = co;
}

static struct task *record_get(lua_State *L, struct tusk *h)
{
    if (!h->spare)
        add_slab(L, h);
    struct task *t = h->spare;
    if (!t->co)
        give_coroutine(L, h, t);
    h->spare = t->next;
    t->own.child = NULL;
    t->own.live = 0;
    t->own.errors = 0;
    t->own.reason = t->own.shielded = t->own.joining = t->own.on_error = t->own.delivered = 0;
    t->own.is_task = 1;
    t->own.task = t;
    t->scope = &t->own;
    t->wait = NULL;
    t->body_first = t->strays = 0;
    return t;
}

static void record_put(struct tusk *h, struct task *t)
{
    if (lua_status(t->co) > LUA_YIELD) { // it died outside xpcall and cannot run again
        luaL_unref(h->L, LUA_REGISTRYINDEX, t->co_ref);
        luaL_unref(h->L, LUA_REGISTRYINDEX, t->handle_ref);
        t->co = NULL;
    } else {
        lua_settop(t->co, SLOT_HANDLER);
        if (t->handle->kept ==
            KEPT_TABLE) { // a plain handle may wait for the next task to replace it
            lua_pushboolean(t->co, 0);
            lua_rawseti(t->co, LUA_REGISTRYINDEX, t->handle_ref);
        }
    }
    t->next = h->spare;
    h->spare = t;
}

void task_free_all(struct tusk *h)
{
    for (struct slab *next; h->slabs; h->slabs = next) {
        next = h->slabs->next;
        free(h->slabs);
    }
}

void task_push_handle(lua_State *L, struct task *t)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, t->handle_ref);
}

struct handle *task_handle(lua_State *L, int index)
{
    struct handle *d = lua_touserdata(L, index);
    if (!d || lua_type(L, index) != LUA_TUSERDATA || lua_objlen(L, index) != sizeof *d ||
        d->magic != TASK_MAGIC)
        luaL_typerror(L, index, "task");
    return d;
}

/* ---- the end of a task ---- */

struct ending {
    struct tusk *h;
    struct task *t;
};

static void keep_failure(lua_State *L, struct scope *owner, int handle, int err, int held)
{
    if (!owner->errors) {
        lua_newtable(L);
        owner->errors = luaL_ref(L, LUA_REGISTRYINDEX);
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, owner->errors);
    lua_createtable(L, 0, 3);
    lua_pushvalue(L, handle);
    lua_setfield(L, -2, "task");
    lua_pushvalue(L, err);
    lua_setfield(L, -2, "err");
    lua_pushboolean(L, held);
    lua_setfield(L, -2, "held");
    lua_rawseti(L, -2, (int)lua_objlen(L, -2) + 1);
    lua_pop(L, 1);
}

/* Tells the owner of a failed task whose failure no await will take. */
static void report_failure(lua_State *L, struct tusk *h, struct task *t)
{ // 1 handle, 2 error
    struct scope *owner = t->own.parent;
    if (owner->on_error == ON_ERROR_LOG && !t->held) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, h->callbacks[CALL_UNHANDLED]);
        lua_pushvalue(L, 2);
        lua_pushvalue(L, 1);
        lua_call(L, 2, 0);
    } else {
        keep_failure(L, owner, 1, 2, t->held);
    }
}

/* Protected: decides the outcome of a task that did more than return nothing, a number or a
 * boolean. */
static int end_protected(lua_State *L)
{
    struct ending *e = lua_touserdata(L, 1);
    struct tusk *h = e->h;
    struct task *t = e->t;
    lua_settop(L, 0);
    task_push_handle(L, t);
    int n = lua_gettop(t->co) - SLOT_OK;
    luaL_checkstack(L, n + 8, "results");
    lua_rawgeti(L, LUA_REGISTRYINDEX, h->callbacks[CALL_OUTCOME]);
    lua_pushvalue(L, 1);
    lua_pushboolean(L, t->ok);
    lua_pushinteger(L, t->own.reason);
    if (t->own.errors)
        lua_rawgeti(L, LUA_REGISTRYINDEX, t->own.errors);
    else
        lua_pushnil(L);
    lua_pushboolean(L, t->body_first);
    lua_xmove(t->co, L, n);
    lua_call(L, 5 + n, 2); // -> enum task_state, error
    t->handle->state = (uint8_t)lua_tointeger(L, 2);
    lua_remove(L, 2);
    if (t->handle->state == TASK_FAILED)
        report_failure(L, h, t);
    return 0;
}

static int ends_simply(struct task *t)
{
    if (!t->ok || t->own.errors || t->own.reason)
        return 0;
    struct handle *d = t->handle;
    int n = lua_gettop(t->co) - SLOT_OK;
    d->kept = KEPT_NOTHING;
    if (n == 0)
        return 1;
    if (n > 1 || lua_type(t->co, SLOT_RESULTS) != LUA_TNUMBER)
        return 0;
    d->kept = KEPT_NUMBER;
    d->number = lua_tonumber(t->co, SLOT_RESULTS);
    return 1;
}

/* Ends one whose children have all ended -> its owner, if that was waiting for this alone. */
static struct scope *end_one(struct tusk *h, struct task *t)
{
    struct handle *d = t->handle;
    struct scope *owner = t->own.parent;
    d->state = TASK_DONE;
    if (!ends_simply(t)) {
        struct ending e = {h, t};
        d->state = TASK_FAILED;
        if (lua_cpcall(h->L, end_protected, &e)) { // out of memory: failed, with nothing to say
            lua_pop(h->L, 1);
            d->state = TASK_FAILED;
        }
    }
    if (t->own.errors) {
        luaL_unref(h->L, LUA_REGISTRYINDEX, t->own.errors);
        t->own.errors = 0;
    }
    if (d->state == TASK_FAILED && !t->held && owner->on_error == ON_ERROR_FAIL)
        scope_cancel(h, owner, CANCEL_SIBLING);
    d->task = NULL;
    t->state = d->state;
    h->live--;
    while (t->awaiters.head)
        queue_wake(h, t->awaiters.head);
    record_put(h, t);
    return scope_unlink(&t->own);
}

static void task_end(struct tusk *h, struct task *t)
{
    for (struct scope *s; (s = end_one(h, t));
         t = s->task) { // not by recursion: chains may be long
        s->joining = 0;
        if (!s->is_task) {
            task_ready(h, s->task, 0);
            return;
        }
    }
}

static void body_ended(struct tusk *h, struct task *t, int status)
{
    if (status) { // not even xpcall could keep it
        lua_xmove(t->co, h->L, 1);
        lua_settop(t->co, SLOT_HANDLER);
        lua_pushboolean(t->co, 0);
        lua_xmove(h->L, t->co, 1);
    }
    t->ok = (uint8_t)lua_toboolean(t->co, SLOT_OK);
    t->body_first = !t->ok && !t->own.errors;
    if (t->strays || t->scope != &t->own)
        stray_abandon_all(h, t);
    if (!t->own.live) {
        task_end(h, t);
        return;
    }
    t->state = TASK_JOINING;
    t->own.joining = 1;
    if (!t->ok)
        scope_cancel(h, &t->own, CANCEL_SIBLING);
}

/* ---- running ---- */

static void run(struct tusk *h, struct task *t)
{
    struct task *outer = h->current;
    int blocked = h->blocked;
    h->blocked = 0;
    h->depth++;
    h->current = t;
    t->state = TASK_RUNNING;
    int status = lua_resume(t->co, t->nargs);
    if (status != LUA_YIELD)
        body_ended(h, t, status);
    else if (t->state == TASK_RUNNING) // the user's own coroutine.yield, at the top of a task
        task_ready(h, t, 0);
    h->depth--;
    h->current = outer;
    h->blocked = blocked;
}

void task_drain(struct tusk *h, uint64_t until)
{
    for (int n = 1; h->ready_head; n++) {
        struct task *t = h->ready_head;
        h->ready_head = t->next;
        if (!h->ready_head)
            h->ready_tail = NULL;
        h->budget = INLINE_MAX;
        run(h, t);
        if (n % 64 == 0 && uv_hrtime() >= until)
            return;
    }
}

int task_park(lua_State *L, struct tusk *h, int nvalues)
{ // yields PARK and the values; the next resume passes back what is on top
    h->current->state = TASK_PARKED;
    h->current->since = h->now;
    lua_pushlightuserdata(L, PARK(h));
    lua_insert(L, -nvalues - 1);
    return lua_yield(L, nvalues + 1);
}

int task_pause(lua_State *L, struct tusk *h, int nvalues)
{
    task_ready(h, h->current, nvalues);
    lua_pushlightuserdata(L, PARK(h));
    lua_insert(L, -nvalues - 1);
    return lua_yield(L, nvalues + 1);
}

void task_interrupt(struct tusk *h, struct task *t)
{
    if (t->state != TASK_PARKED)
        return;
    if (t->wait) {
        wait_interrupt(t->wait);
        return;
    }
    timer_stop(h, &t->timer);
    if (t->place.queue)
        queue_remove(&t->place);
    lua_pushboolean(t->co,
                    1); // what the parking call returns; a C function's stack has room for it
    task_ready(h, t, 1);
}

static void remember_spawner(lua_State *L, struct handle *d)
{
    lua_Debug ar;
    if (!lua_getstack(L, 1, &ar))
        return;
    lua_getinfo(L, "fl", &ar);
    d->line = ar.currentline;
    d->spawner = lua_topointer(L, -1);
    lua_pop(L, 1);
}

static struct handle *push_new_handle(lua_State *L, struct tusk *h)
{
    struct handle *d = lua_newuserdata(L, sizeof *d);
    *d = (struct handle){.magic = TASK_MAGIC, .id = ++h->last_id, .line = -1};
    lua_rawgeti(L, LUA_REGISTRYINDEX, h->callbacks[TASK_META]);
    lua_setmetatable(L, -2);
    return d;
}

static void load(lua_State *L, struct task *t, int fn, int nargs)
{ // L: .. fn args -> .. ; co: xpcall handler -> xpcall handler xpcall fn handler args
    lua_State *co = t->co;
    lua_pushvalue(co, SLOT_XPCALL);
    lua_pushvalue(L, fn);
    lua_xmove(L, co, 1);
    lua_pushvalue(co, SLOT_HANDLER);
    if (nargs)
        lua_xmove(L, co, nargs);
    t->nargs = nargs + 2;
}

int task_start(lua_State *L, struct tusk *h, struct scope *s, int nargs, int how)
{ // L: .. fn args
    int fn = lua_gettop(L) - nargs;
    luaL_checktype(L, fn, LUA_TFUNCTION);
    luaL_checkstack(L, 8, "a task");
    struct handle *d = push_new_handle(L, h);
    if (!(how & TASK_INSIDE))
        remember_spawner(L, d);
    struct task *t = record_get(L, h);
    t->handle = d;
    if (nargs > 8 && !lua_checkstack(t->co, nargs + 8)) {
        record_put(h, t);
        return luaL_error(L, "not enough memory");
    }
    t->held = how & TASK_HELD;
    d->task = t;
    lua_pushvalue(L, -1);
    lua_rawseti(L, LUA_REGISTRYINDEX, t->handle_ref);
    lua_insert(L, fn); // .. handle fn args
    load(L, t, fn + 1, nargs);
    lua_settop(L, fn);
    scope_link(s, &t->own);
    h->live++;
    if (h->depth >= NEST_MAX)
        task_ready(h, t, t->nargs);
    else
        run(h, t);
    return 1;
}

/* ---- for Lua ---- */

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

/* spawn_root(fn): a task that belongs to the host itself, whatever is being cancelled */
static int op_spawn_root(lua_State *L)
{
    struct tusk *h = HOST(L);
    return task_start(L, h, &h->root, lua_gettop(L) - 1, TASK_INSIDE);
}

/* await(task): parks until it has ended; true if it was cancelled meanwhile */
static int op_await(lua_State *L)
{
    struct tusk *h = HOST(L);
    struct handle *d = task_handle(L, 1);
    wait_check(L, h);
    if (!d->task)
        return 0;
    if (d->task == h->current)
        return tusk_fail(L, "argument", "a task cannot wait for itself");
    queue_put(&d->task->awaiters, &h->current->place);
    return task_park(L, h, 0);
}

/* result(task): the values of one that has ended, or raises what it failed with */
static int op_result(lua_State *L)
{
    struct handle *d = task_handle(L, 1);
    d->observed = 1;
    if (d->state != TASK_DONE) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, HOST(L)->callbacks[CALL_FAILED]);
        lua_insert(L, 1);
        lua_call(L, lua_gettop(L) - 1, 0);
        return 0;
    }
    if (d->kept != KEPT_TABLE) {
        lua_pushnumber(L, d->number);
        return d->kept;
    }
    lua_getfenv(L, 1);
    lua_getfield(L, -1, "n");
    int n = (int)lua_tointeger(L, -1), values = lua_gettop(L) - 1;
    luaL_checkstack(L, n, "results");
    for (int i = 1; i <= n; i++)
        lua_rawgeti(L, values, i);
    return n;
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

/* parked_for(task): how long it has been parked; nil if it is not */
static int op_parked_for(lua_State *L)
{
    struct handle *d = task_handle(L, 1);
    if (!d->task || d->task->state != TASK_PARKED)
        return 0;
    lua_pushnumber(L, (double)(HOST(L)->now - d->task->since) / 1e9);
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
    struct handle *d = lua_touserdata(L, 1);
    lua_pushboolean(L, d && lua_type(L, 1) == LUA_TUSERDATA && lua_objlen(L, 1) == sizeof *d &&
                           d->magic == TASK_MAGIC);
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

void task_open(lua_State *L, struct tusk *h)
{
    static const luaL_Reg functions[] = {
        {"spawn", op_spawn},
        {"spawn_root", op_spawn_root},
        {"spawn_inside", op_spawn_inside},
        {"async", op_async},
        {"async_inside", op_async_inside},
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
    host_register(L, h, functions);
}

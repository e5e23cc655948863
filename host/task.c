/* task.c: tasks and the ready queue. The only place that resumes or yields one. */
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
    struct slab *slab = host_calloc(h, sizeof *slab);
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
    h->spare = t->next; // before anything is collected: a finalizer may want one too
    if (!t->co)
        give_coroutine(L, h, t);
    t->own.child = NULL;
    t->own.live = 0;
    t->own.errors = 0;
    t->own.reason = t->own.shielded = t->own.joining = t->own.on_error = t->own.delivered = 0;
    t->own.is_task = 1;
    t->own.task = t;
    t->scope = &t->own;
    t->wait = NULL;
    t->body_first = t->strays = t->is_unit = t->is_resident = 0;
    return t;
}

static void drop_coroutine(struct tusk *h, struct task *t)
{
    luaL_unref(h->L, LUA_REGISTRYINDEX, t->co_ref);
    luaL_unref(h->L, LUA_REGISTRYINDEX, t->handle_ref);
    t->co = NULL;
}

void task_drop_spares(struct tusk *h)
{
    for (struct task *t = h->spare; t; t = t->next)
        if (t->co)
            drop_coroutine(h, t);
}

static void record_put(struct tusk *h, struct task *t)
{
    if (lua_status(t->co) > LUA_YIELD) { // it died outside xpcall and cannot run again
        drop_coroutine(h, t);
    } else {
        lua_settop(t->co, SLOT_HANDLER);
        if (t->handle->kept ==
            KEPT_TABLE) { // a plain handle may wait for the next task to replace it
            lua_pushboolean(t->co, 0);
            lua_rawseti(t->co, LUA_REGISTRYINDEX, t->handle_ref);
        }
    }
    t->handle = NULL;
    t->next = h->spare;
    h->spare = t;
}

void task_free_all(struct tusk *h)
{
    for (struct slab *next; h->slabs; h->slabs = next) {
        next = h->slabs->next;
        host_free(h, h->slabs, sizeof *h->slabs);
    }
}

void task_push_handle(lua_State *L, struct task *t)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, t->handle_ref);
}

struct handle *task_test_handle(lua_State *L, int index)
{
    struct handle *d = lua_touserdata(L, index); // one that is light has no length
    return d && lua_objlen(L, index) == sizeof *d && d->magic == TASK_MAGIC ? d : NULL;
}

struct handle *task_handle(lua_State *L, int index)
{
    struct handle *d = task_test_handle(L, index);
    if (!d)
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

/* Its message handler makes a table of every error, unless there was no memory for that. */
static int handler_failed(struct task *t)
{
    return !t->ok && lua_type(t->co, SLOT_RESULTS) == LUA_TSTRING;
}

/* A task has failed, and there is no memory to decide what follows from that. */
static void lose(struct tusk *h)
{
    static const char line[] = "tusk: a task has failed, and there was no memory to say more";
    static const tusk_failure failure = {
        .rc = TUSK_E_NOMEM, .kind = "memory", .message = "not enough memory", .traceback = ""};
    h->lost = 1;
    failure_tell(h, &failure);
    if (h->config.log && !h->config.error)
        h->config.log(h->config.ud, TUSK_LOG_ERROR, NULL, line, sizeof line - 1);
}

/* Deciding has failed, for want of memory: so has the task, with that. */
static int end_again(struct tusk *h, struct ending *e)
{
    struct task *t = e->t;
    lua_settop(t->co, SLOT_OK);
    lua_xmove(h->L, t->co, 1);
    t->ok = 0;
    memory_collect(h);
    return lua_cpcall(h->L, end_protected, e);
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
        if (handler_failed(t))
            memory_collect(h);
        if (lua_cpcall(h->L, end_protected, &e) && end_again(h, &e)) {
            lua_pop(h->L, 1);
            d->state = TASK_FAILED;
            lose(h);
        }
    }
    if (t->own.errors) {
        luaL_unref(h->L, LUA_REGISTRYINDEX, t->own.errors);
        t->own.errors = 0;
    }
    if (d->state == TASK_FAILED && !t->held && owner->on_error == ON_ERROR_FAIL)
        scope_cancel(h, owner, CANCEL_SIBLING);
    if (t->is_unit)
        unit_ended(h, t);
    d->task = NULL;
    t->state = d->state;
    h->live--;
    while (t->awaiters.head)
        queue_wake(h, t->awaiters.head);
    record_put(h, t);
    return scope_unlink(&t->own);
}

/* Does it have to wait for what it owns? */
static int stays(struct tusk *h, struct task *t)
{
    if (!t->own.owned || !owned_leave_all(h, &t->own))
        return 0;
    t->state = TASK_JOINING;
    t->own.joining = 1;
    return 1;
}

void task_scope_emptied(struct tusk *h, struct scope *s)
{
    while (s) { // not by recursion: chains may be long
        struct task *t = s->task;
        s->joining = 0;
        if (!s->is_task)
            task_ready(h, t, 0);
        if (!s->is_task || stays(h, t))
            return;
        s = end_one(h, t);
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
        task_scope_emptied(h, &t->own);
        return;
    }
    t->state = TASK_JOINING;
    t->since = h->now;
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

static struct task *take_first(struct tusk *h)
{
    if (h->probe.seed)
        probe_shuffle(h);
    struct task *t = h->ready_head;
    h->ready_head = t->next;
    if (!h->ready_head)
        h->ready_tail = NULL;
    return t;
}

static void run_one(struct tusk *h, struct task *t)
{
    h->budget = INLINE_MAX;
    if (t->is_resident) {
        t->is_resident = 0;
        h->residents--;
    }
    if (h->memory.is_short)
        memory_forgive(h);
    if (h->memory.bytes >= h->memory.collect_at)
        memory_make_room(h);
    run(h, t);
    if (h->probe.due)
        probe_cancel(h);
}

/* The same, with a look at the clock after each. */
static void drain_timed(struct tusk *h, uint64_t until)
{
    uint64_t now = uv_hrtime();
    while (h->ready_head && !memory_is_out(h)) { // one at least
        struct task *t = take_first(h);
        uint32_t id = t->handle->id;
        struct unit *unit = unit_around(h, t->scope);
        slice_begin(h, now);
        run_one(h, t);
        now = uv_hrtime();
        slice_end(h, t, id, unit, now);
        if (now >= until)
            return;
    }
}

void task_drain(struct tusk *h, uint64_t until, int every)
{
    int left = every;
    if (every == 1 || slice_is_limited(h)) {
        drain_timed(h, until);
        return;
    }
    while (h->ready_head && !memory_is_out(h)) {
        run_one(h, take_first(h));
        left -= 1 + INLINE_MAX - h->budget; // what was answered inline took its time too
        if (left > 0)
            continue;
        left = every;
        if (uv_hrtime() >= until)
            return;
    }
}

int task_park_with(lua_State *L, struct tusk *h, int n)
{ // the next resume passes back what is on top
    h->current->state = TASK_PARKED;
    h->current->since = h->now;
    return lua_yield(L, n + 1);
}

int task_park(lua_State *L, struct tusk *h)
{
    lua_pushlightuserdata(L, PARK(h));
    return task_park_with(L, h, 0);
}

int task_pause(lua_State *L, struct tusk *h, int n)
{
    task_ready(h, h->current, n);
    lua_pushlightuserdata(L, PARK(h));
    if (n)
        lua_insert(L, -n - 1);
    return lua_yield(L, n + 1);
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

static void load(lua_State *L, struct task *t, int nargs)
{ // L: .. fn args -> .. ; co: xpcall handler -> xpcall handler xpcall fn handler args
    lua_State *co = t->co;
    lua_pushvalue(co, SLOT_XPCALL);
    lua_xmove(L, co, nargs + 1);
    lua_pushvalue(co, SLOT_HANDLER);
    if (nargs)
        lua_insert(co, -nargs - 1);
    t->nargs = nargs + 2;
}

/*
 * May a new task run now? Not below too many others; and not in a finalizer, which compiled code
 * may have called without LuaJIT knowing of another coroutine. The collector is off there, as it is
 * when somebody has stopped it.
 */
static int may_run_now(lua_State *L, const struct tusk *h, int how)
{
    return h->depth < NEST_MAX && !(how & TASK_LATER) && lua_gc(L, LUA_GCISRUNNING, 0);
}

static void check_limits(lua_State *L, struct tusk *h, const struct scope *s)
{
    if (h->live >= h->limits.max_tasks)
        tusk_fail(L, "limit.tasks", "%d tasks live already: the host's limit max_tasks",
                  (int)h->live);
    if (s->depth >= h->limits.max_depth)
        tusk_fail(L, "limit.depth", "%d scopes are around it already: the host's limit max_depth",
                  (int)s->depth);
}

int task_start(lua_State *L, struct tusk *h, struct scope *s, int nargs, int how)
{ // L: .. fn args; a C function's stack has room for the rest
    luaL_checktype(L, -nargs - 1, LUA_TFUNCTION);
    check_limits(L, h, s);
    struct handle *d = push_new_handle(L, h);
    if (how & TASK_AT_SITE)
        d->spawner = lua_touserdata(L, lua_upvalueindex(2));
    else if (!(how & TASK_INSIDE))
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
    lua_insert(L, -nargs - 2); // .. handle fn args
    load(L, t, nargs);
    scope_link(s, &t->own);
    h->live++;
    if (h->borrowed)
        borrow_left(h);
    if (may_run_now(L, h, how))
        run(h, t);
    else
        task_ready(h, t, t->nargs);
    return 1;
}

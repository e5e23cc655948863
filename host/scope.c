/* scope.c: the tree of scopes: who owns whom, cancellation, deadlines. */
#include "host.h"

#define SCOPE_MAGIC 0x7a5c09e1u

static void link_in(struct scope *parent, struct scope *s)
{
    s->parent = parent;
    s->prev = NULL;
    s->next = parent->child;
    if (parent->child)
        parent->child->prev = s;
    parent->child = s;
    parent->live++;
    s->depth = parent->depth < UINT16_MAX ? (uint16_t)(parent->depth + 1) : UINT16_MAX;
}

void scope_link(struct scope *parent, struct scope *s)
{
    link_in(parent, s);
    if (parent->reason && !s->shielded)
        s->reason = CANCEL_OUTER;
}

struct scope *scope_unlink(struct scope *s)
{
    struct scope *parent = s->parent;
    if (s->prev)
        s->prev->next = s->next;
    else
        parent->child = s->next;
    if (s->next)
        s->next->prev = s->prev;
    return --parent->live || !parent->joining ? NULL : parent;
}

static void cancel_one(struct tusk *h, struct scope *s, enum cancel_reason why)
{
    s->reason = (uint8_t)why;
    if (s->task && s->task->scope == s && !s->joining)
        task_interrupt(h, s->task);
}

/* The first of s and the siblings after it that a cancellation still has to reach. */
static struct scope *untouched(struct scope *s)
{
    while (s && (s->shielded || s->reason))
        s = s->next;
    return s;
}

void scope_cancel(struct tusk *h, struct scope *root, enum cancel_reason why)
{
    if (root->reason)
        return;
    cancel_one(h, root, why);
    // a walk in preorder, without recursion: the tree may be deep
    for (struct scope *s = root, *next;;) {
        next = untouched(s->child);
        while (!next && s != root) {
            next = untouched(s->next);
            if (!next)
                s = s->parent;
        }
        if (!next)
            return;
        cancel_one(h, next, CANCEL_OUTER);
        s = next;
    }
}

void scope_move(struct tusk *h, struct scope *s, struct scope *parent)
{
    if (s->parent == parent)
        return;
    if (s->parent)
        scope_unlink(s);
    link_in(parent, s);
    if (parent->reason && !s->shielded)
        scope_cancel(h, s, CANCEL_OUTER);
}

static uint64_t own_deadline(const struct tusk *h, const struct scope *s)
{
    const struct explicit_scope *x = s ? scope_explicit(s) : NULL;
    return x && x->timer.clock == host_clock(h) ? x->deadline : UINT64_MAX;
}

uint64_t scope_deadline(const struct tusk *h, const struct scope *s)
{
    uint64_t d = UINT64_MAX;
    for (; s && !s->shielded && d == UINT64_MAX; s = s->parent)
        d = own_deadline(h, s);
    return d != UINT64_MAX ? d : own_deadline(h, s);
}

void scope_expired(struct tusk *h, struct timer *timer)
{
    char *x = (char *)timer - offsetof(struct explicit_scope, timer);
    scope_cancel(h, &((struct explicit_scope *)x)->scope, CANCEL_TIMEOUT);
}

/* ---- for Lua ---- */

struct explicit_scope *scope_check(lua_State *L, int i)
{
    struct explicit_scope *x = lua_touserdata(L, i);
    if (!x || lua_type(L, i) != LUA_TUSERDATA || lua_objlen(L, i) != sizeof *x ||
        x->magic != SCOPE_MAGIC)
        luaL_typerror(L, i, "scope");
    return x;
}

static void set_deadline(lua_State *L, struct tusk *h, struct explicit_scope *x, double seconds)
{
    uint64_t outer = x->scope.shielded ? UINT64_MAX : scope_deadline(h, x->scope.parent);
    uint64_t own = host_due(h, seconds);
    x->after = seconds;
    x->deadline = own < outer ? own : outer;
    x->timer.clock = (uint8_t)host_clock(h);
    if (own >= outer) // the outer one fires, and is charged
        return;
    if (timer_reserve(h, host_clock(h), 1))
        luaL_error(L, "not enough memory");
    timer_start(h, host_clock(h), &x->timer, own);
}

/*
 * scope_open(seconds | nil, on_error: 0 fail 1 collect 2 log, shielded, metatable, metatable for
 * one that a user's coroutine opens) -> scope
 */
static int op_open(lua_State *L)
{
    struct tusk *h = HOST(L);
    int shielded = lua_toboolean(L, 3);
    wait_check_place(L, h);
    if (h->probe.scope && !shielded)
        probe_checkpoint(L, h);
    if (h->current->scope->reason && !shielded)
        return host_raise_cancelled(L, h, 0);
    struct task *t = h->current;
    int stray = L != t->co;
    struct explicit_scope *x = lua_newuserdata(L, sizeof *x);
    *x = (struct explicit_scope){.magic = SCOPE_MAGIC, .deadline = UINT64_MAX};
    x->co = stray ? L : NULL;
    x->timer.of_scope = 1;
    x->scope.on_error = (uint8_t)lua_tointeger(L, 2);
    x->scope.shielded = (uint8_t)shielded;
    x->scope.parent = t->scope;
    lua_pushvalue(L, stray ? 5 : 4);
    lua_setmetatable(L, -2);
    if (stray)
        stray_note(L, h);
    if (lua_type(L, 1) == LUA_TNUMBER)
        set_deadline(L, h, x, lua_tonumber(L, 1));
    x->scope.task = t;
    scope_link(t->scope, &x->scope);
    t->scope = &x->scope;
    return 1;
}

static void check_innermost(lua_State *L, struct tusk *h, struct scope *s)
{
    if (s->task && s->task->scope != s)
        stray_abandon_inside(L, h, s);
}

/* scope_join(scope, ok): cancels the children unless ok; false: there is none; nothing: it waited
 * for all */
static int op_join(lua_State *L)
{
    struct tusk *h = HOST(L);
    struct explicit_scope *x = scope_check(L, 1);
    check_innermost(L, h, &x->scope);
    if (!lua_toboolean(L, 2))
        scope_cancel(h, &x->scope, CANCEL_SIBLING);
    if (!x->scope.live) {
        lua_pushboolean(L, 0);
        return 1;
    }
    wait_check_place(L, h);
    x->scope.joining = 1;
    return task_park(L, h);
}

/* scope_close(scope) -> reason (a number, 0 for none), whether anybody noticed, failures or nil;
 * nothing: it waited for what the scope owned, and is to be called again */
static int op_close(lua_State *L)
{
    struct tusk *h = HOST(L);
    struct explicit_scope *x = scope_check(L, 1);
    check_innermost(L, h, &x->scope);
    if (x->scope.live || x->scope.owned)
        wait_check_place(L, h);
    if (x->scope.live || (x->scope.owned && owned_leave_all(h, &x->scope))) {
        x->scope.joining = 1;
        return task_park(L, h);
    }
    timer_stop(h, &x->timer);
    x->scope.task->scope = x->scope.parent;
    scope_unlink(&x->scope);
    x->scope.task = NULL;
    if (h->probe.scope == &x->scope)
        probe_end(h);
    lua_pushinteger(L, x->scope.reason);
    lua_pushboolean(L, x->scope.delivered);
    if (!x->scope.errors)
        return 2;
    lua_rawgeti(L, LUA_REGISTRYINDEX, x->scope.errors);
    luaL_unref(L, LUA_REGISTRYINDEX, x->scope.errors);
    x->scope.errors = 0;
    return 3;
}

/* scope_cancel(scope, shutdown) */
static int op_cancel(lua_State *L)
{
    struct explicit_scope *x = scope_check(L, 1);
    if (x->scope.task)
        scope_cancel(HOST(L), &x->scope, lua_toboolean(L, 2) ? CANCEL_SHUTDOWN : CANCEL_ASKED);
    return 0;
}

/* scope_errors(scope) -> the list of failures so far, or nil */
static int op_errors(lua_State *L)
{
    struct explicit_scope *x = scope_check(L, 1);
    if (!x->scope.errors)
        return 0;
    lua_rawgeti(L, LUA_REGISTRYINDEX, x->scope.errors);
    return 1;
}

/* scope_reason(scope) -> why it is cancelled (a number, 0 for not), children alive, whether it is
 * open */
static int op_reason(lua_State *L)
{
    struct explicit_scope *x = scope_check(L, 1);
    lua_pushinteger(L, x->scope.reason);
    lua_pushinteger(L, x->scope.live);
    lua_pushboolean(L, x->scope.task != NULL);
    return 3;
}

/* scope_after(scope) -> the seconds its timeout was given */
static int op_after(lua_State *L)
{
    lua_pushnumber(L, scope_check(L, 1)->after);
    return 1;
}

/* scope_fail(scope, err): as if a child had failed with err -> whether that wakes anybody */
static int op_fail(lua_State *L)
{
    struct tusk *h = HOST(L);
    struct scope *s = &scope_check(L, 1)->scope;
    if (!s->task)
        return 0;
    if (!s->errors) {
        lua_newtable(L);
        s->errors = luaL_ref(L, LUA_REGISTRYINDEX);
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->errors);
    lua_createtable(L, 0, 1);
    lua_pushvalue(L, 2);
    lua_setfield(L, -2, "err");
    lua_rawseti(L, -2, (int)lua_objlen(L, -2) + 1);
    scope_cancel(h, s, CANCEL_SIBLING);
    lua_pushboolean(L, h->ready_head != NULL);
    return 1;
}

/* scope_start(scope, how, fn, ...) -> task; how: 0, + 1 held, + 2 started by the host's own Lua */
static int op_start(lua_State *L)
{
    struct tusk *h = HOST(L);
    struct explicit_scope *x = scope_check(L, 1);
    int how = (int)lua_tointeger(L, 2);
    if (!x->scope.task)
        return tusk_fail(L, "closed", "the scope has ended");
    if (h->current && h->current->scope->reason)
        return host_raise_cancelled(L, h, 0);
    if (x->scope.reason) // the caller is not cancelled itself: an ordinary error
        return tusk_fail(L, "closed", "the scope is cancelled");
    return task_start(L, h, &x->scope, lua_gettop(L) - 3, how);
}

/* set_app(scope): the one that a shutdown of the host cancels */
static int op_set_app(lua_State *L)
{
    struct tusk *h = HOST(L);
    h->app = lua_isnil(L, 1) ? NULL : scope_check(L, 1);
    h->had_app |= h->app != NULL;
    return 0;
}

/* supervisor() -> address of the innermost scope around the running task that only reports failures
 */
static int op_supervisor(lua_State *L)
{
    struct tusk *h = HOST(L);
    struct scope *s = h->current ? h->current->scope : NULL;
    while (s && s->on_error != ON_ERROR_LOG)
        s = s->parent;
    if (!s || s == &h->root)
        s = h->app ? &h->app->scope : NULL;
    lua_pushlightuserdata(L, s);
    return 1;
}

/* address(scope): the same for a given one */
static int op_address(lua_State *L)
{
    lua_pushlightuserdata(L, &scope_check(L, 1)->scope);
    return 1;
}

/* inside(scope): is it one of those around the running task? */
static int op_inside(lua_State *L)
{
    const struct scope *wanted = &scope_check(L, 1)->scope;
    const struct task *t = HOST(L)->current;
    const struct scope *s = t ? t->scope : NULL;
    while (s && s != wanted)
        s = s->parent;
    lua_pushboolean(L, s != NULL);
    return 1;
}

/* remaining() -> seconds until the running task's deadline, or nil */
static int op_remaining(lua_State *L)
{
    struct tusk *h = HOST(L);
    uint64_t d = h->current ? scope_deadline(h, h->current->scope) : UINT64_MAX;
    if (d == UINT64_MAX)
        return 0;
    lua_pushnumber(L, d > h->now ? (double)(d - h->now) / 1e9 : 0);
    return 1;
}

void scope_open_lua(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"scope_open", op_open},     {"scope_join", op_join},       {"scope_close", op_close},
        {"scope_cancel", op_cancel}, {"scope_errors", op_errors},   {"scope_reason", op_reason},
        {"scope_fail", op_fail},     {"scope_start", op_start},     {"set_app", op_set_app},
        {"remaining", op_remaining}, {"supervisor", op_supervisor}, {"scope_address", op_address},
        {"scope_after", op_after},   {"scope_inside", op_inside},   {NULL, NULL},
    };
    luaL_register(L, NULL, functions);
}

/* stray.c: scopes that a user's coroutine has open. */
#include "host.h"

/*
 * While the coroutine runs they are inside whatever its consumer is inside of. While it is
 * suspended by a yield of the user's they wait, under the task's own scope. When that one ends, or
 * the coroutine is collected, it is abandoned: what its scopes own is cancelled and handed to the
 * scope around them, and what they have deferred runs in a task of its own: see stray.lua.
 */

static int opened_in(const struct scope *s, const lua_State *co)
{
    const struct explicit_scope *x = scope_explicit(s);
    return x && x->co == co;
}

static struct scope *outermost_of(struct scope *inner, const lua_State *co)
{
    while (inner->parent && opened_in(inner->parent, co))
        inner = inner->parent;
    return inner;
}

static struct scope *explicit_child(struct scope *s)
{
    for (s = s->child; s && s->is_task; s = s->next)
        ;
    return s;
}

/* Hands what s owns, and the failures it has kept, to another scope. */
static void hand_over(struct tusk *h, struct scope *s, struct scope *owner)
{
    timer_stop(h, &scope_explicit(s)->timer);
    for (struct scope *c = s->child, *next; c; c = next) {
        next = c->next;
        if (c->is_task)
            scope_move(h, c, owner);
    }
    if (s->errors && !owner->errors) {
        owner->errors = s->errors;
        s->errors = 0;
    }
}

/* scope -> tells Lua of an abandoned one, which only notes it: a collection may be under way */
static int tell(lua_State *L)
{
    struct tusk *h = tusk_of(L);
    struct explicit_scope *x = lua_touserdata(L, 1);
    struct task *t = x->left;
    x->left = NULL;
    lua_rawgeti(L, LUA_REGISTRYINDEX, h->callbacks[CALL_ABANDONED]);
    lua_pushvalue(L, 1);
    if (t->handle && t->handle->task == t && t->handle->id == x->left_id) // else it has ended
        task_push_handle(L, t);
    else
        lua_pushnil(L);
    lua_call(L, 2, 0);
    return 0;
}

/* Light userdata: the address of an abandoned scope. One that is being collected is not found. */
static int find_and_tell(lua_State *L)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, tusk_of(L)->callbacks[STRAYS]);
    lua_insert(L, 1);
    lua_rawget(L, 1);
    if (lua_isnil(L, -1))
        return 0;
    lua_replace(L, 1);
    return tell(L);
}

static struct scope *leave_all(struct tusk *h, struct scope *outermost)
{ // -> the innermost
    struct scope *owner = outermost->parent, *inner = outermost;
    for (struct scope *s = outermost; s; s = explicit_child(s)) {
        struct explicit_scope *x = scope_explicit(s);
        x->left = s->task;
        x->left_id = s->task->handle->id;
        scope_cancel(h, s, CANCEL_OUTER);
        hand_over(h, s, owner);
        if (s->owned)
            owned_end_all(s);
        s->task = NULL;
        inner = s;
    }
    return inner;
}

/* Starts what sees to those that Lua was told of. */
static void see_to_left(struct tusk_hook *hook)
{
    host_call((struct tusk *)((char *)hook - offsetof(struct tusk, left)), CALL_ABANDONED);
}

static void abandon(lua_State *L, struct tusk *h, struct scope *outermost)
{
    struct scope *inner = leave_all(h, outermost);
    scope_unlink(outermost);
    outermost->parent = NULL;
    for (struct scope *s = inner; s; s = s->parent)
        if (lua_cpcall(L, find_and_tell, scope_explicit(s))) // out of memory
            lua_pop(L, 1);
}

void stray_abandon_all(struct tusk *h, struct task *t)
{
    t->scope = &t->own;
    for (struct scope *s; (s = explicit_child(&t->own));)
        abandon(h->L, h, s);
    see_to_left(&h->left); // now, so that t waits for it; also for what was collected meanwhile
}

void stray_abandon_inside(lua_State *L, struct tusk *h, struct scope *s)
{
    s->task->scope = s;
    for (struct scope *c; (c = explicit_child(s));)
        abandon(L, h, c);
    tusk_before_poll(h, &h->left);
}

/* scope_suspend(co) -> the innermost scope that co, which has just yielded or ended, has open; or
 * nil */
static int op_suspend(lua_State *L)
{
    struct tusk *h = HOST(L);
    lua_State *co = lua_tothread(L, 1);
    struct task *t = h->current;
    struct scope *inner = t ? t->scope : NULL;
    if (!inner || !opened_in(inner, co))
        return 0;
    struct scope *outermost = outermost_of(inner, co);
    t->scope = outermost->parent;
    t->strays = 1;
    scope_move(h, outermost, &t->own);
    if (lua_status(co) != LUA_YIELD) { // it died without closing them
        abandon(L, h, outermost);
        tusk_before_poll(h, &h->left);
        return 0;
    }
    lua_pushlightuserdata(L, inner);
    return 1;
}

/* scope_resume(co, innermost) -> whether co, about to run again, may: its scopes are now the
 * consumer's */
static int op_resume(lua_State *L)
{
    struct tusk *h = HOST(L);
    lua_State *co = lua_tothread(L, 1);
    struct task *t = h->current;
    struct scope *inner = lua_touserdata(L, 2), *outermost = outermost_of(inner, co);
    if (!t)
        return 0;
    for (struct scope *s = inner;; s = s->parent) {
        s->task = t;
        if (s == outermost)
            break;
    }
    scope_move(h, outermost, t->scope);
    t->scope = inner;
    lua_pushboolean(L, 1);
    return 1;
}

/* The __gc of a scope that a user's coroutine opened. */
static int op_collect(lua_State *L)
{
    struct tusk *h = HOST(L);
    struct explicit_scope *x = lua_touserdata(L, 1);
    if (h->closing > 1)
        return 0;
    if (x->scope.task) {
        abandon(L, h, outermost_of(&x->scope, x->co));
        tusk_before_poll(h, &h->left);
    }
    if (x->left) {
        lua_pushcfunction(L, tell);
        lua_pushvalue(L, 1);
        if (lua_pcall(L, 1, 0, 0))
            lua_pop(L, 1);
        tusk_before_poll(h, &h->left);
    }
    if (x->scope.errors)
        luaL_unref(L, LUA_REGISTRYINDEX, x->scope.errors);
    x->scope.errors = 0;
    return 0;
}

/* in_generator() -> does a coroutine of the user's run, rather than the task's own? */
static int op_in_generator(lua_State *L)
{
    struct tusk *h = HOST(L);
    lua_pushboolean(L, h->current && h->current->co != L);
    return 1;
}

void stray_note(lua_State *L, struct tusk *h)
{
    lua_newtable(L);
    lua_setfenv(L, -2);
    lua_rawgeti(L, LUA_REGISTRYINDEX, h->callbacks[STRAYS]);
    lua_pushlightuserdata(L, lua_touserdata(L, -2));
    lua_pushvalue(L, -3);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, h->callbacks[COROUTINES]);
    lua_pushthread(L);
    lua_pushboolean(L, 1);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

void stray_init(struct tusk *h)
{
    h->left.run = see_to_left;
}

void stray_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"scope_suspend", op_suspend},
        {"scope_resume", op_resume},
        {"scope_collect", op_collect},
        {"in_generator", op_in_generator},
        {NULL, NULL},
    };
    luaL_register(L, NULL, functions);
}

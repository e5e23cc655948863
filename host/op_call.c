/* op_call.c: operators from C, as Lua calls them. */
#include <stdlib.h>
#include <string.h>

#include "op.h"

/* ---- waiting ---- */

static void call_enlist(struct op_call *c, struct op_call **first)
{
    c->next = *first;
    c->link = first;
    if (c->next)
        c->next->link = &c->next;
    *first = c;
}

static void call_delist(struct op_call *c)
{
    if (!c->link)
        return;
    *c->link = c->next;
    if (c->next)
        c->next->link = c->link;
    c->link = NULL;
}

static void call_release(struct op_call *c)
{
    struct tusk_op *op = c->op;
    call_delist(c);
    c->op = NULL;
    if (op)
        op_unref(op);
}

static int call_gc(lua_State *L)
{
    call_release(lua_touserdata(L, 1));
    return 0;
}

/* Nonzero if there is an answer, and will be no other. */
static int settle(struct op_call *c, int drop)
{
    struct tusk_op *op = c->op;
    uv_mutex_lock(&op->link->mutex);
    int is_open = op->state == OP_OPEN;
    if (is_open)
        op->cancelled = 1;
    if (is_open && drop) {
        op->state = OP_DROPPED;
        op->call = NULL;
    }
    uv_mutex_unlock(&op->link->mutex);
    return !is_open;
}

static void call_drop(struct op_call *c)
{
    call_release(c);
    tusk_drop(&c->wait);
}

static void call_cancel(struct tusk_wait *w)
{
    struct op_call *c = (struct op_call *)w;
    const struct definition *d = c->op->def;
    int is_told = d->cancel && !d->is_over;
    int drop = !is_told || w->host->closing;
    if (settle(c, drop))
        return; // the answer is on its way
    if (is_told)
        d->cancel(d->ud, c->op);
    if (drop)
        call_drop(c);
}

static int raise_failure(lua_State *L, const struct tusk_op *op)
{
    if (op->cancelled)
        return tusk_fail_cancelled(L, 0);
    if (!op->n)
        return tusk_fail(L, "abandoned", "it was given up without an answer");
    lua_pushlstring(L, op->values[1].u.s.p, op->values[1].u.s.len);
    return tusk_fail(L, op->values[0].u.s.p, "%s", lua_tostring(L, -1));
}

/* The results of a call that was answered; their number. */
static int call_results(lua_State *L, struct op_call *c)
{
    struct tusk_op *op = c->op;
    if (op->state == OP_FAILED)
        return raise_failure(L, op);
    int n = (int)op->n;
    value_push(L, &c->wait.host->embedding->values, op->values, op->n);
    call_release(c);
    return n;
}

static int call_finish(lua_State *L, struct tusk_wait *w)
{
    call_delist((struct op_call *)w);
    return call_results(L, (struct op_call *)w);
}

/* ---- calls ---- */

static int refuse_arguments(lua_State *L, int why)
{ // which is on top, in words
    return tusk_fail(L, why == -2 ? "memory" : "argument", "%s", lua_tostring(L, -1));
}

/* Raises unless there is somebody to call. */
static void check_open(lua_State *L, const struct definition *d)
{
    if (d->is_over)
        tusk_fail(L, "closed", "the plugin that has defined it has ended");
}

static struct op_call *call_new(lua_State *L, struct tusk *h)
{
    static const struct tusk_wait_ops ops = {call_finish, call_cancel};
    luaL_checkstack(L, 8, "a call");
    lua_rawgeti(L, LUA_REGISTRYINDEX, h->embedding->spare);
    struct op_call *c = lua_touserdata(L, -1);
    if (c) {
        tusk_wait_again(L, &c->wait);
        lua_pushboolean(L, 0);
        lua_rawseti(L, LUA_REGISTRYINDEX, h->embedding->spare);
    } else {
        c = tusk_wait_new(L, sizeof *c, &ops);
        lua_rawgeti(L, LUA_REGISTRYINDEX, h->embedding->call_meta);
        lua_setmetatable(L, -2);
        lua_remove(L, -2);
    }
    lua_insert(L, 1); // the arguments are what is above it
    c->wait.index = 1;
    return c;
}

/* Has it been answered already? Else the answer is to wake it. */
static int is_answered(struct op_call *c)
{
    struct tusk_op *op = c->op;
    uv_mutex_lock(&op->link->mutex);
    int is = op->state != OP_OPEN;
    if (!is)
        op->call = c;
    uv_mutex_unlock(&op->link->mutex);
    return is;
}

static int answered(lua_State *L, struct op_call *c)
{
    int n = call_results(L, c);
    lua_pushvalue(L, 1);
    lua_rawseti(L, LUA_REGISTRYINDEX, c->wait.host->embedding->spare);
    return tusk_inline(L, n);
}

/* The operator's own function has cancelled the task that calls it, which does not wait yet: it is
 * told as if it did. */
static void cancelled_meanwhile(lua_State *L, struct op_call *c)
{
    const struct definition *d = c->op->def;
    if (settle(c, !d->cancel))
        return;
    c->wait.cancelled = 1;
    if (d->cancel)
        d->cancel(d->ud, c->op);
    else
        tusk_fail_cancelled(L, 0);
}

int call_async(lua_State *L)
{
    struct definition *d = lua_touserdata(L, lua_upvalueindex(1));
    struct tusk *h = HOST(L);
    struct value_view args;
    check_open(L, d);
    struct op_call *c = call_new(L, h);
    int wrong = value_view(L, &h->embedding->values, 2, "argument", &args);
    if (wrong)
        return refuse_arguments(L, wrong);
    struct tusk_op *op = c->op = op_new(L, d);
    if (!op) {
        value_view_free(&args);
        return tusk_fail(L, "memory", "not enough memory");
    }
    d->fn(d->ud, op, args.at, args.n);
    value_view_free(&args);
    lua_settop(L, 1);
    if (h->current->scope->reason)
        cancelled_meanwhile(L, c);
    if (is_answered(c))
        return answered(L, c);
    call_enlist(c, &h->embedding->calls);
    return tusk_park(L, &c->wait);
}

/* ---- those that answer before they return ---- */

static int fail_plain(lua_State *L, tusk_rc rc, const tusk_val *why)
{
    static const char *const kinds[] = {
        [TUSK_E_ARG] = "argument",  [TUSK_E_NOMEM] = "memory",       [TUSK_E_STATE] = "state",
        [TUSK_E_DENIED] = "denied", [TUSK_E_TIMEOUT] = "timeout",    [TUSK_E_IO] = "io",
        [TUSK_E_CLOSED] = "closed", [TUSK_E_NOTFOUND] = "not_found",
    };
    const char *kind = (size_t)rc < sizeof kinds / sizeof *kinds ? kinds[rc] : NULL;
    if (why->type == TUSK_STR && why->u.s.p)
        lua_pushlstring(L, why->u.s.p, why->u.s.len);
    else
        lua_pushstring(L, tusk_strerror(rc));
    return tusk_fail(L, kind ? kind : "failed", "%s", lua_tostring(L, -1));
}

int call_plain(lua_State *L)
{
    struct definition *d = lua_touserdata(L, lua_upvalueindex(1));
    struct value_refs *refs = &HOST(L)->embedding->values;
    struct value_view args;
    tusk_val result = tusk_nil();
    check_open(L, d);
    int wrong = value_view(L, refs, 1, "argument", &args);
    if (wrong)
        return refuse_arguments(L, wrong);
    tusk_rc rc = d->plain(d->ud, args.at, args.n, &result);
    value_view_free(&args);
    if (rc)
        return fail_plain(L, rc, &result);
    if (value_check(&result, 1))
        return tusk_fail(L, "result", "its result is no value: nested too deep, or a bad key");
    value_push(L, refs, &result, 1);
    return 1;
}

/* ---- opening and closing ---- */

void op_open(lua_State *L)
{
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, call_gc);
    lua_setfield(L, -2, "__gc");
    HOST(L)->embedding->call_meta = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pushboolean(L, 0);
    HOST(L)->embedding->spare = luaL_ref(L, LUA_REGISTRYINDEX);
}

void op_drop(struct tusk *h)
{
    for (struct op_call *c = h->embedding->calls, *next; c; c = next) {
        next = c->next;
        if (c->wait.cancelled && !settle(c, 1))
            call_drop(c);
    }
}

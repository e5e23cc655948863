/* module_op.c: operators that are functions of the caller's Lua. */
#include <stdlib.h>

#include "module.h"

struct definition { /* lasts as the host does */
    struct definition *next;
    struct module *m;
    tusk_val *last; /* what it has returned, or its error: until it is called again */
};

struct op { /* userdata */
    tusk_op *op;
};

static const char OPS; /* registry key: the userdata by address, as long as somebody has it */

static const void *cancel_key(const struct definition *d)
{
    return &d->last; // the function's own is d
}

/* The text of the error on top. */
static const char *error_text(lua_State *L)
{
    if (lua_istable(L, -1)) {
        lua_pushliteral(L, "message");
        lua_rawget(L, -2);
        lua_replace(L, -2);
    }
    return lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "an error that is no text";
}

/* ---- those that answer at once ---- */

struct call {
    struct definition *d;
    tusk_op *op; /* of an asynchronous one */
    const tusk_val *args;
    uint32_t n;
    int taken; /* the userdata has the reference */
};

static int keep_result(lua_State *L, struct definition *d)
{
    struct value_view view;
    if (lua_gettop(L) > 2)
        return luaL_error(L, "it returned %d values: host:def takes one", lua_gettop(L) - 1);
    if (value_view(L, d->m->refs, 2, "result", &view))
        return lua_error(L);
    tusk_rc rc = value_copy(view.at, view.n, &d->last);
    value_view_free(&view);
    return rc ? luaL_error(L, "%s", tusk_strerror(rc)) : 0;
}

static int run_plain(lua_State *L)
{
    struct call *c = lua_touserdata(L, 1);
    module_push_function(c->d->m, L, c->d);
    value_push(L, c->d->m->refs, c->args, c->n);
    lua_call(L, (int)c->n, LUA_MULTRET);
    return keep_result(L, c->d);
}

static tusk_rc call_plain(void *ud, const tusk_val *args, uint32_t n, tusk_val *result)
{
    struct definition *d = ud;
    struct call c = {.d = d, .args = args, .n = n};
    if (!d->m->frame)
        return TUSK_E_CLOSED;
    free(d->last);
    d->last = NULL;
    int failed = module_protect(d->m, run_plain, &c);
    if (failed) {
        tusk_val text = tusk_str(error_text(d->m->frame->L));
        failed = value_copy(&text, 1, &d->last) ? TUSK_E_NOMEM : TUSK_E_LUA;
        lua_pop(d->m->frame->L, 1);
    }
    if (d->last)
        *result = *d->last;
    return (tusk_rc)failed;
}

/* ---- those that answer later ---- */

static void push_ops(lua_State *L)
{
    lua_pushlightuserdata(L, (void *)&OPS);
    lua_rawget(L, LUA_REGISTRYINDEX);
}

/* Pushes a new userdata, which has the reference from then on. */
static void push_op(lua_State *L, struct call *c)
{
    push_ops(L);
    lua_pushlightuserdata(L, c->op);
    struct op *o = lua_newuserdata(L, sizeof *o);
    o->op = NULL;
    luaL_getmetatable(L, MODULE_OP);
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_insert(L, -4);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    o->op = c->op;
    c->taken = 1;
}

static int run_async(lua_State *L)
{
    struct call *c = lua_touserdata(L, 1);
    module_push_function(c->d->m, L, c->d);
    push_op(L, c);
    value_push(L, c->d->m->refs, c->args, c->n);
    lua_call(L, (int)c->n + 1, 0);
    return 0;
}

static int run_cancel(lua_State *L)
{
    struct call *c = lua_touserdata(L, 1);
    push_ops(L);
    lua_pushlightuserdata(L, c->op);
    lua_rawget(L, -2);
    if (lua_isnil(L, -1)) // nobody has it: it was given up
        return 0;
    module_push_function(c->d->m, L, cancel_key(c->d));
    lua_insert(L, -2);
    lua_call(L, 1, 0);
    return 0;
}

static void run_or_fail(struct call *c, lua_CFunction run)
{
    struct module *m = c->d->m;
    if (!m->frame) {
        tusk_op_fail(c->op, "closed", "the host is closed");
        return;
    }
    if (!module_protect(m, run, c))
        return;
    tusk_op_fail(c->op, "failed", error_text(m->frame->L));
    lua_pop(m->frame->L, 1);
}

static void call_async(void *ud, tusk_op *op, const tusk_val *args, uint32_t n)
{
    struct call c = {ud, op, args, n, 0};
    tusk_op_retain(op);
    run_or_fail(&c, run_async);
    if (!c.taken)
        tusk_op_free(op);
    tusk_op_free(op);
}

static void call_cancel(void *ud, tusk_op *op)
{
    struct call c = {.d = ud, .op = op};
    run_or_fail(&c, run_cancel);
}

/* ---- defining ---- */

static int define(lua_State *L, int async)
{
    struct module *m = module_check(L);
    const char *name = luaL_checkstring(L, 2);
    int has_cancel = async && !lua_isnoneornil(L, 4);
    luaL_checktype(L, 3, LUA_TFUNCTION);
    if (has_cancel)
        luaL_checktype(L, 4, LUA_TFUNCTION);
    lua_settop(L, 4);
    struct definition *d = calloc(1, sizeof *d);
    if (!d)
        return luaL_error(L, "not enough memory");
    d->m = m;
    d->next = m->defined;
    m->defined = d; // freed with the host, also if it is refused
    module_keep_function(L, cancel_key(d));
    module_keep_function(L, d);
    tusk_rc rc = async
                     ? tusk_def_async(m->host, name, call_async, has_cancel ? call_cancel : NULL, d)
                     : tusk_def(m->host, name, call_plain, d);
    return rc ? luaL_argerror(L, 2, tusk_errmsg(m->host)) : 0;
}

/* host:def(name, fn): @name(...) is fn(...); one result */
static int host_def(lua_State *L)
{
    return define(L, 0);
}

/* host:def_async(name, fn, cancel): @name(...) calls fn(op, ...) and waits for op:done, op:fail;
 * cancel(op) is told when the task is cancelled */
static int host_def_async(lua_State *L)
{
    return define(L, 1);
}

void module_op_close(struct module *m)
{
    for (struct definition *d = m->defined, *next; d; d = next) {
        next = d->next;
        free(d->last);
        free(d);
    }
    m->defined = NULL;
}

const luaL_Reg module_op_methods[] = {
    {"def", host_def}, {"def_async", host_def_async}, {NULL, NULL}};

/* ---- answers ---- */

static struct op *check_op(lua_State *L)
{
    return luaL_checkudata(L, 1, MODULE_OP);
}

/* Pushes whether the answer was the first, and somebody waits for it. */
static int answered(lua_State *L, tusk_rc rc)
{
    if (rc == TUSK_E_ARG || rc == TUSK_E_NOMEM)
        return luaL_error(L, "%s", tusk_strerror(rc));
    lua_pushboolean(L, !rc);
    return 1;
}

/* op:done(...) -> whether it counted */
static int op_done(lua_State *L)
{
    struct op *o = check_op(L);
    struct value_view view;
    if (value_view(L, module_refs(L), 2, "result", &view))
        return lua_error(L);
    tusk_rc rc = tusk_op_done(o->op, view.at, view.n);
    value_view_free(&view);
    return answered(L, rc);
}

/* op:fail(kind, message) -> whether it counted */
static int op_fail(lua_State *L)
{
    struct op *o = check_op(L);
    const char *kind = luaL_checkstring(L, 2);
    tusk_rc rc = tusk_op_fail(o->op, kind, luaL_optstring(L, 3, NULL));
    luaL_argcheck(L, rc != TUSK_E_ARG, 2, "small letters, digits, _ and dots expected");
    return answered(L, rc);
}

/* op:cancelled() -> whether nobody needs an answer any more */
static int op_cancelled(lua_State *L)
{
    lua_pushboolean(L, tusk_op_cancelled(check_op(L)->op));
    return 1;
}

/* op:plugin() -> the name of the plugin that asks, or nil */
static int op_plugin(lua_State *L)
{
    lua_pushstring(L, tusk_op_plugin(check_op(L)->op));
    return 1;
}

static int op_gc(lua_State *L)
{
    struct op *o = lua_touserdata(L, 1);
    tusk_op_free(o->op);
    o->op = NULL;
    return 0;
}

void module_op_open(lua_State *L)
{
    static const luaL_Reg methods[] = {{"done", op_done},
                                       {"fail", op_fail},
                                       {"cancelled", op_cancelled},
                                       {"plugin", op_plugin},
                                       {NULL, NULL}};
    lua_pushlightuserdata(L, (void *)&OPS);
    lua_newtable(L);
    lua_newtable(L);
    lua_pushliteral(L, "v");
    lua_setfield(L, -2, "__mode");
    lua_setmetatable(L, -2);
    lua_rawset(L, LUA_REGISTRYINDEX);
    luaL_newmetatable(L, MODULE_OP);
    lua_pushcfunction(L, op_gc);
    lua_setfield(L, -2, "__gc");
    lua_newtable(L);
    luaL_register(L, NULL, methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}

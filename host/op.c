/* op.c: operators from C. */
#include <stdlib.h>
#include <string.h>

#include "embed.h"

struct definition { /* lasts as the link does */
    struct definition *next;
    struct link *link;
    tusk_fn plain; /* or: */
    tusk_async_fn fn;
    tusk_cancel_fn cancel;
    void *ud;
    char name[];
};

struct asking {
    struct asking *next;
    const struct scope *scope; /* NULL once it has ended */
    char name[];
};

enum op_state {
    OP_OPEN,
    OP_DONE,
    OP_FAILED,
    OP_DROPPED /* the task has not waited for an answer */
};

struct tusk_op {
    struct link *link; /* its mutex is for what follows `plugin` */
    const struct definition *def;
    const char *plugin;
    uint64_t deadline;
    atomic_uint holders, refs; /* the embedder's; one of them all, and the host's */
    struct op_call *call;      /* to be woken by the answer; NULL: not waiting yet, or no more */
    uint8_t state, cancelled;
    tusk_val *values; /* results; or kind and message */
    uint32_t n;
};

struct op_call { /* the record of a call, on the stack of its task */
    struct tusk_wait wait;
    struct tusk_op *op;
    struct op_call *next, **link; /* among those that wait */
};

/* ---- references ---- */

void link_unref(struct link *link)
{
    if (atomic_fetch_sub(&link->refs, 1) != 1)
        return;
    for (struct definition *d = link->defined, *next; d; d = next) {
        next = d->next;
        free(d);
    }
    for (struct asking *a = link->asking, *next; a; a = next) {
        next = a->next;
        free(a);
    }
    uv_mutex_destroy(&link->mutex);
    free(link);
}

static void op_unref(struct tusk_op *op)
{
    if (atomic_fetch_sub(&op->refs, 1) != 1)
        return;
    link_unref(op->link);
    free(op->values);
    free(op);
}

void tusk_op_retain(tusk_op *op)
{
    atomic_fetch_add(&op->holders, 1);
}

/* ---- answers: from any thread ---- */

static void wake(struct op_call *c)
{
    if (host_check(c->wait.host))
        tusk_post(&c->wait);
    else
        tusk_wake(&c->wait); // the loop's own thread: it need not be interrupted
}

static tusk_rc give(struct tusk_op *op, enum op_state state, tusk_val *values, uint32_t n)
{ // under the mutex
    if (!op->link->host)
        return TUSK_E_CLOSED;
    if (op->state != OP_OPEN)
        return op->state == OP_DROPPED ? TUSK_E_CANCELLED : TUSK_E_STATE;
    op->state = (uint8_t)state;
    op->values = values;
    op->n = n;
    if (op->call)
        wake(op->call);
    op->call = NULL;
    return TUSK_OK;
}

static tusk_rc answer(struct tusk_op *op, enum op_state state, tusk_val *values, uint32_t n)
{
    uv_mutex_lock(&op->link->mutex);
    tusk_rc rc = give(op, state, values, n);
    uv_mutex_unlock(&op->link->mutex);
    if (rc)
        free(values);
    return rc;
}

tusk_rc tusk_op_done(tusk_op *op, const tusk_val *results, uint32_t n)
{
    tusk_val *copy;
    if (!op)
        return TUSK_E_ARG;
    tusk_rc rc = value_copy(results, n, &copy);
    return rc ? rc : answer(op, OP_DONE, copy, n);
}

static int is_kind(const char *kind)
{
    size_t n = strspn(kind, "abcdefghijklmnopqrstuvwxyz0123456789_.");
    return n && n < 64 && !kind[n] && kind[0] != '.' && kind[n - 1] != '.';
}

tusk_rc tusk_op_fail(tusk_op *op, const char *kind, const char *message)
{
    tusk_val *copy;
    if (!op || !kind || !is_kind(kind))
        return TUSK_E_ARG;
    tusk_val texts[] = {tusk_str(kind), tusk_str(message ? message : "failed")};
    tusk_rc rc = value_copy(texts, 2, &copy);
    return rc ? rc : answer(op, OP_FAILED, copy, 2);
}

void tusk_op_free(tusk_op *op)
{
    if (!op || atomic_fetch_sub(&op->holders, 1) != 1)
        return;
    answer(op, OP_FAILED, NULL, 0); // if there was none
    op_unref(op);
}

const char *tusk_op_name(const tusk_op *op)
{
    return op->def->name;
}

const char *tusk_op_plugin(const tusk_op *op)
{
    return op->plugin;
}

uint64_t tusk_op_deadline_ns(const tusk_op *op)
{
    return op->deadline;
}

int tusk_op_cancelled(const tusk_op *op)
{
    uv_mutex_lock(&op->link->mutex);
    int is = op->cancelled || op->state == OP_DROPPED || !op->link->host;
    uv_mutex_unlock(&op->link->mutex);
    return is;
}

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
    int drop = !d->cancel || w->host->closing;
    if (settle(c, drop))
        return; // the answer is on its way
    if (d->cancel)
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

static struct tusk_op *op_new(lua_State *L, const struct definition *d)
{
    struct tusk_op *op = calloc(1, sizeof *op);
    if (!op)
        return NULL;
    op->link = d->link;
    atomic_fetch_add(&op->link->refs, 1);
    op->def = d;
    op->plugin = op_asking(tusk_of(L));
    op->deadline = tusk_deadline(L);
    atomic_init(&op->holders, 1);
    atomic_init(&op->refs, 2);
    return op;
}

static int refuse_arguments(lua_State *L, int why)
{ // which is on top, in words
    return tusk_fail(L, why == -2 ? "no_memory" : "argument", "%s", lua_tostring(L, -1));
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

static int call_async(lua_State *L)
{
    struct definition *d = lua_touserdata(L, lua_upvalueindex(1));
    struct tusk *h = HOST(L);
    struct value_view args;
    struct op_call *c = call_new(L, h);
    int wrong = value_view(L, &h->embedding->values, 2, "argument", &args);
    if (wrong)
        return refuse_arguments(L, wrong);
    struct tusk_op *op = c->op = op_new(L, d);
    if (!op) {
        value_view_free(&args);
        return tusk_fail(L, "no_memory", "not enough memory");
    }
    d->fn(d->ud, op, args.at, args.n);
    value_view_free(&args);
    lua_settop(L, 1);
    if (is_answered(c)) {
        int n = call_results(L, c);
        lua_pushvalue(L, 1);
        lua_rawseti(L, LUA_REGISTRYINDEX, h->embedding->spare);
        return tusk_inline(L, n);
    }
    call_enlist(c, &h->embedding->calls);
    return tusk_park(L, &c->wait);
}

/* ---- those that answer before they return ---- */

static int fail_plain(lua_State *L, tusk_rc rc, const tusk_val *why)
{
    static const char *const kinds[] = {
        [TUSK_E_ARG] = "argument",  [TUSK_E_NOMEM] = "no_memory",    [TUSK_E_STATE] = "state",
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

static int call_plain(lua_State *L)
{
    struct definition *d = lua_touserdata(L, lua_upvalueindex(1));
    struct value_refs *refs = &HOST(L)->embedding->values;
    struct value_view args;
    tusk_val result = tusk_nil();
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

/* ---- defining ---- */

/* (definition): makes its function an operator, or raises. */
static int make_operator(lua_State *L)
{
    struct definition *d = lua_touserdata(L, 1);
    embed_push(L, tusk_of(L), "define");
    lua_pushstring(L, d->name);
    lua_pushlightuserdata(L, d);
    lua_pushcclosure(L, d->plain ? call_plain : call_async, 1);
    lua_pushboolean(L, d->plain != NULL);
    lua_call(L, 3, 0);
    return 0;
}

void tusk_lua_def(lua_State *L, const char *name, int waits)
{
    embed_load(L);
    embed_push(L, HOST(L), "define");
    lua_pushstring(L, name);
    lua_pushvalue(L, -3);
    lua_pushboolean(L, !waits);
    lua_call(L, 3, 0);
    lua_pop(L, 1);
}

static tusk_rc add(tusk_host *h, const char *name, const struct definition *like)
{
    tusk_rc rc = host_check(h);
    if (rc)
        return rc;
    if (!name || (!like->plain && !like->fn))
        return host_refuse(h, TUSK_E_ARG, "an operator has a name and a function");
    struct definition *d = malloc(sizeof *d + strlen(name) + 1);
    if (!d)
        return host_refuse(h, TUSK_E_NOMEM, "not enough memory");
    *d = *like;
    memcpy(d->name, name, strlen(name) + 1);
    d->link = h->embedding->link;
    rc = embed_run(h, make_operator, d);
    if (rc) {
        free(d);
        return rc;
    }
    d->next = d->link->defined;
    d->link->defined = d;
    return TUSK_OK;
}

tusk_rc tusk_def(tusk_host *h, const char *name, tusk_fn fn, void *ud)
{
    return add(h, name, &(struct definition){.plain = fn, .ud = ud});
}

tusk_rc tusk_def_async(tusk_host *h, const char *name, tusk_async_fn fn, tusk_cancel_fn cancel,
                       void *ud)
{
    return add(h, name, &(struct definition){.fn = fn, .cancel = cancel, .ud = ud});
}

/* ---- who is asking ---- */

const char *op_asking(struct tusk *h)
{
    const struct scope *s = h->current ? h->current->scope : NULL;
    for (; s; s = s->parent)
        for (struct asking *a = h->embedding->link->asking; a && s->on_error == ON_ERROR_LOG;
             a = a->next)
            if (a->scope == s)
                return a->name;
    return NULL;
}

/* plugin_scope(scope, name): tasks inside of it are that plugin's; name nil: no more */
static int op_plugin_scope(lua_State *L)
{
    const struct scope *s = &scope_check(L, 1)->scope;
    const char *name = lua_tostring(L, 2);
    struct link *link = HOST(L)->embedding->link;
    struct asking *a = link->asking;
    while (a && (name ? a->scope || strcmp(a->name, name) : a->scope != s))
        a = a->next; // a plugin that is loaded again has the name that is there
    if (!a && name) {
        a = malloc(sizeof *a + strlen(name) + 1);
        if (!a)
            return luaL_error(L, "not enough memory");
        memcpy(a->name, name, strlen(name) + 1);
        a->next = link->asking;
        link->asking = a;
    }
    if (a)
        a->scope = name ? s : NULL;
    return 0;
}

/* ---- opening and closing ---- */

void op_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"plugin_scope", op_plugin_scope}, {NULL, NULL}};
    luaL_register(L, NULL, functions);
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

void op_close(struct tusk *h)
{
    struct link *link = h->embedding->link;
    uv_mutex_lock(&link->mutex);
    link->host = NULL;
    uv_mutex_unlock(&link->mutex);
}

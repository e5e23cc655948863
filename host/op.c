/* op.c: calls of operators from C: references, and answers from any thread. */
#include <stdlib.h>
#include <string.h>

#include "op.h"

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

void op_unref(struct tusk_op *op)
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

struct tusk_op *op_new(lua_State *L, const struct definition *d)
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

void asking_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"plugin_scope", op_plugin_scope}, {NULL, NULL}};
    luaL_register(L, NULL, functions);
}

/* ---- closing ---- */

void op_close(struct tusk *h)
{
    struct link *link = h->embedding->link;
    uv_mutex_lock(&link->mutex);
    link->host = NULL;
    uv_mutex_unlock(&link->mutex);
}

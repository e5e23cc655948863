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
    if (op)
        atomic_fetch_add(&op->holders, 1);
}

struct tusk_op *op_new(lua_State *L, const struct definition *d)
{
    const char *plugin = unit_running(tusk_of(L));
    size_t length = plugin ? strlen(plugin) : 0;
    struct tusk_op *op = calloc(1, sizeof *op + length + 1);
    if (!op)
        return NULL;
    if (plugin)
        memcpy(op->plugin, plugin, length);
    op->link = d->link;
    atomic_fetch_add(&op->link->refs, 1);
    op->def = d;
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
    return op ? op->def->name : NULL;
}

const char *tusk_op_plugin(const tusk_op *op)
{
    return op && *op->plugin ? op->plugin : NULL;
}

uint64_t tusk_op_deadline_ns(const tusk_op *op)
{
    return op ? op->deadline : UINT64_MAX;
}

int tusk_op_cancelled(const tusk_op *op)
{
    if (!op)
        return 1;
    uv_mutex_lock(&op->link->mutex);
    int is = op->cancelled || op->state == OP_DROPPED || !op->link->host;
    uv_mutex_unlock(&op->link->mutex);
    return is;
}

/* ---- closing ---- */

void op_close(struct tusk *h)
{
    struct link *link = h->embedding->link;
    uv_mutex_lock(&link->mutex);
    link->host = NULL;
    uv_mutex_unlock(&link->mutex);
}

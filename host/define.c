/* define.c: operators from C: their names. */
#include <stdlib.h>
#include <string.h>

#include "op.h"

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

void define_end(struct definition *last, const struct definition *before)
{
    for (struct definition *d = last; d && d != before; d = d->next)
        d->is_over = 1;
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

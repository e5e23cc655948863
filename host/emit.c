/* emit.c: events, from C to all that listen. */
#include <string.h>

#include "embed.h"

struct event {
    const char *name;
    const tusk_val *args;
    uint32_t n;
};

/* Starts what is on top with the event's values: a copy for each. */
static void deliver(lua_State *L, struct tusk *h, const struct event *e)
{
    embed_push(L, h, "deliver");
    lua_insert(L, -2);
    value_push(L, &h->embedding->values, e->args, e->n);
    lua_call(L, 1 + (int)e->n, 0);
}

static int emit(lua_State *L)
{
    const struct event *e = lua_touserdata(L, 1);
    struct tusk *h = tusk_of(L);
    embed_push(L, h, "listeners");
    lua_pushstring(L, e->name);
    lua_call(L, 1, 1);
    for (int i = 1;; i++) {
        lua_rawgeti(L, 2, i);
        if (lua_isnil(L, -1))
            return 0;
        deliver(L, h, e);
    }
}

tusk_rc tusk_emit(tusk_host *h, const char *event, const tusk_val *args, uint32_t n)
{
    tusk_rc rc = host_check(h);
    if (rc)
        return rc;
    if (!event || !*event || value_check(args, n))
        return host_refuse(h, TUSK_E_ARG, "an event has a name, and values");
    if (!strcmp(event, "ready") || !strcmp(event, "shutdown"))
        return host_refuse(h, TUSK_E_ARG, "\"%s\" is the host's own event", event);
    if (h->closing)
        return host_refuse(h, TUSK_E_CLOSED, "the host is closing");
    struct event e = {event, args, n};
    return embed_run(h, emit, &e);
}

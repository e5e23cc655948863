/*
 * insist.c: a cancellation that cannot be swallowed for ever. Code that catches `cancelled` and
 * goes on meets it again at its next checkpoint. After a hundred times it is raised at every
 * instruction of the user's code, past every pcall, until the task is out of the cancelled scope;
 * the host's own Lua, which joins children and runs finalizers on the way, is left alone.
 */
#include "host.h"

#define PATIENCE 100 /* swallowed raises; fits the counter */

static int is_stuck(const struct tusk *h)
{
    const struct scope *s = h->current ? h->current->scope : NULL;
    return s && s->reason && s->delivered > PATIENCE;
}

void hook_set(lua_State *L, struct tusk *h, lua_Hook function, int every)
{
    if (!h->hooked) {
        h->users_hook.function = lua_gethook(L);
        h->users_hook.mask = lua_gethookmask(L);
        h->users_hook.count = lua_gethookcount(L);
        h->hooked = 1;
    }
    lua_sethook(L, function, LUA_MASKCOUNT, every);
}

void hook_end(lua_State *L, struct tusk *h)
{
    lua_sethook(L, h->users_hook.function, h->users_hook.mask, h->users_hook.count);
    h->hooked = 0;
}

static void raise_again(lua_State *L, lua_Debug *ar)
{
    struct tusk *h = tusk_of(L);
    if (!is_stuck(h)) {
        h->insisting = 0;
        hook_end(L, h);
        return;
    }
    if (place_is_users(L, ar))
        host_raise_cancelled(L, h, 0);
}

static void report(lua_State *L, struct tusk *h)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, h->callbacks[CALL_STUCK]);
    task_push_handle(L, h->current);
    lua_call(L, 1, 0);
}

void insist(lua_State *L, struct tusk *h)
{
    struct scope *innermost = h->current ? h->current->scope : NULL;
    if (!innermost || !innermost->reason)
        return;
    if (innermost->delivered == PATIENCE)
        report(L, h);
    for (struct scope *s = innermost; s && s->reason; s = s->parent)
        if (s->task == h->current ? s->delivered <= PATIENCE : !s->delivered)
            s->delivered++; // what other tasks own only has to know that somebody was told
    if (is_stuck(h) && !h->insisting) {
        h->insisting = 1;
        hook_set(L, h, raise_again, 1);
    }
}

/*
 * interrupt.c: a shutdown that reaches code which computes. Nothing that never waits comes to a
 * checkpoint, so a hook, set from the signal handler as LuaJIT's own program does it, cancels what
 * runs before its next instruction. Code that catches that and computes on is told again.
 */
#include <luajit.h>

#include "host.h"

#define AGAIN    1000000 /* instructions; some hundredths of a second */
#define PATIENCE 3 /* so often within one turn it is told before more than the application goes */

static void on_hook(lua_State *L, lua_Debug *ar)
{
    struct tusk *h = tusk_of(L);
    if (!h->current || !place_is_users(L, ar)) // the host's own Lua is not to be cut in two
        return;
    // compiled code would not see the hook
    luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
    luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_FLUSH);
    hook_set(L, h, on_hook, AGAIN);
    loop_cancel_app(h);
    if (++h->told > PATIENCE && !h->app)
        scope_cancel(h, &h->root, CANCEL_SHUTDOWN);
    if (h->current->scope->reason)
        host_raise_cancelled(L, h, 0);
}

void tusk_interrupt(tusk_host *h)
{
    tusk_stop(h);
    if (!h || h->insisting)
        return;
    atomic_store(&h->interrupted, 1);
    hook_set(h->L, h, on_hook, 1);
}

void interrupt_end(struct tusk *h)
{
    h->told = 0;
    if (!atomic_exchange(&h->interrupted, 0) || h->insisting)
        return;
    hook_end(h->L, h);
}

/* gc.c: the collector's work, done in time that the embedder can spare. */
#include "host.h"

#define LEAST  (64u << 10)         /* bytes, and */
#define GROWTH 10                  /* percent, by which Lua has grown before a cycle is begun */
#define LONG   (UINT64_MAX / 4000) /* microseconds that have no end */

struct work {
    struct tusk *h;
    uint64_t until;
};

static int work(lua_State *L)
{
    struct work *w = lua_touserdata(L, 1);
    do {
        if (lua_gc(L, LUA_GCSTEP, 0)) {
            uint64_t left = memory_lua_bytes(w->h);
            w->h->gc.in_cycle = 0;
            w->h->gc.next = left + left / 100 * GROWTH + LEAST;
            return 0;
        }
    } while (uv_hrtime() < w->until);
    return 0;
}

uint64_t tusk_gc_idle(tusk_host *h, uint64_t budget_us)
{
    if (host_check_outside(h) || !budget_us)
        return 0;
    uint64_t before = memory_lua_bytes(h);
    if (!h->gc.in_cycle && before < h->gc.next)
        return 0;
    struct work w = {h, budget_us < LONG ? uv_hrtime() + budget_us * 1000 : UINT64_MAX};
    h->gc.in_cycle = 1;
    h->inside = 1;
    if (lua_cpcall(h->L, work, &w)) // a finalizer has failed
        lua_pop(h->L, 1);
    h->inside = 0;
    uint64_t after = memory_lua_bytes(h);
    return before > after ? before - after : 0;
}

/*
 * clock.c: the virtual clock of tests. While it is on, all that the host calls time is on it: what
 * is begun to wait for stands in a heap of its own, and time goes on by itself, from timer to
 * timer, whenever nothing but time can wake anybody. Timers from before stay on the real clock.
 */
#include "host.h"

#define SECOND 1000000000u

int clock_may_jump(struct tusk *h)
{
    const struct heap *q = &h->heaps[CLOCK_VIRTUAL];
    if (!h->clock.on || !q->count || h->ready_head || h->before_poll)
        return 0;
    uint64_t due = q->entries[1].due;
    if (due == UINT64_MAX || due <= h->clock.until)
        return due != UINT64_MAX;
    if (h->clock.by_hand || h->waits)
        return 0;
    uv_timer_stop(&h->alarm); // what is alive without it?
    return !uv_loop_alive(&h->loop);
}

void clock_jump(struct tusk *h)
{ // unless the poll has woken somebody
    const struct heap *q = &h->heaps[CLOCK_VIRTUAL];
    if (!h->ready_head && q->count && q->entries[1].due > h->clock.now)
        h->clock.now = q->entries[1].due;
}

/* What still waits has as long to wait on the real clock as it had on this. */
static void move_timers(struct tusk *h, uint64_t real)
{
    struct heap *q = &h->heaps[CLOCK_VIRTUAL];
    while (q->count) {
        struct timer *timer = q->entries[1].timer;
        uint64_t due = q->entries[1].due;
        if (due != UINT64_MAX)
            due = due > h->clock.now ? real + (due - h->clock.now) : real;
        timer_stop(h, timer);
        timer_start(h, CLOCK_REAL, timer, due);
        if (timer->of_scope)
            ((struct explicit_scope *)((char *)timer - offsetof(struct explicit_scope, timer)))
                ->deadline = due;
    }
}

/* clock_on(by hand, Unix seconds): from here on time is virtual; false: it already was */
static int op_on(lua_State *L)
{
    struct tusk *h = HOST(L);
    lua_pushboolean(L, !h->clock.on);
    if (h->clock.on)
        return 1;
    // a whole second, so that durations of whole ones stay exact; never one that has passed
    uint64_t from = host_real(h) / SECOND * SECOND + SECOND;
    h->clock.now = h->clock.from = h->now = from;
    h->clock.until = 0;
    h->clock.wall = luaL_checknumber(L, 2);
    h->clock.by_hand = (uint8_t)lua_toboolean(L, 1);
    h->clock.on = 1;
    return 1;
}

/* clock_off(): real time again */
static int op_off(lua_State *L)
{
    struct tusk *h = HOST(L);
    if (!h->clock.on)
        return 0;
    if (timer_reserve(h, CLOCK_REAL, h->heaps[CLOCK_VIRTUAL].count))
        return luaL_error(L, "not enough memory");
    uint64_t real = host_real(h);
    move_timers(h, real);
    h->clock.on = h->clock.by_hand = 0;
    h->now = real;
    return 0;
}

/* clock_advance(seconds): parks until so much virtual time has passed, whatever is in flight */
static int op_advance(lua_State *L)
{
    struct tusk *h = HOST(L);
    double seconds = luaL_checknumber(L, 1);
    wait_check(L, h);
    if (timer_reserve(h, CLOCK_VIRTUAL, 1))
        return luaL_error(L, "not enough memory");
    uint64_t due = host_due(h, seconds);
    h->clock.until = due;
    timer_start(h, CLOCK_VIRTUAL, &h->current->timer, due);
    return task_park(L, h);
}

/* clock_hold(): an advance ends where it is */
static int op_hold(lua_State *L)
{
    HOST(L)->clock.until = 0;
    return 0;
}

/* clock_elapsed() -> the seconds that it has gone, whether by hand; nil: it is not on */
static int op_elapsed(lua_State *L)
{
    struct tusk *h = HOST(L);
    if (!h->clock.on)
        return 0;
    lua_pushnumber(L, (double)(h->clock.now - h->clock.from) / 1e9);
    lua_pushboolean(L, h->clock.by_hand);
    return 2;
}

/* watch(seconds | nil): calls the Lua value `watch` after so much real time; nil: not any more */
static int op_watch(lua_State *L)
{
    struct tusk *h = HOST(L);
    timer_stop(h, &h->watch);
    if (lua_type(L, 1) != LUA_TNUMBER)
        return 0;
    if (timer_reserve(h, CLOCK_REAL, 1))
        return luaL_error(L, "not enough memory");
    uint64_t after = (uint64_t)(lua_tonumber(L, 1) * 1e9);
    timer_start(h, CLOCK_REAL, &h->watch, host_real(h) + after);
    return 0;
}

void clock_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"clock_on", op_on},
        {"clock_off", op_off},
        {"clock_advance", op_advance},
        {"clock_hold", op_hold},
        {"clock_elapsed", op_elapsed},
        {"watch", op_watch},
        {NULL, NULL},
    };
    luaL_register(L, NULL, functions);
}

/*
 * slice.c: how long one resume takes. Too long for the embedder's taste: a line of the log. Longer
 * than allowed: an error of kind `cpu` at the next instruction; code that catches it has as long
 * again to clean up, and then meets it at every instruction.
 */
#include <luajit.h>
#include <time.h>

#include "host.h"

#define OFTEN 1000 /* instructions between two looks at the clock */

/* What this thread has computed: others of the machine are not to be charged for. */
static uint64_t computed(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void on_count(lua_State *L, lua_Debug *ar)
{
    struct tusk *h = tusk_of(L);
    if (!h->slice.until || uv_hrtime() < h->slice.until || computed() < h->slice.computed)
        return;
    if (!h->slice.over) {
        h->slice.over = 1;
        lua_sethook(L, on_count, LUA_MASKCOUNT, 1);
    }
    if (!h->current || !place_is_users(L, ar)) // the host's own Lua is not to be cut in two
        return;
    if (h->slice.over == 1) {
        h->slice.over = 2;
        h->slice.until += h->limits.slice_max_us * 1000;
        h->slice.computed += h->limits.slice_max_us * 1000;
    }
    tusk_fail(L, "cpu", "computed for more than %d us without waiting",
              (int)h->limits.slice_max_us);
}

static int nothing(lua_State *L)
{
    (void)L;
    return 0;
}

/* What would undo the limit does nothing. */
static void take_away(lua_State *L, const char *library, const char *function)
{
    lua_getglobal(L, library);
    lua_pushcfunction(L, nothing);
    lua_setfield(L, -2, function);
    lua_pop(L, 1);
}

/*
 * Compiled code looks at no hook. And LuaJIT 2.1 does not survive that it gets no memory: the error
 * is raised from where the interpreter was last, which may be no frame any more.
 */
static void stay_interpreted(lua_State *L)
{
    luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
    take_away(L, "jit", "on");
}

void slice_open(lua_State *L)
{
    struct tusk *h = tusk_of(L);
    if (h->limits.slice_max_us != UINT64_MAX || h->limits.mem_bytes != UINT64_MAX)
        stay_interpreted(L);
    if (h->limits.slice_max_us == UINT64_MAX)
        return;
    take_away(L, "debug", "sethook");
    lua_sethook(L, on_count, LUA_MASKCOUNT, OFTEN);
}

int slice_is_limited(const struct tusk *h)
{
    return h->limits.slice_max_us != UINT64_MAX || h->limits.slice_warn_us != UINT64_MAX;
}

void slice_begin(struct tusk *h, uint64_t now)
{
    h->slice.began = now;
    h->slice.over = 0;
    if (h->limits.slice_max_us == UINT64_MAX)
        return;
    h->slice.until = now + h->limits.slice_max_us * 1000;
    h->slice.computed = computed() + h->limits.slice_max_us * 1000;
}

struct warning {
    struct task *task;
    uint32_t id;
    uint64_t ns;
};

static int warn(lua_State *L)
{
    struct warning *w = lua_touserdata(L, 1);
    struct tusk *h = tusk_of(L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, h->callbacks[CALL_SLOW]);
    lua_pushinteger(L, (lua_Integer)w->id);
    lua_pushnumber(L, (double)w->ns / 1e6);
    if (w->task->handle && w->task->handle->id == w->id)
        task_push_handle(L, w->task);
    else
        lua_pushnil(L);
    lua_call(L, 3, 0);
    return 0;
}

void slice_end(struct tusk *h, struct task *t, uint32_t id, struct unit *unit, uint64_t now)
{
    uint64_t ns = now - h->slice.began;
    struct warning w = {t, id, ns};
    h->slice.until = 0;
    if (h->slice.over && h->hooked)
        h->users_hook.count = OFTEN;
    else if (h->slice.over)
        lua_sethook(h->L, on_count, LUA_MASKCOUNT, OFTEN);
    h->slice.slowest = ns > h->slice.slowest ? ns : h->slice.slowest;
    if (unit_is_there(h, unit))
        unit_ran(unit, ns);
    if (t && h->limits.slice_warn_us != UINT64_MAX && ns > h->limits.slice_warn_us * 1000 &&
        lua_cpcall(h->L, warn, &w))
        lua_pop(h->L, 1);
}

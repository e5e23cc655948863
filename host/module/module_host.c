/* module_host.c: what the caller does with a host: loading, driving, looking. */
#include "module.h"

/* ---- loading ---- */

/* host:load(dir): a script directory, or a folder of plugins */
static int host_load(lua_State *L)
{
    struct module *m = module_check(L);
    const char *dir = luaL_checkstring(L, 2);
    struct frame f;
    module_enter(m, L, &f);
    tusk_rc rc = tusk_load_dir(m->host, dir);
    module_leave(m, L, &f);
    return module_result(L, m, rc);
}

/* host:unload(name): a plugin, or a source */
static int host_unload(lua_State *L)
{
    struct module *m = module_check(L);
    const char *name = luaL_checkstring(L, 2);
    struct frame f;
    module_enter(m, L, &f);
    tusk_rc rc = tusk_unload(m->host, name);
    module_leave(m, L, &f);
    return module_result(L, m, rc);
}

/* host:source(name, text): a piece of code, as a task */
static int host_source(lua_State *L)
{
    struct module *m = module_check(L);
    size_t n;
    const char *name = luaL_checkstring(L, 2), *text = luaL_checklstring(L, 3, &n);
    struct frame f;
    module_enter(m, L, &f);
    tusk_rc rc = tusk_load_source(m->host, name, text, n);
    module_leave(m, L, &f);
    return module_result(L, m, rc);
}

/* ---- driving ---- */

static uint64_t microseconds(lua_State *L, int index)
{
    double s = luaL_optnumber(L, index, 0.002);
    luaL_argcheck(L, s >= 0, index, "seconds, 0 or more, expected");
    return s < 1e6 ? (uint64_t)(s * 1e6 + 0.5) : UINT64_C(1000000000000);
}

static tusk_step_state step(lua_State *L, struct module *m, uint64_t budget_us)
{
    struct frame f;
    module_not_inside(L, m);
    module_enter(m, L, &f);
    tusk_step_state state = tusk_step(m->host, budget_us);
    module_leave(m, L, &f);
    if (state < 0)
        luaL_error(L, "%s", tusk_errmsg(m->host));
    return state;
}

static int push_state(lua_State *L, tusk_step_state state)
{
    static const char *const names[] = {[TUSK_STEP_IDLE] = "idle",
                                        [TUSK_STEP_MORE] = "more",
                                        [TUSK_STEP_WAITING] = "waiting",
                                        [TUSK_STEP_DONE] = "done"};
    lua_pushstring(L, names[state]);
    return 1;
}

/* host:poll(seconds) -> "more", "waiting", "idle", "done": lets its tasks run for so long, 2 ms if
 * not given; never blocks */
static int host_poll(lua_State *L)
{
    struct module *m = module_check(L);
    return push_state(L, step(L, m, microseconds(L, 2)));
}

/* poll(seconds): all open hosts, each for its part of the time; the liveliest one's state */
int module_poll_all(lua_State *L)
{
    static const int rank[] = {
        [TUSK_STEP_DONE] = 0, [TUSK_STEP_IDLE] = 1, [TUSK_STEP_WAITING] = 2, [TUSK_STEP_MORE] = 3};
    uint64_t budget = microseconds(L, 1);
    luaL_checkstack(L, 2 * LUA_MINSTACK, "a call of the hosts");
    int list = lua_gettop(L) + 1, n = module_push_hosts(L);
    tusk_step_state liveliest = n ? TUSK_STEP_DONE : TUSK_STEP_IDLE;
    for (int i = 1; i <= n; i++) {
        lua_rawgeti(L, list, i);
        struct module *m = lua_touserdata(L, -1);
        if (!m->host) // closed by another's callback
            continue;
        tusk_step_state state = step(L, m, budget / (unsigned)n);
        liveliest = rank[state] > rank[liveliest] ? state : liveliest;
        lua_settop(L, list);
    }
    return push_state(L, liveliest);
}

/* host:run() -> true; nil, failure: blocks until no task is left */
static int host_run(lua_State *L)
{
    struct module *m = module_check(L);
    struct frame f;
    module_not_inside(L, m);
    module_enter(m, L, &f);
    tusk_rc rc = tusk_run(m->host);
    module_leave(m, L, &f);
    return module_result(L, m, rc);
}

/* host:shutdown(seconds): begins the end, which polling brings about: then its state is "done" */
static int host_shutdown(lua_State *L)
{
    struct module *m = module_check(L);
    double s = luaL_optnumber(L, 2, 5);
    struct frame f;
    luaL_argcheck(L, s >= 0, 2, "seconds, 0 or more, expected");
    module_enter(m, L, &f);
    tusk_rc rc = tusk_shutdown(m->host, s < 1e9 ? (uint64_t)(s * 1000) : UINT64_MAX);
    module_leave(m, L, &f);
    return module_result(L, m, rc);
}

/* host:fd() -> the descriptor to watch, in a poll set of the caller's own */
static int host_fd(lua_State *L)
{
    lua_pushinteger(L, tusk_wait_fd(module_check(L)->host));
    return 1;
}

/* host:timeout() -> seconds to wait at most, nil: for ever; to be asked after every poll */
static int host_timeout(lua_State *L)
{
    int ms = tusk_wait_ms(module_check(L)->host);
    if (ms < 0)
        lua_pushnil(L);
    else
        lua_pushnumber(L, ms / 1e3);
    return 1;
}

/* host:gc(seconds) -> bytes freed, in time that is to spare */
static int host_collect(lua_State *L)
{
    struct module *m = module_check(L);
    struct frame f;
    module_enter(m, L, &f);
    uint64_t freed = tusk_gc_idle(m->host, microseconds(L, 2));
    module_leave(m, L, &f);
    lua_pushnumber(L, (double)freed);
    return 1;
}

static void set_number(lua_State *L, const char *name, double value)
{
    lua_pushnumber(L, value);
    lua_setfield(L, -2, name);
}

/* host:stats(name) -> figures of the host, or of a plugin; nil, failure */
static int host_stats(lua_State *L)
{
    struct module *m = module_check(L);
    tusk_stats s;
    tusk_stats_init(&s);
    tusk_rc rc = tusk_get_stats(m->host, luaL_optstring(L, 2, NULL), &s);
    if (rc)
        return module_result(L, m, rc);
    lua_createtable(L, 0, 6);
    set_number(L, "tasks", s.tasks);
    set_number(L, "ready", s.ready);
    set_number(L, "ops", s.ops);
    set_number(L, "lua_bytes", (double)s.lua_bytes);
    set_number(L, "bytes", (double)s.bytes);
    set_number(L, "slowest_slice", (double)s.slowest_slice_us / 1e6);
    return 1;
}

int module_host_tostring(lua_State *L)
{
    struct module *m = lua_touserdata(L, 1);
    lua_pushfstring(L, "tusk host: %p%s", (void *)m, m->host ? "" : " (closed)");
    return 1;
}

const luaL_Reg module_host_methods[] = {{"load", host_load},
                                        {"source", host_source},
                                        {"unload", host_unload},
                                        {"poll", host_poll},
                                        {"run", host_run},
                                        {"shutdown", host_shutdown},
                                        {"gc", host_collect},
                                        {"stats", host_stats},
                                        {"fd", host_fd},
                                        {"timeout", host_timeout},
                                        {"close", module_close_host},
                                        {NULL, NULL}};

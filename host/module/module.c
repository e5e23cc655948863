/* module.c: hosts for another Lua: calls of them, and theirs; loading, driving. */
#include <string.h>

#include "module.h"

static const char HOSTS; /* registry key: the open hosts, by address */

/* ---- calls, and calls back ---- */

struct module *module_check(lua_State *L)
{
    struct module *m = luaL_checkudata(L, 1, MODULE_HOST);
    luaL_argcheck(L, m->host, 1, "the host is closed");
    luaL_checkstack(L, 2 * LUA_MINSTACK, "a call of the host");
    return m;
}

void module_not_inside(lua_State *L, const struct module *m)
{
    if (m->frame)
        luaL_error(L, "a callback of the host's cannot poll, run or close it");
}

void module_enter(struct module *m, lua_State *L, struct frame *f)
{
    lua_pushnil(L);
    *f = (struct frame){m->frame, L, lua_gettop(L)};
    m->frame = f;
}

void module_leave(struct module *m, lua_State *L, struct frame *f)
{
    m->frame = f->outer;
    lua_pushvalue(L, f->failure);
    if (!lua_isnil(L, -1))
        lua_error(L);
    lua_pop(L, 1);
}

int module_protect(struct module *m, lua_CFunction fn, void *ud)
{
    lua_State *L = m->frame->L;
    return lua_checkstack(L, 4) ? lua_cpcall(L, fn, ud) : (lua_pushnil(L), LUA_ERRMEM);
}

void module_keep(struct module *m)
{
    lua_State *L = m->frame->L;
    if (lua_isnil(L, m->frame->failure) && !lua_isnil(L, -1))
        lua_replace(L, m->frame->failure);
    else
        lua_pop(L, 1);
}

void module_push(lua_State *L, struct module *m)
{
    lua_pushlightuserdata(L, (void *)&HOSTS);
    lua_rawget(L, LUA_REGISTRYINDEX);
    lua_pushlightuserdata(L, m);
    lua_rawget(L, -2);
    lua_remove(L, -2);
}

void module_list(lua_State *L, struct module *m, int open)
{
    lua_pushlightuserdata(L, (void *)&HOSTS);
    lua_rawget(L, LUA_REGISTRYINDEX);
    lua_pushlightuserdata(L, m);
    if (open)
        lua_pushvalue(L, 1);
    else
        lua_pushnil(L);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

void module_push_function(struct module *m, lua_State *L, const void *key)
{
    module_push(L, m);
    lua_getfenv(L, -1);
    lua_pushlightuserdata(L, (void *)key);
    lua_rawget(L, -2);
    lua_replace(L, -3);
    lua_pop(L, 1);
}

void module_keep_function(lua_State *L, const void *key)
{
    lua_getfenv(L, 1);
    lua_pushlightuserdata(L, (void *)key);
    lua_pushvalue(L, -3);
    lua_rawset(L, -3);
    lua_pop(L, 2);
}

/* ---- failures ---- */

static const char *kind_of(tusk_rc rc)
{
    static const char *const kinds[] = {"ok",     "argument",        "no_memory", "abi",
                                        "thread", "state",           "syntax",    "lua",
                                        "denied", "timeout",         "cancelled", "cpu",
                                        "io",     "unknown_outcome", "closed",    "not_found"};
    return (size_t)rc < sizeof kinds / sizeof *kinds ? kinds[rc] : "lua";
}

static void set_text(lua_State *L, const char *name, const char *text)
{
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

void module_push_failure(lua_State *L, const tusk_failure *f)
{
    lua_createtable(L, 0, 5);
    set_text(L, "kind", f->kind ? f->kind : kind_of(f->rc));
    set_text(L, "message", f->message ? f->message : tusk_strerror(f->rc));
    set_text(L, "plugin", f->plugin);
    set_text(L, "traceback", f->traceback);
    if (f->task_id) {
        lua_pushnumber(L, (double)f->task_id);
        lua_setfield(L, -2, "task");
    }
    luaL_getmetatable(L, MODULE_FAILURE);
    lua_setmetatable(L, -2);
}

static int failure_tostring(lua_State *L)
{
    lua_settop(L, 1);
    lua_getfield(L, 1, "traceback");
    lua_getfield(L, 1, "message");
    if (lua_objlen(L, 2))
        lua_pushfstring(L, "%s\n%s", lua_tostring(L, 3), lua_tostring(L, 2));
    return 1;
}

int module_result(lua_State *L, struct module *m, tusk_rc rc)
{
    if (!rc) {
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_pushnil(L);
    module_push_failure(L, &(tusk_failure){.rc = rc, .message = tusk_errmsg(m->host)});
    return 2;
}

/* ---- loading ---- */

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
    lua_pushstring(L, state == TUSK_STEP_MORE      ? "more"
                      : state == TUSK_STEP_WAITING ? "waiting"
                                                   : "idle");
    return 1;
}

/* host:poll(seconds) -> "more", "waiting", "idle": lets its tasks run for so long, 2 ms if not
 * given; never blocks */
static int host_poll(lua_State *L)
{
    struct module *m = module_check(L);
    return push_state(L, step(L, m, microseconds(L, 2)));
}

/* Pushes a list of the open hosts; their number. */
static int push_hosts(lua_State *L)
{
    int n = 0;
    lua_newtable(L);
    lua_pushlightuserdata(L, (void *)&HOSTS);
    lua_rawget(L, LUA_REGISTRYINDEX);
    for (lua_pushnil(L); lua_next(L, -2);)
        lua_rawseti(L, -4, ++n);
    lua_pop(L, 1);
    return n;
}

/* poll(seconds): all open hosts, each for its part of the time; the liveliest one's state */
static int poll_all(lua_State *L)
{
    static const int rank[] = {[TUSK_STEP_IDLE] = 0, [TUSK_STEP_WAITING] = 1, [TUSK_STEP_MORE] = 2};
    uint64_t budget = microseconds(L, 1);
    luaL_checkstack(L, 2 * LUA_MINSTACK, "a call of the hosts");
    tusk_step_state liveliest = TUSK_STEP_IDLE;
    int list = lua_gettop(L) + 1, n = push_hosts(L);
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

static int host_tostring(lua_State *L)
{
    struct module *m = lua_touserdata(L, 1);
    lua_pushfstring(L, "tusk host: %p%s", (void *)m, m->host ? "" : " (closed)");
    return 1;
}

/* What conversions of values need; nothing global is asked for or made. */
static const char VALUES[] =
    "local show, find = tostring, string.find\n"
    "local null = newproxy(true)\n"
    "getmetatable(null).__tostring = function() return 'tusk.null' end\n"
    "return {\n"
    "  kind64 = function(c)\n"
    "    local text = show(c)\n"
    "    return find(text, '^%-?%d+LL$') and 1 or find(text, '^%d+ULL$') and 2 or 0\n"
    "  end,\n"
    "  make64 = function(high, low) return high * 4294967296LL + low end,\n"
    "  null = null, mark = { __name = 'tusk.list' } }\n";

static const char REFS; /* registry key */

const struct value_refs *module_refs(lua_State *L)
{
    lua_pushlightuserdata(L, (void *)&REFS);
    lua_rawget(L, LUA_REGISTRYINDEX);
    const struct value_refs *refs = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return refs;
}

/* Leaves the values that it has made on the stack. */
static void make_refs(lua_State *L)
{
    if (luaL_loadbuffer(L, VALUES, sizeof VALUES - 1, "=[tusk]"))
        lua_error(L);
    lua_call(L, 0, 1);
    int values = lua_gettop(L);
    lua_pushlightuserdata(L, (void *)&REFS);
    struct value_refs *refs = lua_newuserdata(L, sizeof *refs);
    value_refs_take(L, values, refs);
    lua_rawset(L, LUA_REGISTRYINDEX);
}

/* ---- the module ---- */

static void make_type(lua_State *L, const char *name, const luaL_Reg *meta)
{
    luaL_newmetatable(L, name);
    luaL_register(L, NULL, meta);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "__index");
}

static void open_types(lua_State *L)
{
    static const luaL_Reg meta[] = {
        {"__gc", module_gc_host}, {"__tostring", host_tostring}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"source", host_source},   {"poll", host_poll},          {"run", host_run}, {"fd", host_fd},
        {"timeout", host_timeout}, {"close", module_close_host}, {NULL, NULL}};
    static const luaL_Reg failure[] = {{"__tostring", failure_tostring}, {NULL, NULL}};
    make_type(L, MODULE_HOST, meta);
    luaL_register(L, NULL, methods);
    luaL_register(L, NULL, module_op_methods);
    luaL_register(L, NULL, module_call_methods);
    luaL_newmetatable(L, MODULE_FAILURE);
    luaL_register(L, NULL, failure);
    module_op_open(L);
    module_call_open(L);
    lua_settop(L, 0);
}

__attribute__((visibility("default"))) int luaopen_tusk(lua_State *L);

int luaopen_tusk(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"open", module_open_host}, {"poll", poll_all}, {NULL, NULL}};
    lua_settop(L, 0);
    lua_pushlightuserdata(L, (void *)&HOSTS);
    lua_newtable(L);
    lua_rawset(L, LUA_REGISTRYINDEX);
    open_types(L);
    make_refs(L);
    lua_newtable(L);
    luaL_register(L, NULL, functions);
    set_text(L, "version", tusk_version());
    lua_getfield(L, 1, "null");
    lua_setfield(L, -2, "null");
    return 1;
}

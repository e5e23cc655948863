/* module_open.c: what a host is opened with, what it says, and its end. */
#include <stdio.h>
#include <string.h>

#include "module.h"

/* ---- what the host says ---- */

static const char ON_LOG, ON_ERROR; /* keys of functions */

struct line {
    struct module *m;
    const char *level, *plugin, *text;
    size_t length;
};

static int give_line(lua_State *L)
{
    struct line *l = lua_touserdata(L, 1);
    module_push_function(l->m, L, &ON_LOG);
    lua_pushstring(L, l->level);
    lua_pushlstring(L, l->text, l->length);
    lua_pushstring(L, l->plugin);
    lua_call(L, 3, 0);
    return 0;
}

static void on_log(void *ud, tusk_level level, const char *plugin, const char *text, size_t length)
{
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    struct line l = {ud, levels[level], plugin, text, length};
    if (l.m->frame && module_protect(l.m, give_line, &l))
        module_keep(l.m);
}

/* Where nobody listens, lines go where the caller's own complaints do. */
static void print_log(void *ud, tusk_level level, const char *plugin, const char *text,
                      size_t length)
{
    (void)ud;
    (void)level;
    (void)plugin;
    fprintf(stderr, "%.*s\n", (int)length, text);
}

struct death {
    struct module *m;
    const tusk_failure *failure;
};

static int give_failure(lua_State *L)
{
    struct death *d = lua_touserdata(L, 1);
    module_push_function(d->m, L, &ON_ERROR);
    module_push_failure(L, d->failure);
    lua_call(L, 1, 0);
    return 0;
}

static void on_error(void *ud, const tusk_failure *failure)
{
    struct death d = {ud, failure};
    if (d.m->frame && module_protect(d.m, give_failure, &d))
        module_keep(d.m);
}

/* ---- opening ---- */

struct settings {
    tusk_config config;
    tusk_limits limits;
};

static double number_of(lua_State *L, const char *name, double least)
{
    if (lua_type(L, -1) != LUA_TNUMBER || !(lua_tonumber(L, -1) >= least))
        luaL_error(L, "tusk.open: %s must be a number of at least %d", name, (int)least);
    return lua_tonumber(L, -1);
}

static void set_memory(lua_State *L, struct settings *s)
{
    s->limits.mem_bytes = (uint64_t)number_of(L, "memory", 1 << 20);
}

static void set_tasks(lua_State *L, struct settings *s)
{
    double n = number_of(L, "tasks", 1);
    s->limits.max_tasks = n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

static void set_slice(lua_State *L, struct settings *s)
{
    s->limits.slice_max_us = (uint64_t)(number_of(L, "slice", 0) * 1e6) + 1;
}

static void set_log(lua_State *L, struct settings *s)
{
    if (lua_toboolean(L, -1) && lua_type(L, -1) != LUA_TFUNCTION)
        luaL_error(L, "tusk.open: log must be a function, or false");
    s->config.log = lua_toboolean(L, -1) ? on_log : NULL;
}

static void set_error(lua_State *L, struct settings *s)
{
    if (lua_type(L, -1) != LUA_TFUNCTION)
        luaL_error(L, "tusk.open: error must be a function");
    s->config.error = on_error;
}

static const struct setting {
    const char *name;
    void (*set)(lua_State *L, struct settings *s); /* the value is on top */
} known[] = {{"error", set_error}, {"log", set_log},     {"memory", set_memory},
             {"slice", set_slice}, {"tasks", set_tasks}, {NULL, NULL}};

static const struct setting *find_setting(const char *name)
{
    const struct setting *s = known;
    while (s->name && strcmp(s->name, name))
        s++;
    return s;
}

/* The options at index 2 */
static void read_settings(lua_State *L, struct settings *s)
{
    tusk_config_init(&s->config);
    tusk_limits_init(&s->limits);
    s->config.limits = &s->limits;
    s->config.log = print_log;
    if (lua_isnoneornil(L, 2))
        return;
    if (!lua_istable(L, 2))
        luaL_error(L, "tusk.open: a table of options is expected, got a %s", luaL_typename(L, 2));
    for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
        const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "?";
        const struct setting *found = find_setting(name);
        if (!found->name)
            luaL_error(L, "tusk.open: no option \"%s\" (options: error, log, memory, slice, tasks)",
                       name);
        found->set(L, s);
    }
}

static void keep_listener(lua_State *L, const char *name, const void *key)
{
    if (!lua_istable(L, 2))
        return;
    lua_getfield(L, 2, name);
    module_keep_function(L, key);
}

static struct module *new_module(lua_State *L)
{
    struct module *m = lua_newuserdata(L, sizeof *m);
    memset(m, 0, sizeof *m);
    lua_insert(L, 1);
    lua_newtable(L);
    lua_setfenv(L, 1);
    m->refs = module_refs(L);
    return m;
}

/* open(options) -> host; nil, failure */
int module_open_host(lua_State *L)
{
    struct settings s;
    lua_settop(L, 1);
    struct module *m = new_module(L);
    read_settings(L, &s);
    s.config.ud = m;
    keep_listener(L, "log", &ON_LOG);
    keep_listener(L, "error", &ON_ERROR);
    module_list(L, m, 1);
    luaL_getmetatable(L, MODULE_HOST);
    lua_setmetatable(L, 1);
    tusk_rc rc = tusk_open(&s.config, &m->host);
    lua_settop(L, 1);
    if (!rc)
        return 1;
    module_list(L, m, 0);
    lua_pushnil(L);
    module_push_failure(L, &(tusk_failure){.rc = rc});
    return 2;
}

/* ---- closing ---- */

static void close_module(lua_State *L, struct module *m)
{
    struct frame f;
    if (!m->host)
        return;
    module_not_inside(L, m);
    module_enter(m, L, &f);
    tusk_rc rc = tusk_close(m->host);
    m->frame = NULL; // what callbacks have failed with meanwhile is nobody's
    if (rc)
        luaL_error(L, "%s", tusk_errmsg(m->host));
    m->host = NULL;
    module_op_close(m);
}

/* host:close(): cancels what is left and frees everything; again: no effect */
int module_close_host(lua_State *L)
{
    struct module *m = luaL_checkudata(L, 1, MODULE_HOST);
    close_module(L, m);
    module_list(L, m, 0);
    return 0;
}

int module_gc_host(lua_State *L)
{
    close_module(L, lua_touserdata(L, 1));
    return 0;
}

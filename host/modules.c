/* modules.c: where `require` finds the host's own Lua files (embedded) and bindings (loaded). */
#include <dlfcn.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host.h"
#include "modules.h"

struct embedded {
    const char *name, *text;
    size_t length;
    const char *bytecode; /* of the LuaJIT that this was built with */
    size_t bytecode_length;
};
extern const struct embedded tusk_embedded[]; /* build/embed.S; ends with a NULL name */

static const struct embedded *find_embedded(const char *name)
{
    for (const struct embedded *e = tusk_embedded; e->name; e++)
        if (!strcmp(e->name, name))
            return e;
    return NULL;
}

/* The file that an address was mapped from, by its whole name: 0, or -1. */
static int mapped_file(uintptr_t address, char out[PATH_MAX + 100])
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[PATH_MAX + 100];
    int found = 0;
    while (maps && !found && fgets(line, sizeof line, maps)) {
        uintptr_t from, to;
        found = sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %*s %*s %*s %*s %[^\n]", &from, &to, out) ==
                    3 &&
                from <= address && address < to;
    }
    if (maps)
        fclose(maps);
    return found ? 0 : -1;
}

/* The folder that holds the library or the program this code is part of. */
static int own_folder(char out[PATH_MAX])
{
    Dl_info info;
    struct link_map *map;
    char file[PATH_MAX + 100] = "/proc/self/exe"; // of the program, whose name is not told
    if (dladdr1((void *)modules_open, &info, (void **)&map, RTLD_DL_LINKMAP) && *map->l_name) {
        // a name that is relative was so to a folder that may be another by now
        if (*map->l_name == '/')
            snprintf(file, sizeof file, "%s", map->l_name);
        else if (mapped_file((uintptr_t)modules_open, file))
            return -1;
    }
    if (!realpath(file, out))
        return -1;
    *strrchr(out, '/') = 0;
    return 0;
}

void modules_show(void)
{
    Dl_info info;
    if (dladdr((void *)modules_open, &info) && info.dli_fname)
        // cppcheck-suppress leakReturnValNotUsed
        (void)dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL | RTLD_NODELETE);
}

static void *open_binding(lua_State *L, const char *name)
{ // on failure leaves what was tried on top
    static const char *const places[] = {"%s/bindings/%s.so", "%s/../lib/tusk/bindings/%s.so",
                                         "%s/tusk/bindings/%s.so", "%s/../../tusk/bindings/%s.so"};
    char folder[PATH_MAX];
    lua_pushliteral(L, "");
    if (own_folder(folder))
        return NULL;
    modules_show();
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const char *path = lua_pushfstring(L, places[i], folder, name);
        void *library = access(path, F_OK) ? NULL : dlopen(path, RTLD_NOW | RTLD_NODELETE);
        if (library)
            return library;
        lua_pushfstring(L, "\n\tno binding '%s'%s%s", path, access(path, F_OK) ? "" : ": ",
                        access(path, F_OK) ? "" : dlerror());
        lua_remove(L, -2);
        lua_concat(L, 2);
    }
    return NULL;
}

static int load_binding(lua_State *L, const char *name)
{
    void *library = open_binding(L, name);
    if (!library)
        return 1;
    lua_CFunction open;
    *(void **)&open = dlsym(library, lua_pushfstring(L, "luaopen_tusk_binding_%s", name));
    if (!open)
        return luaL_error(L, "binding '%s' has no entry point", name);
    lua_pushcfunction(L, open);
    return 1;
}

/* A searcher for package.loaders: tusk.* among the embedded files, tusk.binding.* among the
 * libraries. */
static int search(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    if (!strncmp(name, "tusk.binding.", 13))
        return load_binding(L, name + 13);
    const struct embedded *e = find_embedded(name);
    if (!e)
        return 0;
    if (!luaL_loadbuffer(L, e->bytecode, e->bytecode_length, name))
        return 1;
    lua_pop(L, 1);
    if (luaL_loadbuffer(L, e->text, e->length, lua_pushfstring(L, "=[%s]", name)))
        return lua_error(L);
    return 1;
}

/* modules(prefix) -> the names of the embedded modules that begin so, without it */
static int op_modules(lua_State *L)
{
    size_t n;
    const char *prefix = luaL_checklstring(L, 1, &n);
    int count = 0;
    lua_newtable(L);
    for (const struct embedded *e = tusk_embedded; e->name; e++) {
        if (strncmp(e->name, prefix, n))
            continue;
        lua_pushstring(L, e->name + n);
        lua_rawseti(L, -2, ++count);
    }
    return 1;
}

/* plugins() -> the folder of the plugins that come with the host, found as bindings are; or nil */
static int op_plugins(lua_State *L)
{
    static const char *const places[] = {"%s/share/tusk/plugins", "%s/../share/tusk/plugins",
                                         "%s/../../../share/tusk/plugins"};
    char folder[PATH_MAX], found[PATH_MAX];
    if (own_folder(folder))
        return 0;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (!realpath(lua_pushfstring(L, places[i], folder), found))
            continue;
        lua_pushstring(L, found);
        return 1;
    }
    return 0;
}

/* use(which, value): gives the host one of the Lua values of enum callback */
static int op_use(lua_State *L)
{
    static const char *const names[] = {
        "error",    "cancelled", "refuse", "handler", "outcome",    "failed", "unhandled",
        "deadlock", "stopping",  "stuck",  "watch",   "slow",       "swept",  "xpcall",
        "named",    "abandoned", "task",   "strays",  "coroutines", NULL};
    struct tusk *h = HOST(L);
    int which = luaL_checkoption(L, 1, NULL, names);
    lua_settop(L, 2);
    if (h->callbacks[which])
        luaL_unref(L, LUA_REGISTRYINDEX, h->callbacks[which]);
    h->callbacks[which] = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

/* now() -> seconds on the host's clock, as of this turn of the loop */
static int op_now(lua_State *L)
{
    lua_pushnumber(L, (double)HOST(L)->now / 1e9);
    return 1;
}

/* clock() -> the same, at this very moment */
static int op_clock(lua_State *L)
{
    lua_pushnumber(L, (double)host_now(HOST(L)) / 1e9);
    return 1;
}

/* wall() -> Unix seconds */
static int op_wall(lua_State *L)
{
    struct tusk *h = HOST(L);
    uv_timeval64_t t;
    uv_gettimeofday(&t);
    double real = (double)t.tv_sec + t.tv_usec / 1e6;
    double virtual = h->clock.wall + (double)(h->clock.now - h->clock.from) / 1e9;
    lua_pushnumber(L, h->clock.on ? virtual : real);
    return 1;
}

/* log(level 0..3, line) */
static int op_log(lua_State *L)
{
    struct tusk *h = HOST(L);
    size_t n;
    const char *line = luaL_checklstring(L, 2, &n);
    if (h->config.log)
        h->config.log(h->config.ud, (tusk_level)lua_tointeger(L, 1), unit_running(h), line, n);
    return 0;
}

/* stats() -> whether a shutdown was asked for; live tasks; bytes of Lua memory */
static int op_stats(lua_State *L)
{
    struct tusk *h = HOST(L);
    lua_pushboolean(L, h->stopping || h->closing);
    lua_pushinteger(L, (lua_Integer)h->live);
    lua_pushnumber(L, (double)memory_bytes(h));
    lua_pushnumber(L, (double)h->last_id);
    return 4;
}

/* holds() -> turns of the loop so far, seconds that code ran in them, the list of how many took up
 * to 1, 2, 4, ... microseconds, and longer */
static int op_holds(lua_State *L)
{
    struct tusk *h = HOST(L);
    lua_pushnumber(L, (double)h->hold.turns);
    lua_pushnumber(L, (double)h->hold.ns / 1e9);
    lua_createtable(L, HOLD_BUCKETS, 0);
    for (int i = 0; i < HOLD_BUCKETS; i++) {
        lua_pushnumber(L, (double)h->hold.counts[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 3;
}

static void add_searcher(lua_State *L)
{ // second, after package.preload: nobody's file shadows the host's own
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "loaders");
    for (int i = (int)lua_objlen(L, -1); i >= 2; i--) {
        lua_rawgeti(L, -1, i);
        lua_rawseti(L, -2, i + 1);
    }
    lua_pushcfunction(L, search);
    lua_rawseti(L, -2, 2);
    lua_pop(L, 2);
}

static void push_limit(lua_State *L, const char *name, uint64_t value)
{
    lua_pushnumber(L, value == UINT64_MAX ? HUGE_VAL : (double)value);
    lua_setfield(L, -2, name);
}

/* kernel.limits: what operators keep to themselves */
static void push_limits(lua_State *L)
{
    const tusk_limits *limits = &HOST(L)->limits;
    lua_createtable(L, 0, 2);
    push_limit(L, "max_body", limits->max_body_bytes);
    push_limit(L, "max_file", limits->max_file_bytes);
    lua_setfield(L, -2, "limits");
}

void modules_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"modules", op_modules}, {"plugins", op_plugins},
                                         {"use", op_use},         {"now", op_now},
                                         {"clock", op_clock},     {"wall", op_wall},
                                         {"log", op_log},         {"stats", op_stats},
                                         {"holds", op_holds},     {NULL, NULL}};
    luaL_register(L, NULL, functions);
    lua_pushlightuserdata(L, PARK(HOST(L)));
    lua_setfield(L, -2, "PARK");
    push_limits(L);
    uint64_t seed = HOST(L)->config.seed;
    if (seed) {
        lua_pushnumber(L, (double)(uint32_t)(seed ^ seed >> 32));
        lua_setfield(L, -2, "chance");
    }
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "loaded");
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "tusk.kernel");
    lua_settop(L, 0);
    add_searcher(L);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "tusk.core");
    lua_call(L, 1, 0);
}

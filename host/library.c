/* library.c: plugins in C: libraries with a TUSK_PLUGIN in them. */
#include <dlfcn.h>
#include <stdlib.h>

#include "embed.h"
#include "modules.h"

struct library { /* one that is open; the code itself stays for good */
    struct tusk_hook at_close;
    struct tusk *host;
    const tusk_plugin *plugin;
    struct definition *last, *before; /* what it has defined is between these */
    void *ud;
    int is_open;
};

static void library_end(struct library *l)
{
    int was_open = l->is_open;
    l->is_open = 0;
    define_end(l->last, l->before);
    if (was_open && l->plugin->close)
        l->plugin->close(l->host, l->ud);
}

static void close_last(struct tusk_hook *k)
{
    library_end((struct library *)k);
    free(k);
}

/* Why it is refused, on the stack; else NULL. */
static const char *what_is_wrong(lua_State *L, const tusk_plugin *p)
{
    if (!p)
        return lua_pushfstring(L, "is no plugin: it has no TUSK_PLUGIN(...)");
    if (p->abi != TUSK_ABI)
        return lua_pushfstring(
            L, "was built for ABI %d of tusk.h, this is Tusk with ABI %d: build it again",
            (int)p->abi, (int)TUSK_ABI);
    if (p->struct_size < sizeof *p || !p->name || !p->open)
        return lua_pushfstring(L, "lacks a name, or a function to begin, in its TUSK_PLUGIN");
    return NULL;
}

static const tusk_plugin *find(lua_State *L, const char *path)
{
    modules_show();
    void *code = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    const tusk_plugin *p = code ? dlsym(code, "tusk_plugin_entry") : NULL;
    const char *wrong = code ? what_is_wrong(L, p) : NULL;
    if (!code)
        tusk_fail(L, "plugin", "%s cannot be loaded: %s", path, dlerror());
    if (wrong)
        tusk_fail(L, "plugin", "%s %s", path, wrong);
    return p;
}

/* library_open(path) -> name, version, description, a handle for library_close. What it defines
 * meanwhile is its own. */
static int op_library_open(lua_State *L)
{
    struct tusk *h = HOST(L);
    const tusk_plugin *p = find(L, luaL_checkstring(L, 1));
    struct library *l = calloc(1, sizeof *l);
    if (!l)
        return luaL_error(L, "not enough memory");
    l->host = h;
    l->plugin = p;
    l->at_close.run = close_last;
    tusk_at_close(h, &l->at_close);
    h->message[0] = 0;
    l->before = h->embedding->link->defined;
    tusk_rc rc = p->open(h, &l->ud);
    l->last = h->embedding->link->defined;
    if (rc)
        return tusk_fail(L, "plugin", "%s has failed to open: %s%s%s", lua_tostring(L, 1),
                         tusk_strerror(rc), *h->message ? ": " : "", h->message);
    l->is_open = 1;
    lua_pushstring(L, p->name);
    lua_pushstring(L, p->version);
    lua_pushstring(L, p->description);
    lua_pushlightuserdata(L, l);
    return 4;
}

/* library_close(handle) */
static int op_library_close(lua_State *L)
{
    library_end(lua_touserdata(L, 1));
    return 0;
}

void tusk_lua_check_abi(lua_State *L, int abi)
{
    if (abi == TUSK_LUA_ABI)
        return;
    tusk_fail(L, "plugin",
              "built for ABI %d of tusk_lua.h, this is Tusk with ABI %d: build it again", abi,
              TUSK_LUA_ABI);
}

void library_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"library_open", op_library_open}, {"library_close", op_library_close}, {NULL, NULL}};
    luaL_register(L, NULL, functions);
}

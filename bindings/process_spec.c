/*
 * process_spec.c: what is to be started, copied out of Lua.
 *
 *   { argv = list of strings, env = list of "NAME=value" to set and "NAME" to unset, clear = bool,
 *     cwd = string | nil, input = 0 none 1 pipe 2 the host's, stdout, stderr = 0 pipe 1 collect
 *     2 the host's 3 nowhere 4 (stderr) where stdout goes, group = bool }
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "process.h"

#define USUAL_PATH "/usr/local/bin:/usr/bin:/bin"

struct room { /* inside the allocation */
    char **pointer;
    char *text;
};

static const char *push_item(lua_State *L, int list, int i, size_t *len)
{
    lua_rawgeti(L, list, i);
    return luaL_checklstring(L, -1, len);
}

static size_t list_bytes(lua_State *L, int list)
{
    size_t total = 0, len;
    for (int i = 1; i <= (int)lua_objlen(L, list); i++) {
        push_item(L, list, i, &len);
        total += len + 1;
        lua_pop(L, 1);
    }
    return total;
}

static char *put(struct room *r, const char *text, size_t len)
{
    char *at = memcpy(r->text, text, len + 1);
    r->text += len + 1;
    return at;
}

static char **put_list(lua_State *L, struct room *r, int list)
{
    char **first = r->pointer;
    size_t len;
    for (int i = 1; i <= (int)lua_objlen(L, list); i++) {
        const char *text = push_item(L, list, i, &len);
        *r->pointer++ = put(r, text, len);
        lua_pop(L, 1);
    }
    *r->pointer++ = NULL;
    return first;
}

static size_t name_length(const char *entry)
{
    return strcspn(entry, "=");
}

/* Does one of the changes concern the variable? */
static int is_changed(char **changes, const char *entry)
{
    size_t n = name_length(entry);
    for (; *changes; changes++)
        if (name_length(*changes) == n && memcmp(*changes, entry, n) == 0)
            return 1;
    return 0;
}

/* The host's variables, but for those that change, and what those become. */
static char **put_environment(struct room *r, char **inherited, char **changes)
{
    char **first = r->pointer;
    for (char **at = inherited; at && *at; at++)
        if (!is_changed(changes, *at))
            *r->pointer++ = put(r, *at, strlen(*at));
    for (char **at = changes; *at; at++)
        if ((*at)[name_length(*at)])
            *r->pointer++ = *at;
    *r->pointer++ = NULL;
    return first;
}

static size_t inherited_size(char **inherited, size_t *count)
{
    size_t bytes = 0;
    *count = 0;
    for (char **at = inherited; at && *at; at++, ++*count)
        bytes += strlen(*at) + 1;
    return bytes;
}

static const char *find_search(char **env)
{
    for (; *env; env++)
        if (strncmp(*env, "PATH=", 5) == 0)
            return *env + 5;
    return USUAL_PATH;
}

static int field_integer(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    int value = (int)luaL_checkinteger(L, -1);
    lua_pop(L, 1);
    return value;
}

static int field_boolean(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    int value = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

struct process_spec *process_spec_read(lua_State *L)
{
    int argv = lua_gettop(L) + 1, env = argv + 1, folder = argv + 2;
    struct process_spec read = {.input = (enum process_input)field_integer(L, "input"),
                                .group = field_boolean(L, "group")};
    read.output[0] = (enum process_output)field_integer(L, "stdout");
    read.output[1] = (enum process_output)field_integer(L, "stderr");
    char **inherited = field_boolean(L, "clear") ? NULL : environ;
    lua_getfield(L, 1, "argv");
    lua_getfield(L, 1, "env");
    lua_getfield(L, 1, "cwd");
    luaL_checktype(L, argv, LUA_TTABLE);
    luaL_checktype(L, env, LUA_TTABLE);
    size_t cwd_length = 0, count;
    const char *cwd = luaL_optlstring(L, folder, NULL, &cwd_length);
    size_t bytes = list_bytes(L, argv) + list_bytes(L, env) + cwd_length + 1;
    bytes += inherited_size(inherited, &count);
    size_t pointers = lua_objlen(L, argv) + 2 * lua_objlen(L, env) + count + 3;
    struct process_spec *s = malloc(sizeof *s + pointers * sizeof(char *) + bytes);
    if (!s)
        luaL_error(L, "not enough memory");
    struct room r = {(char **)(s + 1), (char *)((char **)(s + 1) + pointers)};
    *s = read;
    s->argv = put_list(L, &r, argv);
    char **changes = put_list(L, &r, env);
    s->env = put_environment(&r, inherited, changes);
    s->cwd = cwd ? put(&r, cwd, cwd_length) : NULL;
    s->search = find_search(s->env);
    lua_settop(L, argv - 1);
    return s;
}

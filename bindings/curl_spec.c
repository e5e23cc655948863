/* curl_spec.c: what requests are made from. */
#include <strings.h>

#include "curl_http.h"

static const char *text_field(lua_State *L, const char *name)
{ // the table keeps the string
    lua_getfield(L, 1, name);
    const char *s = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    lua_pop(L, 1);
    return s;
}

static double number_field(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    double v = lua_tonumber(L, -1);
    lua_pop(L, 1);
    return v;
}

static uint8_t flag_field(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    int v = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return (uint8_t)v;
}

/* libcurl's list of the lines at index 2, which lies behind s: the strings are Lua's. */
static void read_lines(lua_State *L, struct spec *s, int n)
{
    struct curl_slist *list = (struct curl_slist *)(s + 1);
    for (int i = 0; i < n; i++) {
        lua_rawgeti(L, 2, i + 1);
        list[i].data = (char *)luaL_checkstring(L, -1);
        s->host |= !strncasecmp(list[i].data, "host:", 5);
        list[i].next = i + 1 < n ? &list[i + 1] : NULL;
        lua_pop(L, 1);
    }
    s->headers = n ? list : NULL;
}

/* A text of the table at the top. */
static const char *part_text(lua_State *L, const char *name, size_t *length)
{
    lua_getfield(L, -1, name);
    const char *s = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, length) : NULL;
    lua_pop(L, 1);
    return s;
}

/* What the table at the top has to send while it is made, and how much that is. */
static struct upload *upload_field(lua_State *L, curl_off_t *size)
{
    lua_getfield(L, -1, "upload");
    struct upload *u = upload_at(L, -1);
    lua_getfield(L, -2, "length");
    *size = lua_isnil(L, -1) ? -1 : (curl_off_t)lua_tonumber(L, -1);
    lua_pop(L, 2);
    return u;
}

/* The parts at index 3, which lie at `at`. */
static void read_parts(lua_State *L, struct spec *s, struct part *at, int n)
{
    for (int i = 0; i < n; i++) {
        lua_rawgeti(L, 3, i + 1);
        at[i].name = part_text(L, "name", NULL);
        at[i].data = part_text(L, "data", &at[i].length);
        at[i].filename = part_text(L, "filename", NULL);
        at[i].type = part_text(L, "type", NULL);
        at[i].upload = upload_field(L, &at[i].size);
        if (!at[i].name || (!at[i].data && !at[i].upload))
            luaL_error(L, "prepare: a part needs name and data");
        lua_pop(L, 1);
    }
    s->parts = at;
    s->part_count = n;
}

static void read_body(lua_State *L, struct spec *s)
{
    lua_getfield(L, 1, "body");
    if (lua_type(L, -1) == LUA_TSTRING)
        s->body = lua_tolstring(L, -1, &s->body_length);
    lua_pop(L, 1);
    lua_pushvalue(L, 1);
    s->upload = upload_field(L, &s->upload_size);
    lua_pop(L, 1);
}

static void read_texts(lua_State *L, struct spec *s)
{
    s->method = text_field(L, "method");
    s->url = text_field(L, "address");
    s->label = text_field(L, "label");
    s->peer = text_field(L, "peer");
    if (!s->label || !s->peer || !s->url || !s->method)
        luaL_error(L, "prepare: address, method, label and peer are needed");
    s->user = text_field(L, "user");
    s->password = text_field(L, "password");
}

static void read_tls(lua_State *L, struct spec *s)
{
    lua_getfield(L, 1, "tls");
    if (lua_istable(L, -1)) {
        lua_replace(L, 1);
        s->ca = text_field(L, "ca");
        s->cert = text_field(L, "cert");
        s->key = text_field(L, "key");
        s->insecure = flag_field(L, "insecure");
    }
}

static void read_route(lua_State *L, struct spec *s)
{
    s->proxy = text_field(L, "proxy");
    s->env_proxy = !s->proxy && flag_field(L, "proxy");
    s->unix_path = text_field(L, "unix");
    s->cookie = text_field(L, "cookie");
    lua_getfield(L, 1, "jar");
    s->jar = jar_at(L, -1);
    lua_pop(L, 1);
}

static void read_limits(lua_State *L, struct spec *s)
{
    s->after = number_field(L, "timeout");
    s->connect_timeout = number_field(L, "connect_timeout");
    s->stall = number_field(L, "stall");
    s->limit = (curl_off_t)number_field(L, "max_body");
    s->idempotent = flag_field(L, "idempotent");
    s->stream = flag_field(L, "stream");
    s->follow = number_field(L, "redirects") > 0;
}

int op_prepare(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    struct http *http = lua_touserdata(L, lua_upvalueindex(1));
    luaL_checkstack(L, 8, "a request");
    lua_getfield(L, 1, "lines");
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_getfield(L, 1, "parts");
    int n = (int)lua_objlen(L, 2), parts = lua_istable(L, 3) ? (int)lua_objlen(L, 3) : 0;
    size_t room = (size_t)n * sizeof(struct curl_slist);
    struct spec *s = lua_newuserdata(L, sizeof *s + room + (size_t)parts * sizeof(struct part));
    *s = (struct spec){.id = ++http->specs};
    luaL_getmetatable(L, SPEC);
    lua_setmetatable(L, -2);
    lua_pushvalue(L, 1);
    lua_setfenv(L, -2);
    lua_pushvalue(L, -1);
    lua_setfield(L, 1, "spec"); // who has the environment has it
    read_texts(L, s);
    read_limits(L, s);
    read_route(L, s);
    read_body(L, s);
    read_lines(L, s, n);
    read_parts(L, s, (struct part *)((char *)(s + 1) + room), parts);
    read_tls(L, s);
    lua_settop(L, 4);
    return 1;
}

void spec_open(lua_State *L)
{
    luaL_newmetatable(L, SPEC); // nothing to free: it has a name
    lua_pop(L, 1);
}

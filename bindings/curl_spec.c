/* curl_spec.c: what requests are made from. */
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

static void add_header(lua_State *L, struct spec *s, const char *line)
{
    struct curl_slist *list = curl_slist_append(s->headers, line);
    if (!list)
        luaL_error(L, "not enough memory");
    s->headers = list;
}

static void read_headers(lua_State *L, struct spec *s)
{
    lua_getfield(L, 1, "headers");
    int n = lua_istable(L, -1) ? (int)lua_objlen(L, -1) : 0;
    for (int i = 1; i <= n; i++) {
        lua_rawgeti(L, -1, i);
        add_header(L, s, luaL_checkstring(L, -1));
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void read_body(lua_State *L, struct spec *s)
{
    lua_getfield(L, 1, "body");
    if (lua_type(L, -1) == LUA_TSTRING)
        s->body = lua_tolstring(L, -1, &s->body_length);
    lua_pop(L, 1);
}

static void read_texts(lua_State *L, struct spec *s)
{
    s->method = text_field(L, "method");
    s->url = text_field(L, "url");
    s->label = text_field(L, "label");
    s->peer = text_field(L, "peer");
    if (!s->label || !s->peer || !s->url || !s->method)
        luaL_error(L, "prepare: url, method, label and peer are needed");
    s->user = text_field(L, "user");
    s->password = text_field(L, "password");
    s->ca = text_field(L, "ca");
    s->cert = text_field(L, "cert");
    s->key = text_field(L, "key");
}

static void read_limits(lua_State *L, struct spec *s)
{
    s->after = number_field(L, "after");
    s->connect_timeout = number_field(L, "connect_timeout");
    s->stall = number_field(L, "stall");
    s->limit = (curl_off_t)number_field(L, "max_body");
    s->idempotent = flag_field(L, "idempotent");
    s->insecure = flag_field(L, "insecure");
    s->stream = flag_field(L, "stream");
    s->follow = flag_field(L, "follow");
}

int op_prepare(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    struct http *http = lua_touserdata(L, lua_upvalueindex(1));
    luaL_checkstack(L, 6, "a request");
    struct spec *s = lua_newuserdata(L, sizeof *s);
    *s = (struct spec){.id = ++http->specs};
    luaL_getmetatable(L, SPEC);
    lua_setmetatable(L, -2);
    lua_pushvalue(L, 1);
    lua_setfenv(L, -2);
    lua_pushvalue(L, -1);
    lua_setfield(L, 1, "spec"); // who has the environment has it
    read_texts(L, s);
    read_limits(L, s);
    read_body(L, s);
    read_headers(L, s);
    return 1;
}

static int op_spec_gc(lua_State *L)
{
    struct spec *s = lua_touserdata(L, 1);
    curl_slist_free_all(s->headers);
    s->headers = NULL;
    return 0;
}

void spec_open(lua_State *L)
{
    luaL_newmetatable(L, SPEC);
    lua_pushcfunction(L, op_spec_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}

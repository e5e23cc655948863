/* curl_head.c: the header block of an answer, taken apart when somebody asks for it. */
#include "curl_http.h"

struct text { /* a part of the block */
    const char *at, *end;
};

static int is_end(char c)
{
    return c == '\r' || c == '\n';
}

static int is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The next line that is not empty; 0: there is none. */
static int line_take(struct text *rest, struct text *line)
{
    while (rest->at < rest->end && is_end(*rest->at))
        rest->at++;
    line->at = rest->at;
    while (rest->at < rest->end && !is_end(*rest->at))
        rest->at++;
    line->end = rest->at;
    return line->at < line->end;
}

static struct text trimmed(struct text t)
{
    while (t.at < t.end && is_space(*t.at))
        t.at++;
    while (t.at < t.end && is_space(t.end[-1]))
        t.end--;
    return t;
}

/* "name : value" -> 1; 0: it is something else. */
static int line_split(struct text line, struct text *name, struct text *value)
{
    const char *p = line.at;
    while (p < line.end && *p != ':' && !is_space(*p))
        p++;
    *name = (struct text){line.at, p};
    while (p < line.end && is_space(*p))
        p++;
    if (name->at == name->end || p == line.end || *p != ':')
        return 0;
    *value = trimmed((struct text){p + 1, line.end});
    return 1;
}

static void push_lower(lua_State *L, struct text t)
{
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (; t.at < t.end; t.at++)
        luaL_addchar(&b, (char)(*t.at >= 'A' && *t.at <= 'Z' ? *t.at + 32 : *t.at));
    luaL_pushresult(&b);
}

/* The value, with the lines that continue it. */
static void push_value(lua_State *L, struct text value, struct text *rest)
{
    struct text after = *rest, line;
    if (!line_take(&after, &line) || (*line.at != ' ' && *line.at != '\t')) {
        lua_pushlstring(L, value.at, (size_t)(value.end - value.at));
        return;
    }
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    luaL_addlstring(&b, value.at, (size_t)(value.end - value.at));
    do {
        struct text more = trimmed(line);
        luaL_addchar(&b, ' ');
        luaL_addlstring(&b, more.at, (size_t)(more.end - more.at));
        *rest = after;
    } while (line_take(&after, &line) && (*line.at == ' ' || *line.at == '\t'));
    luaL_pushresult(&b);
}

/* Pushes the list of all that the name has been given, made if this is its second value. */
static void push_list(lua_State *L)
{ // 1 block, 2 values, 3 lists or nil, 4 name, 5 value, 6 value before
    if (lua_isnil(L, 3)) {
        lua_createtable(L, 0, 1);
        lua_replace(L, 3);
    }
    lua_pushvalue(L, 4);
    lua_rawget(L, 3);
    if (!lua_isnil(L, -1))
        return;
    lua_pop(L, 1);
    lua_createtable(L, 2, 0);
    lua_pushvalue(L, 6);
    lua_rawseti(L, -2, 1);
    lua_pushvalue(L, 4);
    lua_pushvalue(L, -2);
    lua_rawset(L, 3);
}

static void keep(lua_State *L)
{ // 1 block, 2 values, 3 lists or nil, 4 name, 5 value
    lua_pushvalue(L, 4);
    lua_rawget(L, 2);
    if (lua_isnil(L, 6)) {
        lua_settop(L, 5);
        lua_rawset(L, 2);
        return;
    }
    push_list(L);
    lua_pushvalue(L, 5);
    lua_rawseti(L, -2, (int)lua_objlen(L, -2) + 1);
    lua_settop(L, 3);
}

int op_headers(lua_State *L)
{
    struct text rest, line, name, value;
    size_t length;
    rest.at = luaL_checklstring(L, 1, &length);
    rest.end = rest.at + length;
    lua_settop(L, 1);
    lua_createtable(L, 0, 8);
    lua_pushnil(L);
    while (line_take(&rest, &line)) {
        if (!line_split(line, &name, &value))
            continue;
        push_lower(L, name);
        push_value(L, value, &rest);
        keep(L);
    }
    return 2;
}

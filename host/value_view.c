/* value_view.c: values of Lua, seen from C. Nothing here raises: what was taken is given back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "value.h"

#define TYPE_CDATA 10 /* LuaJIT's lua_type of FFI data */
#define COUNT_MAX  (1u << 24)
#define EXACT      9007199254740992.0
#define HOLES_MAX  1024 /* of a list that is marked as one, beyond as many as it has items */

struct value_piece {
    struct value_piece *next;
    tusk_val values[];
};

struct viewer {
    lua_State *L;
    const struct value_refs *refs;
    struct value_view *view;
    const char *what, *why; /* why: NULL, or what is the matter */
    const char *type;       /* of the value that is in the way */
    uint32_t count;
    int no_memory;
    int number, depth;         /* of the value; how many tables are open */
    int keys[VALUE_DEPTH_MAX]; /* stack indices of the keys that lead here */
    const void *open[VALUE_DEPTH_MAX];
};

static int fail(struct viewer *w, const char *why)
{
    w->why = why;
    return -1;
}

static int fail_memory(struct viewer *w)
{
    w->no_memory = 1;
    return fail(w, "not enough memory");
}

static int refuse(struct viewer *w, int i)
{
    w->type = luaL_typename(w->L, i);
    return fail(w, "cannot be given to C");
}

/* ---- scalars ---- */

static void view_number(lua_State *L, int i, tusk_val *out)
{
    double d = lua_tonumber(L, i);
    int64_t whole = d >= -EXACT && d <= EXACT ? (int64_t)d : 0;
    *out = (double)whole == d && (whole || !__builtin_signbit(d)) ? tusk_int(whole) : tusk_num(d);
}

static int view_cdata(struct viewer *w, int i, tusk_val *out)
{
    lua_State *L = w->L;
    int64_t bits;
    lua_rawgeti(L, LUA_REGISTRYINDEX, w->refs->kind64);
    lua_pushvalue(L, i);
    int kind = lua_pcall(L, 1, 1, 0) ? 0 : (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    if (!kind)
        return refuse(w, i);
    memcpy(&bits, lua_topointer(L, i), sizeof bits);
    if (kind == 2 && bits < 0)
        return fail(w, "beyond what an int64_t holds");
    *out = tusk_int(bits);
    return 0;
}

static int view_userdata(struct viewer *w, int i, tusk_val *out)
{
    if (lua_topointer(w->L, i) != w->refs->null)
        return refuse(w, i);
    *out = tusk_nil();
    return 0;
}

/* ---- tables ---- */

struct shape {
    uint32_t count;  /* of keys */
    uint32_t last;   /* the largest that is a place in a list */
    uint8_t is_list; /* all of them are places */
};

/* Its metatable is the mark, or is itself marked: then it may know its length. */
static int is_marked(struct viewer *w, int i, uint32_t *last)
{
    lua_State *L = w->L;
    int top = lua_gettop(L), is = 0;
    if (lua_getmetatable(L, i)) {
        is = lua_topointer(L, -1) == w->refs->mark;
        if (!is && lua_getmetatable(L, -1) && lua_topointer(L, -1) == w->refs->mark) {
            is = 1;
            lua_pushliteral(L, "__index");
            lua_rawget(L, -3);
            double n = 0;
            if (lua_istable(L, -1)) {
                lua_pushliteral(L, "n");
                lua_rawget(L, -2);
                n = lua_tonumber(L, -1);
            }
            if (n > *last && n <= COUNT_MAX)
                *last = (uint32_t)n;
        }
    }
    lua_settop(L, top);
    return is;
}

static int look(struct viewer *w, int i, struct shape *s)
{
    lua_State *L = w->L;
    *s = (struct shape){.is_list = 1};
    lua_pushnil(L);
    while (lua_next(L, i)) {
        lua_pop(L, 1);
        double d = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : 0;
        if (!(d >= 1 && d <= COUNT_MAX && d == (uint32_t)d))
            s->is_list = 0;
        else if (d > s->last)
            s->last = (uint32_t)d;
        s->count++;
    }
    if (is_marked(w, i, &s->last)) {
        if (!s->is_list)
            return fail(w, "a list with named fields");
        if (s->last > 2 * s->count + HOLES_MAX)
            return fail(w, "a list with too many holes");
        return 0;
    }
    s->is_list = s->is_list && s->count && s->last == s->count;
    return 0;
}

static tusk_val *take_room(struct viewer *w, uint32_t n)
{
    if (n > COUNT_MAX - w->count) {
        fail(w, "more than C is given at once");
        return NULL;
    }
    struct value_piece *p = malloc(sizeof *p + n * sizeof *p->values);
    if (!p) {
        fail_memory(w);
        return NULL;
    }
    w->count += n;
    memset(p->values, 0, n * sizeof *p->values);
    p->next = w->view->pieces;
    w->view->pieces = p;
    return p->values;
}

static int view_one(struct viewer *w, int i, tusk_val *out);

static int view_items(struct viewer *w, int i, tusk_val *at)
{
    lua_State *L = w->L;
    lua_pushnil(L);
    while (lua_next(L, i)) {
        int key = lua_gettop(L) - 1;
        w->keys[w->depth - 1] = key;
        if (view_one(w, key + 1, &at[(uint32_t)lua_tonumber(L, key) - 1]))
            return -1;
        lua_pop(L, 1);
    }
    return 0;
}

static int view_key(struct viewer *w, int i, tusk_val *out)
{
    int type = lua_type(w->L, i);
    if (type == LUA_TSTRING || type == LUA_TNUMBER || type == LUA_TBOOLEAN)
        return view_one(w, i, out);
    w->type = luaL_typename(w->L, i);
    return fail(w, "as a key cannot be given to C");
}

static int view_pairs(struct viewer *w, int i, tusk_val *at)
{
    lua_State *L = w->L;
    lua_pushnil(L);
    for (; lua_next(L, i); at += 2) {
        int key = lua_gettop(L) - 1;
        w->keys[w->depth - 1] = 0;
        if (view_key(w, key, at))
            return -1;
        w->keys[w->depth - 1] = key;
        if (view_one(w, key + 1, at + 1))
            return -1;
        lua_pop(L, 1);
    }
    return 0;
}

static int enter(struct viewer *w, int i)
{
    const void *table = lua_topointer(w->L, i);
    for (int d = 0; d < w->depth; d++)
        if (w->open[d] == table)
            return fail(w, "a table that contains itself");
    if (w->depth == VALUE_DEPTH_MAX)
        return fail(w, "nested deeper than 64");
    if (!lua_checkstack(w->L, 16))
        return fail_memory(w);
    w->keys[w->depth] = 0;
    w->open[w->depth++] = table;
    return 0;
}

static int view_table(struct viewer *w, int i, tusk_val *out)
{
    struct shape s;
    tusk_val *at = NULL;
    if (enter(w, i) || look(w, i, &s))
        return -1;
    uint32_t n = s.is_list ? s.last : s.count;
    if (n && !(at = take_room(w, s.is_list ? n : 2 * n)))
        return -1;
    *out = s.is_list ? tusk_list(at, n) : tusk_map(at, n);
    if (s.is_list ? view_items(w, i, at) : view_pairs(w, i, at))
        return -1;
    w->depth--;
    return 0;
}

static int view_one(struct viewer *w, int i, tusk_val *out)
{
    size_t length;
    const char *bytes;
    switch (lua_type(w->L, i)) {
    case LUA_TNIL:
        *out = tusk_nil();
        return 0;
    case LUA_TBOOLEAN:
        *out = tusk_bool(lua_toboolean(w->L, i));
        return 0;
    case LUA_TNUMBER:
        view_number(w->L, i, out);
        return 0;
    case LUA_TSTRING:
        bytes = lua_tolstring(w->L, i, &length);
        *out = tusk_bytes(bytes, length);
        return 0;
    case LUA_TTABLE:
        return view_table(w, i, out);
    case LUA_TUSERDATA:
        return view_userdata(w, i, out);
    case TYPE_CDATA:
        return view_cdata(w, i, out);
    default:
        return refuse(w, i);
    }
}

/* ---- all of them ---- */

static void say_key(lua_State *L, luaL_Buffer *b, int key)
{
    char text[40];
    if (lua_type(L, key) == LUA_TSTRING) {
        luaL_addchar(b, '.');
        luaL_addstring(b, lua_tostring(L, key));
        return;
    }
    if (lua_type(L, key) == LUA_TNUMBER)
        snprintf(text, sizeof text, "[%.14g]", lua_tonumber(L, key));
    else
        snprintf(text, sizeof text, "[%s]", lua_toboolean(L, key) ? "true" : "false");
    luaL_addstring(b, text);
}

/* (viewer) -> "argument 2.items[3]: a function cannot be given to C" */
static int say(lua_State *L)
{
    const struct viewer *w = lua_touserdata(L, 1);
    char text[64];
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    snprintf(text, sizeof text, "%s %d", w->what, w->number);
    luaL_addstring(&b, text);
    for (int d = 0; d < w->depth; d++)
        if (lua_type(L, 2 + d) != LUA_TNIL)
            say_key(L, &b, 2 + d);
    luaL_addstring(&b, ": ");
    if (w->type) {
        luaL_addstring(&b, "a ");
        luaL_addstring(&b, w->type);
        luaL_addchar(&b, ' ');
    }
    luaL_addstring(&b, w->why);
    luaL_pushresult(&b);
    return 1;
}

static void push_reason(struct viewer *w, int top)
{
    lua_State *L = w->L;
    if (!lua_checkstack(L, VALUE_DEPTH_MAX + 8)) {
        lua_settop(L, top - 1); // the last value makes room: none is looked at any more
        lua_pushliteral(L, "not enough memory");
        return;
    }
    lua_pushcfunction(L, say);
    lua_pushlightuserdata(L, w);
    for (int d = 0; d < w->depth; d++) {
        if (w->keys[d])
            lua_pushvalue(L, w->keys[d]);
        else
            lua_pushnil(L);
    }
    lua_pcall(L, w->depth + 1, 1, 0);
}

static tusk_val *all_room(struct viewer *w, int n)
{
    return n <= VALUE_FEW ? w->view->few : take_room(w, (uint32_t)n);
}

static int view_all(struct viewer *w, int first, int n)
{
    if (n > (int)TUSK_ARGS_MAX) {
        w->number = (int)TUSK_ARGS_MAX + 1;
        return fail(w, "no more than 200 can be given to C");
    }
    if (!lua_checkstack(w->L, 16))
        return fail_memory(w);
    w->view->at = all_room(w, n);
    if (!w->view->at)
        return -1;
    for (int i = 0; i < n; i++) {
        w->number = i + 1;
        if (view_one(w, first + i, &w->view->at[i]))
            return -1;
    }
    w->view->n = (uint32_t)n;
    return 0;
}

int value_view(lua_State *L, const struct value_refs *refs, int first, const char *what,
               struct value_view *view)
{
    struct viewer w;
    int top = lua_gettop(L);
    w.L = L; // what is not set is written before it is read
    w.refs = refs;
    w.view = view;
    w.what = what;
    w.why = w.type = NULL;
    w.count = 0;
    w.number = w.depth = w.no_memory = 0;
    view->at = view->few;
    view->n = 0;
    view->pieces = NULL;
    if (!view_all(&w, first, top - first + 1))
        return 0;
    value_view_free(view);
    push_reason(&w, top);
    return w.no_memory ? -2 : -1;
}

void value_view_free(struct value_view *view)
{
    for (struct value_piece *p = view->pieces, *next; p; p = next) {
        next = p->next;
        free(p);
    }
    view->pieces = NULL;
    view->at = view->few;
    view->n = 0;
}

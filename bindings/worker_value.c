/* worker_value.c: values as bytes: nil, booleans, numbers, 64-bit integers, strings, null, tables.
 */
#include <stdlib.h>
#include <string.h>

#include "worker.h"

#define TYPE_CDATA 10 /* LuaJIT's lua_type of FFI data */
#define DEPTH_MAX  64
#define BYTES_MAX  (1u << 30)

enum tag {
    TAG_NIL,
    TAG_FALSE,
    TAG_TRUE,
    TAG_NUMBER,
    TAG_INT64,
    TAG_UINT64,
    TAG_STRING,
    TAG_NULL,
    TAG_TABLE,
    TAG_ARRAY, /* a table that is marked as a JSON array */
    TAG_END    /* of a table */
};

void value_refs_take(lua_State *L, int index, struct value_refs *refs)
{
    lua_getfield(L, index, "kind64");
    refs->kind64 = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_getfield(L, index, "make64");
    refs->make64 = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_getfield(L, index, "null");
    refs->null = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_getfield(L, index, "mark");
    refs->mark = luaL_ref(L, LUA_REGISTRYINDEX);
}

/* ---- writing ---- */

struct writer {
    lua_State *L;
    const struct copying *how;
    struct bytes *out;
    const char *why;             /* NULL, or what is the matter */
    const char *type;            /* of the value that cannot be copied */
    int number, depth;           /* of the value; how many tables are open */
    int keys[DEPTH_MAX];         /* stack indices of the keys that lead here */
    const void *open[DEPTH_MAX]; /* the tables */
};

static int fail(struct writer *w, const char *why)
{
    w->why = why;
    return -1;
}

static int put(struct writer *w, const void *from, size_t n)
{
    struct bytes *b = w->out;
    if (n > BYTES_MAX - b->length)
        return fail(w, "more than 1 GiB");
    if (b->size - b->length < n) {
        size_t size = (b->length + n) * 2 + 64;
        char *at = realloc(b->at, size);
        if (!at)
            return fail(w, "not enough memory");
        b->at = at;
        b->size = size;
    }
    memcpy(b->at + b->length, from, n);
    b->length += n;
    return 0;
}

static int put_tag(struct writer *w, enum tag tag)
{
    char byte = (char)tag;
    return put(w, &byte, 1);
}

static int put_tagged(struct writer *w, enum tag tag, const void *from, size_t n)
{
    return put_tag(w, tag) || put(w, from, n) ? -1 : 0;
}

static int put_string(struct writer *w, int i)
{
    size_t n;
    const char *s = lua_tolstring(w->L, i, &n);
    return put_tagged(w, TAG_STRING, &n, sizeof n) || put(w, s, n) ? -1 : 0;
}

static int refuse(struct writer *w, int i)
{
    w->type = luaL_typename(w->L, i);
    return fail(w, "cannot be copied");
}

static int put_cdata(struct writer *w, int i)
{
    lua_State *L = w->L;
    int kind = 0;
    lua_rawgeti(L, LUA_REGISTRYINDEX, w->how->refs->kind64);
    lua_pushvalue(L, i);
    if (!lua_pcall(L, 1, 1, 0))
        kind = (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    if (!kind)
        return refuse(w, i);
    return put_tagged(w, kind == 1 ? TAG_INT64 : TAG_UINT64, lua_topointer(L, i), 8);
}

static int is_same(struct writer *w, int i, int ref)
{
    lua_rawgeti(w->L, LUA_REGISTRYINDEX, ref);
    int same = lua_rawequal(w->L, i < 0 ? i - 1 : i, -1);
    lua_pop(w->L, 1);
    return same;
}

/* Its metatable is the mark, or is itself marked. */
static int is_array(struct writer *w, int i)
{
    int top = lua_gettop(w->L);
    int yes = lua_getmetatable(w->L, i) &&
              (is_same(w, -1, w->how->refs->mark) ||
               (lua_getmetatable(w->L, -1) && is_same(w, -1, w->how->refs->mark)));
    lua_settop(w->L, top);
    return yes;
}

static int put_value(struct writer *w, int i);

/* A key and its value, on top. What is left out leaves nothing. */
static int put_pair(struct writer *w, int key)
{
    size_t before = w->out->length;
    int depth = w->depth, type = lua_type(w->L, key), top = lua_gettop(w->L);
    int is_plain = type == LUA_TSTRING || type == LUA_TNUMBER || type == LUA_TBOOLEAN;
    if (!is_plain) {
        w->type = luaL_typename(w->L, key);
        fail(w, "cannot be a key");
    }
    if (is_plain && !put_value(w, key) && !put_value(w, key + 1))
        return 0;
    if (!w->how->lenient)
        return -1;
    w->why = NULL;
    w->depth = depth;
    w->out->length = before;
    lua_settop(w->L, top);
    return 0;
}

static int put_pairs(struct writer *w, int i)
{
    lua_State *L = w->L;
    lua_pushnil(L);
    while (lua_next(L, i)) {
        int key = lua_gettop(L) - 1;
        w->keys[w->depth - 1] = key;
        if (put_pair(w, key))
            return -1;
        lua_pop(L, 1);
    }
    return put_tag(w, TAG_END);
}

static int put_table(struct writer *w, int i)
{
    const void *table = lua_topointer(w->L, i);
    for (int d = 0; d < w->depth; d++)
        if (w->open[d] == table)
            return fail(w, "contains itself");
    if (w->depth == DEPTH_MAX)
        return fail(w, "nested deeper than 64");
    if (!lua_checkstack(w->L, 8))
        return fail(w, "not enough memory");
    w->keys[w->depth] = 0;
    w->open[w->depth++] = table;
    size_t items = lua_objlen(w->L, i);
    int rc = put_tagged(w, is_array(w, i) ? TAG_ARRAY : TAG_TABLE, &items, sizeof items);
    if (rc || put_pairs(w, i))
        return -1;
    w->depth--;
    return 0;
}

static int put_value(struct writer *w, int i)
{
    double number;
    switch (lua_type(w->L, i)) {
    case LUA_TNIL:
        return put_tag(w, TAG_NIL);
    case LUA_TBOOLEAN:
        return put_tag(w, lua_toboolean(w->L, i) ? TAG_TRUE : TAG_FALSE);
    case LUA_TNUMBER:
        number = lua_tonumber(w->L, i);
        return put_tagged(w, TAG_NUMBER, &number, sizeof number);
    case LUA_TSTRING:
        return put_string(w, i);
    case LUA_TTABLE:
        return put_table(w, i);
    case TYPE_CDATA:
        return put_cdata(w, i);
    default:
        return is_same(w, i, w->how->refs->null) ? put_tag(w, TAG_NULL) : refuse(w, i);
    }
}

/* "argument 2.items[3]: a function cannot be copied" */
static void push_message(struct writer *w)
{
    lua_State *L = w->L;
    int top = lua_gettop(L);
    if (!lua_checkstack(L, DEPTH_MAX + 8)) {
        lua_settop(L, top - 1);
        lua_pushliteral(L, "not enough memory");
        return;
    }
    lua_pushfstring(L, "%s %d", w->how->label, w->number - w->how->unnamed);
    for (int d = 0; d < w->depth && w->keys[d]; d++) {
        int key = w->keys[d];
        if (lua_type(L, key) == LUA_TSTRING)
            lua_pushfstring(L, ".%s", lua_tostring(L, key));
        else if (lua_type(L, key) == LUA_TNUMBER)
            lua_pushfstring(L, "[%f]", lua_tonumber(L, key));
        else
            lua_pushliteral(L, "[?]");
    }
    if (w->type)
        lua_pushfstring(L, ": a %s %s", w->type, w->why);
    else
        lua_pushfstring(L, ": %s", w->why);
    lua_concat(L, lua_gettop(L) - top);
}

int value_write(lua_State *L, int first, const struct copying *how, struct bytes *out)
{
    struct writer w = {.L = L, .how = how, .out = out};
    int last = lua_gettop(L);
    if (!lua_checkstack(L, 8)) {
        lua_settop(L, last - 1); // room for what is said
        lua_pushliteral(L, "not enough memory");
        return -1;
    }
    for (int i = first; i <= last; i++) {
        size_t before = out->length;
        w.number = i - first + 1;
        if (!put_value(&w, i))
            continue;
        if (!how->lenient) {
            push_message(&w);
            return -1;
        }
        w.why = NULL;
        w.depth = 0;
        out->length = before;
        lua_settop(L, last);
        put_tag(&w, TAG_NIL);
    }
    return 0;
}

/* ---- reading ---- */

struct reader {
    lua_State *L;
    const struct value_refs *refs;
    const char *at, *end;
};

static void get(struct reader *r, void *to, size_t n)
{
    memcpy(to, r->at, n);
    r->at += n;
}

static void read_64(struct reader *r, int is_unsigned)
{
    uint64_t n;
    get(r, &n, sizeof n);
    double low = (double)(n & 0xffffffffu);
    lua_rawgeti(r->L, LUA_REGISTRYINDEX, r->refs->make64);
    lua_pushnumber(r->L, is_unsigned ? (double)(n >> 32) : (double)((int64_t)n >> 32));
    lua_pushnumber(r->L, low);
    lua_pushboolean(r->L, is_unsigned);
    lua_call(r->L, 3, 1);
}

static void read_string(struct reader *r)
{
    size_t n;
    get(r, &n, sizeof n);
    lua_pushlstring(r->L, r->at, n);
    r->at += n;
}

static int read_value(struct reader *r);

static void read_table(struct reader *r, int is_array)
{
    size_t items;
    get(r, &items, sizeof items);
    luaL_checkstack(r->L, 8, "a table");
    lua_createtable(r->L, items > INT32_MAX ? 0 : (int)items, 0);
    while (read_value(r)) {
        read_value(r);
        lua_rawset(r->L, -3);
    }
    if (!is_array)
        return;
    lua_rawgeti(r->L, LUA_REGISTRYINDEX, r->refs->mark);
    lua_setmetatable(r->L, -2);
}

/* Pushes one value; 0 at the end of a table. */
static int read_value(struct reader *r)
{
    double number;
    int tag = *r->at++;
    switch (tag) {
    case TAG_END:
        return 0;
    case TAG_FALSE:
    case TAG_TRUE:
        lua_pushboolean(r->L, tag == TAG_TRUE);
        return 1;
    case TAG_NUMBER:
        get(r, &number, sizeof number);
        lua_pushnumber(r->L, number);
        return 1;
    case TAG_INT64:
    case TAG_UINT64:
        read_64(r, tag == TAG_UINT64);
        return 1;
    case TAG_STRING:
        read_string(r);
        return 1;
    case TAG_NULL:
        lua_rawgeti(r->L, LUA_REGISTRYINDEX, r->refs->null);
        return 1;
    case TAG_TABLE:
    case TAG_ARRAY:
        read_table(r, tag == TAG_ARRAY);
        return 1;
    default:
        lua_pushnil(r->L);
        return 1;
    }
}

int value_read(lua_State *L, const struct value_refs *refs, const struct bytes *in)
{
    struct reader r = {L, refs, in->at, in->at + in->length};
    int n = 0;
    for (; r.at < r.end; n++) {
        luaL_checkstack(L, 8, "values");
        read_value(&r);
    }
    return n;
}

/*
 * json_encode.cc: Lua values to JSON text. A value that has no exact JSON form is refused, with
 * the way to it.
 */
#include "json_write.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr int TCDATA = 10; // LuaJIT's type tag of cdata
constexpr size_t KEEP = 1 << 20;
constexpr double EXACT = 9007199254740992.0; // 2^53: up to here doubles are integers
constexpr int DEPTH_MAX = 1000, SHOWN = 12;  // levels, and those a message names

using writer = json_writer;
using level = json_level;

void write_value(writer *w, int at);

void put_break(writer *w)
{
    if (!w->pretty)
        return;
    size_t n = static_cast<size_t>(w->depth) * 2;
    char *p = room(w, n + 1);
    *p = '\n';
    memset(p + 1, ' ', n);
    w->box->len += n + 1;
}

// Refusing.

void add_key(luaL_Buffer *b, lua_State *L, int key)
{
    size_t n;
    const char *s = lua_tolstring(L, key, &n);
    bool plain = n > 0 && n <= 60;
    for (size_t i = 0; i < n && plain; i++)
        plain = isalnum(static_cast<unsigned char>(s[i])) || s[i] == '_';
    luaL_addstring(b, plain ? "." : "[\"");
    for (size_t i = 0; i < std::min<size_t>(n, 60); i++)
        luaL_addchar(b, static_cast<unsigned char>(s[i]) < 0x20 ? '?' : s[i]);
    if (!plain)
        luaL_addstring(b, n > 60 ? "...\"]" : "\"]");
}

const char *push_path(writer *w)
{
    luaL_Buffer b;
    luaL_buffinit(w->L, &b);
    luaL_addstring(&b, "value");
    for (int i = 0; i < std::min(w->depth, SHOWN); i++) {
        const level *l = &w->levels[i];
        char item[24];
        snprintf(item, sizeof item, "[%d]", l->item);
        if (l->item)
            luaL_addstring(&b, item);
        else if (l->key)
            add_key(&b, w->L, l->key);
    }
    if (w->depth > SHOWN)
        luaL_addstring(&b, "...");
    luaL_pushresult(&b);
    return lua_tostring(w->L, -1);
}

// Scalars.

void write_number(writer *w, double v)
{
    if (!std::isfinite(v))
        json_refuse(w, std::isnan(v) ? "not a number (nan)" : "an infinite number");
    char *p = room(w, 40);
    std::to_chars_result r;
    if (v == 0 && std::signbit(v))
        r.ptr = static_cast<char *>(mempcpy(p, "-0.0", 4));
    else if (std::fabs(v) > EXACT)
        r = std::to_chars(p, p + 40, v, std::chars_format::scientific); // not as an integer
    else if (v == std::floor(v))
        r = std::to_chars(p, p + 40, static_cast<long long>(v));
    else
        r = std::to_chars(p, p + 40, v); // the shortest text that reads back as v
    w->box->len += static_cast<size_t>(r.ptr - p);
}

void write_cdata(writer *w, int at)
{
    lua_State *L = w->L;
    size_t n;
    lua_pushvalue(L, lua_upvalueindex(UP_INT));
    lua_pushvalue(L, at);
    lua_call(L, 1, 1);
    const char *digits = lua_tolstring(L, -1, &n);
    if (!digits)
        json_refuse(w, "cdata other than a 64-bit integer");
    put(w, digits, n);
    lua_pop(L, 1);
}

// Tables.

struct shape {
    size_t fields, items;
    double last; // the largest index
};

void refuse_key(writer *w)
{
    if (lua_type(w->L, -1) != LUA_TNUMBER)
        json_refuse(w, lua_pushfstring(w->L, "a key that is a %s", luaL_typename(w->L, -1)));
    json_refuse(w, lua_pushfstring(w->L, "the key %f (list items are numbered from 1)",
                                   lua_tonumber(w->L, -1)));
}

// What kinds of key the table at `at` has.
void measure(writer *w, int at, shape *s)
{
    lua_State *L = w->L;
    *s = shape{};
    lua_pushnil(L);
    while (lua_next(L, at)) {
        lua_pop(L, 1);
        double k = lua_type(L, -1) == LUA_TNUMBER ? lua_tonumber(L, -1) : 0;
        if (lua_type(L, -1) == LUA_TSTRING)
            s->fields++;
        else if (k >= 1 && k == std::floor(k))
            s->items++;
        else
            refuse_key(w);
        s->last = std::max(s->last, k);
    }
}

// The mark is the table's metatable, or that of its metatable.
bool is_marked(lua_State *L, int at)
{
    int top = lua_gettop(L);
    bool is = lua_getmetatable(L, at) &&
              (lua_rawequal(L, -1, lua_upvalueindex(UP_MARK)) ||
               (lua_getmetatable(L, -1) && lua_rawequal(L, -1, lua_upvalueindex(UP_MARK))));
    lua_settop(L, top);
    return is;
}

// Refuses a table that is neither a list nor has only named fields; how many of either it has.
void check_shape(writer *w, int at, shape *s)
{
    w->depth--; // the fault is the table's own
    measure(w, at, s);
    if (s->items && s->fields)
        json_refuse(w, "a table with both list items and named fields");
    if (static_cast<double>(s->items) != s->last)
        json_refuse(w, lua_pushfstring(w->L, "a list with holes (%d items, the last is number %f)",
                                       static_cast<int>(s->items), s->last));
    w->depth++;
}

// The length of a list whose items are all where lists have them, and that has nothing else; 0: it
// takes a closer look. There may be holes in it.
size_t plain_list(lua_State *L, int at)
{
    size_t n = lua_objlen(L, at);
    lua_pushnumber(L, static_cast<double>(n));
    if (n == 0 || !lua_next(L, at))
        return n;
    lua_pop(L, 2);
    return 0;
}

void write_items(writer *w, int at, size_t n)
{
    shape s;
    if (n == 0) {
        check_shape(w, at, &s);
        n = s.items;
    }
    for (size_t i = 1; i <= n; i++) {
        w->levels[w->depth - 1].item = static_cast<int>(i);
        if (i > 1)
            put_char(w, ',');
        put_break(w);
        lua_rawgeti(w->L, at, static_cast<int>(i));
        if (lua_isnil(w->L, -1)) {
            w->levels[w->depth - 1].item = 0;
            check_shape(w, at, &s);
        }
        write_value(w, lua_gettop(w->L));
        lua_pop(w->L, 1);
    }
}

// The key is on top of the stack and its value above it; takes the value away.
void write_field(writer *w, bool first)
{
    size_t n;
    int value = lua_gettop(w->L);
    const char *key = lua_tolstring(w->L, value - 1, &n);
    w->levels[w->depth - 1].key = value - 1;
    if (!first)
        put_char(w, ',');
    put_break(w);
    json_write_string(w, key, n);
    put(w, ": ", w->pretty ? 2 : 1);
    write_value(w, value);
    lua_pop(w->L, 1);
}

// The first key and value are on the stack.
void write_fields(writer *w, int at)
{
    bool first = true;
    do {
        if (lua_type(w->L, -2) != LUA_TSTRING) {
            shape s;
            w->levels[w->depth - 1].key = 0;
            check_shape(w, at, &s);
        }
        write_field(w, first);
        first = false;
    } while (lua_next(w->L, at));
}

bool key_before(const json_key &a, const json_key &b)
{
    int r = memcmp(a.text, b.text, std::min(a.len, b.len));
    return r ? r < 0 : a.len < b.len;
}

// The strings stay where they are: the table holds them.
void collect_keys(writer *w, int at, size_t n)
{
    json_box *b = w->box;
    if (b->nkeys + n > b->keys_cap) {
        size_t cap = std::max(b->keys_cap * 2, b->nkeys + n);
        auto *keys = static_cast<json_key *>(realloc(b->keys, cap * sizeof(json_key)));
        if (!keys)
            luaL_error(w->L, "not enough memory");
        b->keys = keys;
        b->keys_cap = cap;
    }
    lua_pushnil(w->L);
    while (lua_next(w->L, at)) {
        lua_pop(w->L, 1);
        json_key *k = &b->keys[b->nkeys++];
        k->text = lua_tolstring(w->L, -1, &k->len);
    }
}

void write_sorted(writer *w, int at)
{
    shape s;
    check_shape(w, at, &s);
    size_t base = w->box->nkeys, n = s.fields;
    collect_keys(w, at, n);
    std::sort(w->box->keys + base, w->box->keys + base + n, key_before);
    for (size_t i = 0; i < n; i++) {
        const json_key *k = &w->box->keys[base + i];
        lua_pushlstring(w->L, k->text, k->len);
        lua_pushvalue(w->L, -1);
        lua_rawget(w->L, at);
        write_field(w, i == 0);
        lua_pop(w->L, 1);
    }
    w->box->nkeys = base;
}

void enter(writer *w, int at)
{
    const void *table = lua_topointer(w->L, at);
    for (int i = 0; i < w->depth; i++)
        if (w->levels[i].table == table)
            json_refuse(w, "a table that contains itself");
    if (w->depth == w->limit)
        json_refuse(w, lua_pushfstring(w->L, "nested deeper than %d", w->limit));
    luaL_checkstack(w->L, 10, "too many nested tables");
    w->levels[w->depth++] = level{table, 0, 0};
}

void write_close(writer *w, char close)
{
    w->depth--;
    put_break(w);
    put_char(w, close);
}

void write_list(writer *w, int at)
{
    put_char(w, '[');
    write_items(w, at, plain_list(w->L, at));
    write_close(w, ']');
}

// Its first key and value are on the stack.
void write_object(writer *w, int at)
{
    put_char(w, '{');
    if (w->sort)
        write_sorted(w, at);
    else
        write_fields(w, at);
    write_close(w, '}');
}

void write_table(writer *w, int at)
{
    int top = lua_gettop(w->L);
    enter(w, at);
    lua_pushnil(w->L);
    if (!lua_next(w->L, at)) {
        put(w, is_marked(w->L, at) ? "[]" : "{}", 2);
        w->depth--;
    } else if (lua_type(w->L, -2) == LUA_TSTRING) {
        write_object(w, at);
    } else {
        write_list(w, at);
    }
    lua_settop(w->L, top);
}

void write_other(writer *w, int at)
{
    if (lua_rawequal(w->L, at, lua_upvalueindex(UP_NULL)))
        put(w, "null", 4);
    else
        json_refuse(w, lua_pushfstring(w->L, "a %s", luaL_typename(w->L, at)));
}

void write_value(writer *w, int at)
{
    lua_State *L = w->L;
    switch (lua_type(L, at)) {
    case LUA_TSTRING: {
        size_t n;
        const char *s = lua_tolstring(L, at, &n);
        return json_write_string(w, s, n);
    }
    case LUA_TNUMBER:
        return write_number(w, lua_tonumber(L, at));
    case LUA_TBOOLEAN:
        return lua_toboolean(L, at) ? put(w, "true", 4) : put(w, "false", 5);
    case LUA_TTABLE:
        return write_table(w, at);
    case LUA_TNIL:
        return put(w, "null", 4);
    case TCDATA:
        return write_cdata(w, at);
    default:
        return write_other(w, at);
    }
}

} // namespace

[[noreturn]] void json_refuse(json_writer *w, const char *what)
{
    const char *path = push_path(w);
    tusk_error(w->L, "json.value", "cannot write %s as JSON: %s", path, what);
    lua_pushstring(w->L, path);
    lua_setfield(w->L, -2, "path");
    lua_error(w->L);
    __builtin_unreachable();
}

extern "C" int op_encode(lua_State *L)
{
    level levels[DEPTH_MAX];
    writer w = {};
    w.L = L;
    w.pretty = lua_toboolean(L, 2);
    w.sort = lua_toboolean(L, 3);
    w.limit = std::min(static_cast<int>(luaL_checkinteger(L, 4)), DEPTH_MAX);
    w.levels = levels;
    lua_settop(L, 1);
    w.box = json_take(L);
    w.box->len = 0;
    w.box->nkeys = 0;
    write_value(&w, 1);
    lua_pushlstring(L, w.box->out, w.box->len);
    if (w.box->cap > KEEP) {
        free(w.box->out);
        w.box->out = nullptr;
        w.box->len = w.box->cap = 0;
    }
    json_give(L, 2);
    return 1;
}

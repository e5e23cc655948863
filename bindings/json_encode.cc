/*
 * json_encode.cc: Lua values to JSON text. A value that has no exact JSON form is refused, with
 * the way to it.
 */
#include "json.h"

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

// One table on the way from the root: where its current key lies, or which item it is at.
struct level {
    const void *table;
    int item; // 0: a field, named by the string at stack index `key`
    int key;
};

struct writer {
    lua_State *L;
    json_box *box;
    bool pretty, sort;
    int limit, depth;
    level *levels;
};

void write_value(writer *w, int at);

// Output.

char *room(writer *w, size_t n)
{
    json_box *b = w->box;
    if (b->cap - b->len < n) {
        size_t cap = std::max(b->cap * 2, b->len + n + 256);
        auto *out = static_cast<char *>(realloc(b->out, cap));
        if (!out)
            luaL_error(w->L, "not enough memory");
        b->out = out;
        b->cap = cap;
    }
    return b->out + b->len;
}

void put(writer *w, const char *s, size_t n)
{
    memcpy(room(w, n), s, n);
    w->box->len += n;
}

void put_char(writer *w, char c)
{
    *room(w, 1) = c;
    w->box->len++;
}

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

[[noreturn]] void refuse(writer *w, const char *what)
{
    const char *path = push_path(w);
    tusk_error(w->L, "json.value", "cannot write %s as JSON: %s", path, what);
    lua_pushstring(w->L, path);
    lua_setfield(w->L, -2, "path");
    lua_error(w->L);
    __builtin_unreachable();
}

// Scalars.

void put_escaped(writer *w, unsigned char c)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
    const char *p = c ? strchr(from, c) : nullptr;
    char text[8];
    int n = p ? snprintf(text, sizeof text, "\\%c", to[p - from])
              : snprintf(text, sizeof text, "\\u%04x", c);
    put(w, text, static_cast<size_t>(n));
}

void write_string(writer *w, const char *text, size_t len)
{
    auto *s = reinterpret_cast<const unsigned char *>(text), *end = s + len, *run = s;
    room(w, len + 2);
    put_char(w, '"');
    while (s < end) {
        size_t n = *s < 0x80 ? 1 : json_utf8(s, end);
        if (n == 0)
            refuse(w, "a string that is not UTF-8");
        if (*s >= 0x20 && *s != '"' && *s != '\\') {
            s += n;
            continue;
        }
        put(w, reinterpret_cast<const char *>(run), static_cast<size_t>(s - run));
        put_escaped(w, *s++);
        run = s;
    }
    put(w, reinterpret_cast<const char *>(run), static_cast<size_t>(end - run));
    put_char(w, '"');
}

void write_number(writer *w, double v)
{
    if (!std::isfinite(v))
        refuse(w, std::isnan(v) ? "not a number (nan)" : "an infinite number");
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
        refuse(w, "cdata other than a 64-bit integer");
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
        refuse(w, lua_pushfstring(w->L, "a key that is a %s", luaL_typename(w->L, -1)));
    refuse(w, lua_pushfstring(w->L, "the key %f (list items are numbered from 1)",
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

void write_items(writer *w, int at, size_t n)
{
    put_char(w, '[');
    for (size_t i = 1; i <= n; i++) {
        w->levels[w->depth - 1].item = static_cast<int>(i);
        if (i > 1)
            put_char(w, ',');
        put_break(w);
        lua_rawgeti(w->L, at, static_cast<int>(i));
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
    write_string(w, key, n);
    put(w, ": ", w->pretty ? 2 : 1);
    write_value(w, value);
    lua_pop(w->L, 1);
}

void write_fields(writer *w, int at)
{
    bool first = true;
    lua_pushnil(w->L);
    while (lua_next(w->L, at)) {
        write_field(w, first);
        first = false;
    }
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

void write_sorted(writer *w, int at, size_t n)
{
    size_t base = w->box->nkeys;
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
            refuse(w, "a table that contains itself");
    if (w->depth == w->limit)
        refuse(w, lua_pushfstring(w->L, "nested deeper than %d", w->limit));
    luaL_checkstack(w->L, 10, "too many nested tables");
    w->levels[w->depth++] = level{table, 0, 0};
}

// The brackets of nothing, or of what `body` has written.
void leave(writer *w, char close, bool any)
{
    w->depth--;
    if (any)
        put_break(w);
    put_char(w, close);
}

void write_table(writer *w, int at)
{
    shape s;
    measure(w, at, &s);
    bool list = s.items > 0 || (s.fields == 0 && is_marked(w->L, at));
    if (s.items && s.fields)
        refuse(w, "a table with both list items and named fields");
    if (static_cast<double>(s.items) != s.last)
        refuse(w, lua_pushfstring(w->L, "a list with holes (%d items, the last is number %f)",
                                  static_cast<int>(s.items), s.last));
    enter(w, at);
    if (list) {
        write_items(w, at, s.items);
    } else {
        put_char(w, '{');
        if (w->sort)
            write_sorted(w, at, s.fields);
        else
            write_fields(w, at);
    }
    leave(w, list ? ']' : '}', s.items + s.fields > 0);
}

void write_other(writer *w, int at)
{
    if (lua_rawequal(w->L, at, lua_upvalueindex(UP_NULL)))
        put(w, "null", 4);
    else
        refuse(w, lua_pushfstring(w->L, "a %s", luaL_typename(w->L, at)));
}

void write_value(writer *w, int at)
{
    lua_State *L = w->L;
    switch (lua_type(L, at)) {
    case LUA_TSTRING: {
        size_t n;
        const char *s = lua_tolstring(L, at, &n);
        return write_string(w, s, n);
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

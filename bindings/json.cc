/*
 * json.cc: JSON text to Lua values. simdjson parses; this walks its result and builds tables.
 */
/* link: -lsimdjson -lstdc++ */
#define SIMDJSON_EXCEPTIONS 0
#include <simdjson.h>

#include "json.h"

#include <cstdlib>
#include <cstring>
#include <new>

using namespace simdjson;

namespace {

// A parser that has grown beyond this is not kept for the next text.
constexpr size_t KEEP = 1 << 20;
constexpr int64_t EXACT = int64_t{1} << 53; // beyond it doubles skip integers
constexpr int DEPTH_MAX = 1000;
constexpr int NULL_AT = 4, BOX_AT = 5; // stack indices: what null is outside of arrays; the box

dom::parser *parser_of(lua_State *L, json_box *box)
{
    auto *p = static_cast<dom::parser *>(box->parser);
    if (p && p->capacity() > KEEP) {
        delete p;
        box->parser = p = nullptr;
    }
    if (!p)
        box->parser = p = new (std::nothrow) dom::parser;
    if (!p)
        luaL_error(L, "not enough memory");
    return p;
}

// A copy of the text, with what the parser may read behind it. nullptr: no memory.
const char *padded(json_box *box, const char *text, size_t len)
{
    size_t need = len + SIMDJSON_PADDING;
    if (box->in_cap < need) {
        free(box->in);
        box->in = static_cast<char *>(malloc(need));
        box->in_cap = box->in ? need : 0;
    }
    return box->in ? static_cast<char *>(memcpy(box->in, text, len)) : nullptr;
}

// Of large texts it is not kept.
void unpad(json_box *box)
{
    if (box->in_cap <= KEEP)
        return;
    free(box->in);
    box->in = nullptr;
    box->in_cap = 0;
}

int box_gc(lua_State *L)
{
    auto *box = static_cast<json_box *>(lua_touserdata(L, 1));
    delete static_cast<dom::parser *>(box->parser);
    free(box->in);
    free(box->out);
    free(box->keys);
    *box = json_box{};
    return 0;
}

// Building: each returns false when nested too deep; what was pushed is then left to the caller.

bool push_value(lua_State *L, dom::element e, int depth);

// A double cannot carry it: the two halves do, exactly.
void push_wide(lua_State *L, uint64_t v, bool is_unsigned)
{
    lua_pushvalue(L, lua_upvalueindex(UP_INT));
    lua_pushnumber(L, static_cast<double>(v >> 32));
    lua_pushnumber(L, static_cast<double>(v & 0xffffffffu));
    lua_pushboolean(L, is_unsigned);
    lua_call(L, 3, 1);
}

void push_int(lua_State *L, int64_t v)
{
    if (v >= -EXACT && v <= EXACT)
        lua_pushnumber(L, static_cast<double>(v));
    else
        push_wide(L, static_cast<uint64_t>(v), false);
}

bool push_array(lua_State *L, dom::array list, int depth)
{
    int i = 0;
    lua_createtable(L, static_cast<int>(list.size()), 0);
    for (dom::element e : list) {
        if (e.type() == dom::element_type::NULL_VALUE)
            lua_pushvalue(L, lua_upvalueindex(UP_NULL));
        else if (!push_value(L, e, depth))
            return false;
        lua_rawseti(L, -2, ++i);
    }
    if (i == 0) {
        lua_pushvalue(L, lua_upvalueindex(UP_MARK));
        lua_setmetatable(L, -2);
    }
    return true;
}

bool push_object(lua_State *L, dom::object fields, int depth)
{
    lua_createtable(L, 0, static_cast<int>(fields.size()));
    for (dom::key_value_pair f : fields) {
        lua_pushlstring(L, f.key.data(), f.key.size());
        if (!push_value(L, f.value, depth))
            return false;
        lua_rawset(L, -3); // a null that is nil also takes away an earlier field of this name
    }
    return true;
}

bool push_container(lua_State *L, dom::element e, int depth)
{
    if (depth == 0)
        return false;
    luaL_checkstack(L, 8, "JSON is nested too deep");
    dom::array list;
    if (e.get(list) == SUCCESS)
        return push_array(L, list, depth - 1);
    dom::object fields;
    return e.get(fields) == SUCCESS && push_object(L, fields, depth - 1);
}

bool push_value(lua_State *L, dom::element e, int depth)
{
    switch (e.type()) {
    case dom::element_type::STRING: {
        std::string_view s = e.get_string().value_unsafe();
        lua_pushlstring(L, s.data(), s.size());
        return true;
    }
    case dom::element_type::INT64:
        push_int(L, e.get_int64().value_unsafe());
        return true;
    case dom::element_type::DOUBLE:
        lua_pushnumber(L, e.get_double().value_unsafe());
        return true;
    case dom::element_type::BOOL:
        lua_pushboolean(L, e.get_bool().value_unsafe());
        return true;
    case dom::element_type::NULL_VALUE:
        lua_pushvalue(L, NULL_AT);
        return true;
    case dom::element_type::UINT64:
        push_wide(L, e.get_uint64().value_unsafe(), true);
        return true;
    default:
        return push_container(L, e, depth);
    }
}

// Failing.

struct source {
    const char *text;
    size_t len;
    int depth;
    size_t line; // the number of its first one
};

void set_number(lua_State *L, const char *key, size_t value)
{
    lua_pushnumber(L, static_cast<double>(value));
    lua_setfield(L, -2, key);
}

int raise_fault(lua_State *L, const source *from, const json_fault *f, const char *name)
{
    size_t line = from->line, column = 1;
    for (size_t i = 0; i < f->offset; i++) {
        if (from->text[i] == '\n') {
            line++;
            column = 1;
        } else if ((from->text[i] & 0xc0) != 0x80) {
            column++;
        }
    }
    const char *in = name ? lua_pushfstring(L, " in \"%s\"", name) : "";
    tusk_error(L, f->kind, "invalid JSON%s at line %d, column %d: %s", in, static_cast<int>(line),
               static_cast<int>(column), f->message);
    set_number(L, "line", line);
    set_number(L, "column", column);
    set_number(L, "offset", f->offset + 1);
    if (name) {
        lua_pushstring(L, name);
        lua_setfield(L, -2, "path");
    }
    return lua_error(L);
}

int refuse(lua_State *L, const source *from, error_code code)
{
    json_fault f;
    const char *name = luaL_optstring(L, 3, nullptr);
    if (code == MEMALLOC)
        return luaL_error(L, "not enough memory");
    if (!json_locate(from->text, from->len, static_cast<unsigned>(from->depth), &f))
        f = json_fault{"json.syntax", error_message(code), 0};
    return raise_fault(L, from, &f, name);
}

// A byte order mark is allowed and means nothing.
size_t mark_length(const char *text, size_t len)
{
    return len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3) ? 3 : 0;
}

// decode(text, depth, name or nil, keep nulls, number of its first line or nil) -> value
int op_decode(lua_State *L)
{
    source from;
    from.text = luaL_checklstring(L, 1, &from.len);
    from.depth = static_cast<int>(luaL_checkinteger(L, 2));
    from.line = static_cast<size_t>(luaL_optnumber(L, 5, 1));
    size_t skip = mark_length(from.text, from.len);
    from.text += skip;
    from.len -= skip;
    lua_settop(L, NULL_AT);
    lua_pushvalue(L, lua_upvalueindex(UP_NULL));
    if (!lua_toboolean(L, NULL_AT))
        lua_pushnil(L);
    lua_replace(L, NULL_AT);
    lua_settop(L, NULL_AT);
    json_box *box = json_take(L);
    dom::parser *parser = parser_of(L, box);
    error_code code = parser->allocate(from.len, DEPTH_MAX + 8);
    const char *text = padded(box, from.text, from.len);
    dom::element root;
    if (code == SUCCESS)
        code = text ? parser->parse(text, from.len, false).get(root) : MEMALLOC;
    unpad(box); // the document has copies of all strings
    bool built = code == SUCCESS && push_value(L, root, from.depth);
    if (!built) {
        lua_settop(L, BOX_AT);
        json_give(L, BOX_AT);
        return refuse(L, &from, code == SUCCESS ? DEPTH_ERROR : code);
    }
    json_give(L, BOX_AT);
    return 1;
}

// bind(mark, null, make_int, int_text) -> {decode, encode}
int op_bind(lua_State *L)
{
    lua_settop(L, 4);
    lua_newtable(L);
    lua_newtable(L); // mark, null, make_int, int_text, verbs, metatable
    lua_pushcfunction(L, box_gc);
    lua_setfield(L, -2, "__gc");
    const lua_CFunction verbs[] = {op_decode, op_encode};
    const char *const names[] = {"decode", "encode"};
    for (int i = 0; i < 2; i++) {
        lua_pushnil(L);
        lua_pushvalue(L, 6);
        lua_pushvalue(L, 1);
        lua_pushvalue(L, 2);
        lua_pushvalue(L, 3 + i);
        lua_pushcclosure(L, verbs[i], UP_INT);
        lua_setfield(L, 5, names[i]);
    }
    lua_settop(L, 5);
    return 1;
}

} // namespace

extern "C" json_box *json_take(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(UP_BOX));
    lua_pushnil(L);
    lua_replace(L, lua_upvalueindex(UP_BOX));
    if (lua_touserdata(L, -1))
        return static_cast<json_box *>(lua_touserdata(L, -1));
    lua_pop(L, 1);
    auto *box = static_cast<json_box *>(lua_newuserdata(L, sizeof(json_box)));
    *box = json_box{};
    lua_pushvalue(L, lua_upvalueindex(UP_META));
    lua_setmetatable(L, -2);
    return box;
}

extern "C" void json_give(lua_State *L, int at)
{
    lua_pushvalue(L, at);
    lua_replace(L, lua_upvalueindex(UP_BOX));
}

extern "C" TUSK_LUA_EXPORT int luaopen_tusk_binding_json(lua_State *L)
{
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, op_bind);
    lua_setfield(L, -2, "bind");
    return 1;
}

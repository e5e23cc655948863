/*
 * regex.c: regular expressions over UTF-8, by PCRE2. What they may cost is bounded: a pattern that
 * goes back and forth over a text without end is given up.
 */
/* link: -lpcre2-8 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "tusk_lua.h"

#define REGEX "tusk.regex"

enum {
    PATTERN_MAX = 64 * 1024,
    STEPS = 1000 * 1000,  /* of one match; a thousand times what a text of usual size needs */
    HEAP_KIB = 16 * 1024, /* of one match that JIT has no room for */
    JIT_START = 32 * 1024,
    JIT_MAX = 512 * 1024
};

struct regex {
    pcre2_code *code;
    pcre2_match_data *data;
};

/* How all patterns of one Lua state are matched. */
struct limits {
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
};

static int regex_gc(lua_State *L)
{
    struct regex *r = lua_touserdata(L, 1);
    pcre2_match_data_free(r->data);
    pcre2_code_free(r->code);
    *r = (struct regex){0};
    return 0;
}

static int limits_gc(lua_State *L)
{
    struct limits *m = lua_touserdata(L, 1);
    pcre2_match_context_free(m->context);
    pcre2_jit_stack_free(m->stack);
    *m = (struct limits){0};
    return 0;
}

static int refuse(lua_State *L, int code, size_t offset)
{
    PCRE2_UCHAR text[256];
    pcre2_get_error_message(code, text, sizeof text);
    lua_pushnil(L);
    lua_pushstring(L, (const char *)text);
    lua_pushnumber(L, (lua_Number)offset);
    return 3;
}

/* compile(pattern) -> regex, or nil, why, bytes before the place */
static int op_compile(lua_State *L)
{
    size_t len, offset = 0;
    int code = 0;
    const char *pattern = luaL_checklstring(L, 1, &len);
    luaL_argcheck(L, len <= PATTERN_MAX, 1, "the pattern is longer than 64 KiB");
    struct regex *r = lua_newuserdata(L, sizeof *r);
    *r = (struct regex){0};
    luaL_getmetatable(L, REGEX);
    lua_setmetatable(L, -2);
    uint32_t options = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_MATCH_UNSET_BACKREF |
                       PCRE2_NEVER_BACKSLASH_C | PCRE2_NEVER_UCP;
    r->code = pcre2_compile((PCRE2_SPTR)pattern, len, options, &code, &offset, NULL);
    if (!r->code)
        return refuse(L, code, offset);
    r->data = pcre2_match_data_create(1, NULL); // whether, not where
    if (!r->data)
        return luaL_error(L, "not enough memory");
    pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE); // without it matching is slower, no more
    return 1;
}

static int is_bad_utf8(int code)
{
    return code <= PCRE2_ERROR_UTF8_ERR1 && code >= PCRE2_ERROR_UTF8_ERR21;
}

/* test(regex, text) -> whether it occurs in it, or nil and "limit" or "utf8" */
static int op_test(lua_State *L)
{
    size_t len;
    struct regex *r = luaL_checkudata(L, 1, REGEX);
    const char *text = luaL_checklstring(L, 2, &len);
    struct limits *m = lua_touserdata(L, lua_upvalueindex(1));
    int n = pcre2_match(r->code, (PCRE2_SPTR)text, len, 0, 0, r->data, m->context);
    if (n == PCRE2_ERROR_JIT_STACKLIMIT)
        n = pcre2_match(r->code, (PCRE2_SPTR)text, len, 0, PCRE2_NO_JIT, r->data, m->context);
    if (n >= 0 || n == PCRE2_ERROR_NOMATCH) {
        lua_pushboolean(L, n >= 0);
        return 1;
    }
    lua_pushnil(L);
    lua_pushstring(L, is_bad_utf8(n) ? "utf8" : "limit");
    return 2;
}

static void set_gc(lua_State *L, lua_CFunction gc)
{
    lua_pushcfunction(L, gc);
    lua_setfield(L, -2, "__gc");
}

static void push_limits(lua_State *L)
{
    struct limits *m = lua_newuserdata(L, sizeof *m);
    *m = (struct limits){0};
    lua_newtable(L);
    set_gc(L, limits_gc);
    lua_setmetatable(L, -2);
    m->context = pcre2_match_context_create(NULL);
    if (!m->context)
        luaL_error(L, "not enough memory");
    m->stack = pcre2_jit_stack_create(JIT_START, JIT_MAX, NULL);
    pcre2_set_match_limit(m->context, STEPS);
    pcre2_set_heap_limit(m->context, HEAP_KIB);
    pcre2_jit_stack_assign(m->context, NULL, m->stack); // NULL: the 32 KiB of the C stack
}

static const luaL_Reg verbs[] = {{"compile", op_compile}, {"test", op_test}, {NULL, NULL}};

TUSK_LUA_EXPORT int luaopen_tusk_binding_regex(lua_State *L);

int luaopen_tusk_binding_regex(lua_State *L)
{
    luaL_newmetatable(L, REGEX);
    set_gc(L, regex_gc);
    lua_newtable(L);
    push_limits(L);
    luaL_setfuncs(L, verbs, 1);
    return 1;
}

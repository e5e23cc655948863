/*
 * text.c: what is done to whole texts, byte for byte: cutting, trimming, counting, replacing.
 *
 * White space is what isspace() says in the C locale. Zero bytes are bytes like any other.
 */
#include "tusk_lua.h"

#include <string.h>

enum { TRIM_START = 1, TRIM_END = 2 };
enum { KEPT = 64 * 1024 };

struct span {
    const char *from, *to;
};

/* What is done to each piece of a text. */
struct shape {
    int trim, drop_blanks;
};

/* A text on its way to being cut into pieces. */
struct cut {
    const char *at, *end, *sep;
    size_t sep_len;
    int lines; /* a separator at the very end begins no further piece */
    int done;
};

static int is_space(char c)
{
    return c == ' ' || (unsigned char)(c - '\t') < 5;
}

static struct span trim(struct span p, int sides)
{
    if (sides & TRIM_START)
        while (p.from < p.to && is_space(*p.from))
            p.from++;
    if (sides & TRIM_END)
        while (p.to > p.from && is_space(p.to[-1]))
            p.to--;
    return p;
}

static int is_blank(struct span p)
{
    while (p.from < p.to && is_space(*p.from))
        p.from++;
    return p.from == p.to;
}

static const char *find(const char *at, const char *end, const char *what, size_t len)
{
    if (len == 1)
        return memchr(at, *what, (size_t)(end - at));
    return memmem(at, (size_t)(end - at), what, len);
}

static struct cut cut_new(struct span text, const char *sep, size_t sep_len, int lines)
{
    return (struct cut){.at = text.from,
                        .end = text.to,
                        .sep = sep,
                        .sep_len = sep_len,
                        .lines = lines,
                        .done = lines && text.from == text.to};
}

/* The next piece as it is; 0: there is none. */
static int cut_any(struct cut *c, struct span *p)
{
    if (c->done)
        return 0;
    const char *stop = find(c->at, c->end, c->sep, c->sep_len);
    *p = (struct span){c->at, stop ? stop : c->end};
    c->at = stop ? stop + c->sep_len : c->end;
    c->done = !stop || (c->lines && c->at == c->end);
    return 1;
}

/* The next piece that is kept, trimmed. */
static int cut_next(struct cut *c, struct shape s, struct span *p)
{
    while (cut_any(c, p)) {
        *p = trim(*p, s.trim);
        if (!s.drop_blanks || !is_blank(*p))
            return 1;
    }
    return 0;
}

/* All that is left, as one piece. */
static int cut_rest(struct cut *c, struct shape s, struct span *p)
{
    if (c->done)
        return 0;
    c->done = 1;
    *p = trim((struct span){c->at, c->end}, s.trim);
    return !s.drop_blanks || !is_blank(*p);
}

static struct span check_text(lua_State *L, int arg)
{
    size_t len;
    const char *s = luaL_checklstring(L, arg, &len);
    return (struct span){s, s + len};
}

static size_t span_len(struct span p)
{
    return (size_t)(p.to - p.from);
}

static void push_span(lua_State *L, struct span p)
{
    tusk_push_bytes(L, p.from, span_len(p));
}

static char *put(char *out, struct span p)
{
    size_t len = span_len(p);
    memcpy(out, p.from, len);
    return out + len;
}

/* Where a result of at most n bytes is built: upvalue 1, or collected once it is a string. */
static char *room(lua_State *L, size_t n)
{
    return n <= KEPT ? lua_touserdata(L, lua_upvalueindex(1)) : lua_newuserdata(L, n);
}

static size_t count(struct span text, struct span what)
{
    size_t n = 0, len = span_len(what);
    while ((text.from = find(text.from, text.to, what.from, len))) {
        text.from += len;
        n++;
    }
    return n;
}

/* trim(text, sides) -> string */
static int op_trim(lua_State *L)
{
    struct span text = check_text(L, 1), p = trim(text, (int)luaL_checkinteger(L, 2));
    if (span_len(p) == span_len(text))
        lua_pushvalue(L, 1);
    else
        push_span(L, p);
    return 1;
}

/* pieces(text, separator, sides, drop blanks, max or nil, are lines) -> list */
static int op_pieces(lua_State *L)
{
    struct span text = check_text(L, 1), sep = check_text(L, 2), p;
    struct shape s = {.trim = (int)luaL_checkinteger(L, 3), .drop_blanks = lua_toboolean(L, 4)};
    lua_Number max = luaL_optnumber(L, 5, 0);
    struct cut c = cut_new(text, sep.from, span_len(sep), lua_toboolean(L, 6));
    lua_newtable(L);
    for (int n = 1; n == max ? cut_rest(&c, s, &p) : cut_next(&c, s, &p); n++) {
        push_span(L, p);
        lua_rawseti(L, -2, n);
    }
    return 1;
}

/* The most bytes that all lines of a text can have, each followed by `len` bytes. */
static size_t cleaned_max(struct span text, size_t len)
{
    static const struct span newline = {"\n", &"\n"[1]};
    return span_len(text) + len * (len > 1 ? count(text, newline) + 1 : 1);
}

/* clean(text, sides, drop blanks, ending or nil) -> string; nil: a newline between lines */
static int op_clean(lua_State *L)
{
    struct span text = check_text(L, 1), p;
    struct shape s = {.trim = (int)luaL_checkinteger(L, 2), .drop_blanks = lua_toboolean(L, 3)};
    size_t len = 1;
    int between = lua_isnoneornil(L, 4);
    const char *ending = luaL_optlstring(L, 4, "\n", &len);
    struct cut c = cut_new(text, "\n", 1, 1);
    char *start = room(L, cleaned_max(text, len)), *out = start;
    struct span after = {ending, ending + len};
    while (cut_next(&c, s, &p))
        out = put(put(out, p), after);
    if (between && out > start)
        out--;
    tusk_push_bytes(L, start, (size_t)(out - start));
    return 1;
}

/* count(text, what) -> how often */
static int op_count(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)count(check_text(L, 1), check_text(L, 2)));
    return 1;
}

/* replace(text, what, by) -> string, how often */
static int op_replace(lua_State *L)
{
    struct span text = check_text(L, 1), what = check_text(L, 2), by = check_text(L, 3), p;
    size_t n = count(text, what);
    if (n == 0) {
        lua_pushvalue(L, 1);
        lua_pushnumber(L, 0);
        return 2;
    }
    struct cut c = cut_new(text, what.from, span_len(what), 0);
    char *start = room(L, span_len(text) - n * span_len(what) + n * span_len(by)), *out = start;
    for (size_t i = 0; cut_any(&c, &p); i++) {
        out = put(out, p);
        if (i < n)
            out = put(out, by);
    }
    tusk_push_bytes(L, start, (size_t)(out - start));
    lua_pushnumber(L, (lua_Number)n);
    return 2;
}

static const luaL_Reg verbs[] = {{"trim", op_trim},   {"pieces", op_pieces},   {"clean", op_clean},
                                 {"count", op_count}, {"replace", op_replace}, {NULL, NULL}};

TUSK_LUA_EXPORT int luaopen_tusk_binding_text(lua_State *L);

int luaopen_tusk_binding_text(lua_State *L)
{
    lua_newtable(L);
    lua_newuserdata(L, KEPT);
    luaL_setfuncs(L, verbs, 1);
    return 1;
}

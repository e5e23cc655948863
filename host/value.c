/* value.c: plain data from C: checked, copied, pushed. value_view.c is the other way. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "value.h"

#define COUNT_MAX (1u << 24)        /* values in one copy */
#define BYTES_MAX ((size_t)1 << 30) /* of their strings */
#define EXACT     9007199254740992  /* 2^53 */

void value_refs_take(lua_State *L, int index, struct value_refs *refs)
{
    lua_getfield(L, index, "kind64");
    refs->kind64 = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_getfield(L, index, "make64");
    refs->make64 = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_getfield(L, index, "null");
    refs->null = lua_topointer(L, -1);
    refs->null_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_getfield(L, index, "mark");
    refs->mark = lua_topointer(L, -1);
    refs->mark_ref = luaL_ref(L, LUA_REGISTRYINDEX);
}

/* ---- checking ---- */

struct measure {
    uint32_t count; /* of values inside of others */
    size_t bytes;
};

static int is_exact(int64_t i)
{
    return i >= -EXACT && i <= EXACT;
}

static int is_key(const tusk_val *v)
{
    switch (v->type) {
    case TUSK_BOOL:
    case TUSK_STR:
        return 1;
    case TUSK_INT:
        return is_exact(v->u.i);
    case TUSK_NUM:
        return v->u.d == v->u.d;
    default:
        return 0;
    }
}

static int measure_all(struct measure *m, const tusk_val *v, uint32_t n, int depth);

static int measure_inside(struct measure *m, const tusk_val *v, int depth)
{
    uint64_t n = v->type == TUSK_MAP ? (uint64_t)v->n * 2 : v->n;
    if (depth > VALUE_DEPTH_MAX || (n && !v->u.v) || n > COUNT_MAX - m->count)
        return -1;
    m->count += (uint32_t)n;
    for (uint32_t i = 0; v->type == TUSK_MAP && i < n; i += 2)
        if (!is_key(&v->u.v[i]))
            return -1;
    return measure_all(m, v->u.v, (uint32_t)n, depth + 1);
}

static int measure_one(struct measure *m, const tusk_val *v, int depth)
{
    switch (v->type) {
    case TUSK_NIL:
    case TUSK_BOOL:
    case TUSK_INT:
    case TUSK_NUM:
        return 0;
    case TUSK_STR:
        if ((v->u.s.len && !v->u.s.p) || v->u.s.len > BYTES_MAX - m->bytes)
            return -1;
        m->bytes += v->u.s.len;
        return 0;
    case TUSK_LIST:
    case TUSK_MAP:
        return measure_inside(m, v, depth);
    default:
        return -1;
    }
}

static int measure_all(struct measure *m, const tusk_val *v, uint32_t n, int depth)
{
    for (uint32_t i = 0; i < n; i++)
        if (measure_one(m, &v[i], depth))
            return -1;
    return 0;
}

static int measure(struct measure *m, const tusk_val *v, uint32_t n)
{
    *m = (struct measure){0, 0};
    return n > TUSK_ARGS_MAX || (n && !v) || measure_all(m, v, n, 1) ? -1 : 0;
}

tusk_rc value_check(const tusk_val *v, uint32_t n)
{
    struct measure m;
    return measure(&m, v, n) ? TUSK_E_ARG : TUSK_OK;
}

/* ---- copying ---- */

struct room { /* what is left of the piece */
    tusk_val *values;
    char *bytes;
};

static void copy_all(struct room *r, tusk_val *to, const tusk_val *from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        to[i] = from[i];
        if (from[i].type == TUSK_STR) {
            to[i].u.s.p = r->bytes;
            if (from[i].u.s.len)
                memcpy(r->bytes, from[i].u.s.p, from[i].u.s.len);
            r->bytes += from[i].u.s.len;
            *r->bytes++ = 0; // for those who take it for a C string
        } else if (from[i].type == TUSK_LIST || from[i].type == TUSK_MAP) {
            uint32_t inside = from[i].type == TUSK_MAP ? from[i].n * 2 : from[i].n;
            tusk_val *at = r->values;
            to[i].u.v = at;
            r->values += inside;
            copy_all(r, at, from[i].u.v, inside);
        }
    }
}

tusk_rc value_copy(const tusk_val *v, uint32_t n, tusk_val **copy)
{
    struct measure m;
    *copy = NULL;
    if (measure(&m, v, n))
        return TUSK_E_ARG;
    if (!n)
        return TUSK_OK;
    size_t values = ((size_t)n + m.count) * sizeof *v;
    tusk_val *at = malloc(values + m.bytes + n + m.count);
    if (!at)
        return TUSK_E_NOMEM;
    struct room r = {at + n, (char *)at + values};
    copy_all(&r, at, v, n);
    *copy = at;
    return TUSK_OK;
}

/* ---- pushing ---- */

static void push_int(lua_State *L, const struct value_refs *refs, int64_t i)
{
    if (is_exact(i)) {
        lua_pushnumber(L, (double)i);
        return;
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, refs->make64);
    lua_pushnumber(L, (double)(i >> 32));
    lua_pushnumber(L, (double)((uint64_t)i & 0xffffffffu));
    lua_call(L, 2, 1);
}

static void push_one(lua_State *L, const struct value_refs *refs, const tusk_val *v);

static int sized(uint32_t n)
{
    return n > INT_MAX / 2 ? 0 : (int)n;
}

/* What is nil in a list keeps its place. */
static void push_list(lua_State *L, const struct value_refs *refs, const tusk_val *v)
{
    lua_createtable(L, sized(v->n), 0);
    for (uint32_t i = 0; i < v->n; i++) {
        if (v->u.v[i].type == TUSK_NIL)
            lua_rawgeti(L, LUA_REGISTRYINDEX, refs->null_ref);
        else
            push_one(L, refs, &v->u.v[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
    if (v->n)
        return;
    lua_rawgeti(L, LUA_REGISTRYINDEX, refs->mark_ref); // it is no empty map
    lua_setmetatable(L, -2);
}

static void push_map(lua_State *L, const struct value_refs *refs, const tusk_val *v)
{
    lua_createtable(L, 0, sized(v->n));
    for (uint32_t i = 0; i < 2 * v->n; i += 2) {
        push_one(L, refs, &v->u.v[i]);
        push_one(L, refs, &v->u.v[i + 1]);
        lua_rawset(L, -3);
    }
}

static void push_one(lua_State *L, const struct value_refs *refs, const tusk_val *v)
{
    luaL_checkstack(L, 8, "values");
    switch (v->type) {
    case TUSK_BOOL:
        lua_pushboolean(L, v->u.b);
        return;
    case TUSK_INT:
        push_int(L, refs, v->u.i);
        return;
    case TUSK_NUM:
        lua_pushnumber(L, v->u.d);
        return;
    case TUSK_STR:
        tusk_push_bytes(L, v->u.s.p, v->u.s.len);
        return;
    case TUSK_LIST:
        push_list(L, refs, v);
        return;
    case TUSK_MAP:
        push_map(L, refs, v);
        return;
    default:
        lua_pushnil(L);
    }
}

void value_push(lua_State *L, const struct value_refs *refs, const tusk_val *v, uint32_t n)
{
    luaL_checkstack(L, (int)n + 8, "values");
    for (uint32_t i = 0; i < n; i++)
        push_one(L, refs, &v[i]);
}

/* curl_gate.c: at most so many requests of a client at a time, the others in line. */
#include <stdlib.h>

#include "curl_http.h"

#define GATE "tusk.curl.gate"

struct turn { /* a parked enter; the environment keeps the gate */
    struct tusk_wait wait;
    struct gate *gate;
    struct turn *next;
};

struct gate { /* malloc'ed: held by Lua and by bodies that go on behind it */
    int holders;
    int free; /* more can enter; then nobody waits */
    struct turn *first, **last;
};

static void release(struct gate *g)
{
    if (!--g->holders)
        free(g);
}

static struct gate *gate_check(lua_State *L)
{
    return *(struct gate **)luaL_checkudata(L, 1, GATE);
}

static void leave(struct gate *g)
{
    struct turn *t = g->first;
    if (!t) {
        g->free++;
        return;
    }
    g->first = t->next;
    if (!g->first)
        g->last = &g->first;
    tusk_wake(&t->wait);
}

void gate_body_ended(struct request *r)
{
    struct gate *g = r->gate;
    if (!g)
        return;
    r->gate = NULL;
    leave(g);
    release(g);
}

static int turn_finish(lua_State *L, struct tusk_wait *wait)
{
    (void)L, (void)wait;
    return 0;
}

static void turn_cancel(struct tusk_wait *wait)
{
    struct turn *t = (struct turn *)wait;
    struct gate *g = t->gate;
    struct turn **link = &g->first;
    while (*link != t)
        link = &(*link)->next;
    *link = t->next;
    if (!t->next)
        g->last = link;
    tusk_drop(wait);
}

static const struct tusk_wait_ops turn_ops = {turn_finish, turn_cancel};

int op_gate(lua_State *L)
{
    int n = (int)luaL_checkinteger(L, 1);
    struct gate **box = lua_newuserdata(L, sizeof *box);
    *box = NULL;
    luaL_getmetatable(L, GATE);
    lua_setmetatable(L, -2);
    struct gate *g = *box = calloc(1, sizeof *g);
    if (!g)
        return luaL_error(L, "not enough memory");
    g->holders = 1;
    g->free = n;
    g->last = &g->first;
    return 1;
}

int op_gate_try(lua_State *L)
{
    struct gate *g = gate_check(L);
    int may = g->free > 0;
    g->free -= may;
    lua_pushboolean(L, may);
    return 1;
}

int op_gate_enter(lua_State *L)
{
    struct gate *g = gate_check(L);
    tusk_checkpoint(L);
    if (g->free > 0) {
        g->free--;
        return tusk_inline(L, 0);
    }
    struct turn *t = tusk_wait_new(L, sizeof *t, &turn_ops);
    lua_createtable(L, 1, 0);
    lua_pushvalue(L, 1);
    lua_rawseti(L, -2, 1);
    lua_setfenv(L, -2);
    t->gate = g;
    *g->last = t;
    g->last = &t->next;
    return tusk_park(L, &t->wait);
}

int op_gate_leave(lua_State *L)
{
    leave(gate_check(L));
    return 0;
}

int op_gate_hold(lua_State *L)
{
    struct gate *g = gate_check(L);
    struct request *r = luaL_checkudata(L, 2, REQUEST);
    if (!r->ended) {
        r->gate = g;
        g->holders++;
    }
    lua_pushboolean(L, !r->ended);
    return 1;
}

static int op_gate_gc(lua_State *L)
{
    struct gate **box = lua_touserdata(L, 1);
    if (*box)
        release(*box);
    *box = NULL;
    return 0;
}

void gate_open(lua_State *L)
{
    luaL_newmetatable(L, GATE);
    lua_pushcfunction(L, op_gate_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}

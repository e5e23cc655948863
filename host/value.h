/* value.h: plain data, between C and Lua. */
#ifndef VALUE_H
#define VALUE_H 1

#include <lua.h>
#include <stdint.h>

#include "tusk.h"

#define VALUE_DEPTH_MAX 64

/* What conversions need of Lua: registry references, and addresses of what never moves. */
struct value_refs {
    int kind64; /* (cdata) -> 1 for int64_t, 2 for uint64_t, else 0 */
    int make64; /* (high, low) -> int64_t */
    int null_ref, mark_ref;
    const void *null, *mark;
};

/* { kind64 =, make64 =, null =, mark = } at index. */
void value_refs_take(lua_State *L, int index, struct value_refs *refs);

/* [any] A deep copy in one piece, for free(); NULL for n = 0. TUSK_E_ARG, TUSK_E_NOMEM. */
tusk_rc value_copy(const tusk_val *v, uint32_t n, tusk_val **copy);
/* [any] TUSK_E_ARG where value_copy has it. */
tusk_rc value_check(const tusk_val *v, uint32_t n);
/* Pushes n values that were checked. May raise for memory. */
void value_push(lua_State *L, const struct value_refs *refs, const tusk_val *v, uint32_t n);

enum { VALUE_FEW = 8 };

/* Values of Lua, seen from C: strings and names are where Lua has them. */
struct value_view {
    tusk_val few[VALUE_FEW];
    tusk_val *at; /* the n values */
    uint32_t n;
    struct value_piece *pieces; /* what tables have become */
};

/*
 * The values from index `first` to the top, which must stay there while the view is used. -1: one
 * cannot be had in C: the view is empty, and why is a string on top ("argument 2.items[1]: a
 * function ..."). Raises nothing. what: "argument", "result".
 */
int value_view(lua_State *L, const struct value_refs *refs, int first, const char *what,
               struct value_view *view);
void value_view_free(struct value_view *view);

#endif

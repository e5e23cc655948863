/* embed.h: what operators from C, calls into Lua and events share. */
#ifndef EMBED_H
#define EMBED_H 1

#include "host.h"
#include "value.h"

/* Outlives the host for those who hold a tusk_op of it: who has the last reference frees it. */
struct link {
    uv_mutex_t mutex;
    atomic_uint refs;
    struct tusk *host;          /* NULL once it is closed */
    struct definition *defined; /* until the link goes */
};

/* One of a host; made with it. */
struct embedding {
    struct link *link;
    struct value_refs values;
    struct op_call *calls;       /* that wait */
    struct tusk_future *futures; /* that have not ended */
    int keep;                    /* registry reference of what keeps an error */
    int lua;       /* registry reference of the functions of lua/tusk/embed.lua, or 0 */
    int call_meta; /* of the records of calls that wait */
    int spare;     /* such a record, for the next call; or false */
};

/* Runs fn(L, ud) protected on the host's main state, with its Lua half loaded. What it raises is
 * kept for tusk_errmsg, and its kind gives the code. */
tusk_rc embed_run(struct tusk *h, lua_CFunction fn, void *ud);
/* The same without that half. */
tusk_rc embed_protected(struct tusk *h, lua_CFunction fn, void *ud);
/* Loads lua/tusk/embed.lua, if that was not done. May raise. */
void embed_load(lua_State *L);
/* Pushes one of its functions. */
void embed_push(lua_State *L, struct tusk *h, const char *name);

void link_unref(struct link *link);

/* op.c */
void op_close(struct tusk *h); /* from here on answers are refused */

/* define.c */
/* The functions of what was defined after `before`, up to `last`, are called no more. */
void define_end(struct definition *last, const struct definition *before);

/* op_call.c */
void op_open(lua_State *L);
void op_drop(struct tusk *h); /* those that were cancelled, and wait for their answer */

/* future.c */
void future_open(lua_State *L);
void future_close(struct tusk *h); /* those that have not ended end with TUSK_E_CLOSED */

/* library.c */
void library_open(lua_State *L);

#endif

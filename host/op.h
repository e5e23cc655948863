/* op.h: what the files about operators from C share. */
#ifndef OP_H
#define OP_H 1

#include "embed.h"

struct definition { /* lasts as the link does */
    struct definition *next;
    struct link *link;
    tusk_fn plain; /* or: */
    tusk_async_fn fn;
    tusk_cancel_fn cancel;
    void *ud;
    int is_over; /* the plugin that has defined it has ended */
    char name[];
};

enum op_state {
    OP_OPEN,
    OP_DONE,
    OP_FAILED,
    OP_DROPPED /* the task has not waited for an answer */
};

struct tusk_op {
    struct link *link; /* its mutex is for what follows `deadline` */
    const struct definition *def;
    uint64_t deadline;
    atomic_uint holders, refs; /* the embedder's; one of them all, and the host's */
    struct op_call *call;      /* to be woken by the answer; NULL: not waiting yet, or no more */
    uint8_t state, cancelled;
    tusk_val *values; /* results; or kind and message */
    uint32_t n;
    char plugin[]; /* that asks, or "" */
};

struct op_call { /* the record of a call, on the stack of its task */
    struct tusk_wait wait;
    struct tusk_op *op;
    struct op_call *next, **link; /* among those that wait */
};

/* op.c */
struct tusk_op *op_new(lua_State *L, const struct definition *d); /* NULL: out of memory */
void op_unref(struct tusk_op *op);

/* op_call.c: what Lua calls; the definition is its upvalue, light */
int call_async(lua_State *L);
int call_plain(lua_State *L);

#endif

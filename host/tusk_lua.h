/*
 * tusk_lua.h: operators written against lua_State.
 *
 * A parking operator reads, in this order: validate -> tusk_wait_new -> start -> return tusk_park.
 * The Lua half calls it as  settle(raw.verb(...)) : settle runs `finish` in the task once it is
 * woken. An answer that needs no wait is returned by  return tusk_inline(L, n) .
 */
#ifndef TUSK_LUA_H
#define TUSK_LUA_H 1

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#ifdef __cplusplus
extern "C" { // Lua's headers do not say it themselves
#endif

#include <lauxlib.h>
#include <lua.h>

#define TUSK_LUA_EXPORT __attribute__((visibility("default")))
#define TUSK_LUA_ABI    1 /* bumped when something here changes its shape or meaning */

struct tusk;
struct tusk_wait;

struct tusk_wait_ops {
    /* Runs in the task after its wake, with w at index 1: pushes results and returns their number,
     * or raises. */
    int (*finish)(lua_State *L, struct tusk_wait *w);
    /*
     * Loop thread. Asks for an early end; leads to exactly one wake, now or later: either
     * tusk_drop(w) (it did not happen; work in flight lives on in its own memory), or nothing
     * now and the ordinary tusk_wake/tusk_post when the work has ended. NULL: cannot be hurried.
     */
    void (*cancel)(struct tusk_wait *w);
};

/*
 * The record of one parked call: first member of the binding's own struct. Lua userdata, anchored
 * from park to wake; dead as soon as finish has returned. `cancelled` is set before cancel runs.
 */
struct tusk_wait {
    const struct tusk_wait_ops *ops;
    struct tusk *host;
    struct task *task;
    struct tusk_wait *next; /* among those posted */
    int index;              /* where it lies on its C function's stack */
    uint8_t cancelled, dropped, woken, posted;
};

/* The first line of a luaopen_: raises when it was built for another tusk_lua.h. */
TUSK_LUA_EXPORT void tusk_lua_check_abi(lua_State *L, int abi);
#define tusk_lua_check(L) tusk_lua_check_abi((L), TUSK_LUA_ABI)

/*
 * Makes the function on top of the stack, which it pops, an operator: "ping" or "physics.raycast".
 * waits: it returns what tusk_park or tusk_inline do, always; else it is any function. Raises where
 * tusk_def fails. A caller's mistake is told by tusk_fail with kind "argument": luaL_check... would
 * name a line of the host's own.
 */
TUSK_LUA_EXPORT void tusk_lua_def(lua_State *L, const char *name, int waits);

/* The host that L belongs to. */
TUSK_LUA_EXPORT struct tusk *tusk_of(lua_State *L);
/* Its loop. Callbacks on it never touch Lua: they call tusk_wake. */
TUSK_LUA_EXPORT uv_loop_t *tusk_loop(lua_State *L);
/* Its main state, for work at load time only. */
TUSK_LUA_EXPORT lua_State *tusk_main_state(struct tusk *h);

/*
 * Checks that the caller may wait (a task runs, nothing in its chain of resumers prevents a yield,
 * its scope is not cancelled) and raises otherwise. Every operator that can ever wait calls this,
 * or tusk_wait_new, before it does anything.
 */
TUSK_LUA_EXPORT void tusk_checkpoint(lua_State *L);
/* The same, then pushes a zeroed record of `size` bytes whose first member is a struct tusk_wait.
 */
TUSK_LUA_EXPORT void *tusk_wait_new(lua_State *L, size_t size, const struct tusk_wait_ops *ops);
/*
 * The same with a record, on top of the stack, that finish has returned from: what follows its
 * struct tusk_wait is as it was left. Of one that was dropped finish is not called: let it go.
 */
TUSK_LUA_EXPORT void tusk_wait_again(lua_State *L, struct tusk_wait *w);
/* Parks the running task: `return tusk_park(L, w)`. Nothing may raise between start and park. */
TUSK_LUA_EXPORT int tusk_park(lua_State *L, struct tusk_wait *w);
/* Loop thread: makes the task ready. Only queues it. Exactly one of wake, post, drop per park. */
TUSK_LUA_EXPORT void tusk_wake(struct tusk_wait *w);
/* The same from any thread. */
TUSK_LUA_EXPORT void tusk_post(struct tusk_wait *w);
/* From cancel only: wakes the task with `cancelled`; finish is not called. */
TUSK_LUA_EXPORT void tusk_drop(struct tusk_wait *w);
/*
 * The n values on top of the stack are an answer had without waiting: `return tusk_inline(L, n)`.
 * Counts against the turn's budget; when that is spent the task first lets others run.
 */
TUSK_LUA_EXPORT int tusk_inline(lua_State *L, int n);

/* A callback the host owns nothing of: embed it in the binding's state. */
struct tusk_hook {
    void (*run)(struct tusk_hook *k);
    struct tusk_hook *next;
    uint8_t queued;
};

/*
 * Something that a scope owns: embed it in the binding's state. `end` runs once, when the scope has
 * ended: on the loop thread, outside libuv's callbacks, perhaps from a collection. It must not use
 * Lua, and must not disown.
 */
struct tusk_owned {
    void (*end)(struct tusk_owned *o);
    /* Optional. Asked once, under the rules of `end`, when all else in the scope has ended;
     * nonzero: it needs time, and the scope stays open until tusk_left. Otherwise `end` follows. */
    int (*leave)(struct tusk_owned *o);
    struct tusk_owned *next, **link;
    struct scope *leaving;
    struct tusk_hook left;
    struct tusk *host;
};
/* From a task: gives o to the innermost scope around it. */
TUSK_LUA_EXPORT void tusk_own(lua_State *L, struct tusk_owned *o);
/* Takes it back: `end` will not run. Of one that nobody owns: no effect. */
TUSK_LUA_EXPORT void tusk_disown(struct tusk_owned *o);
/* Loop thread, once after a `leave` that asked for time: o has ended. It must stay valid until the
 * loop has polled again: `end` runs then, and may free it. */
TUSK_LUA_EXPORT void tusk_left(struct tusk_owned *o);

/* lua_pushlstring for what may be large: the collector keeps up with it. May raise for memory. */
TUSK_LUA_EXPORT void tusk_push_bytes(lua_State *L, const char *bytes, size_t n);

/* Whether no other task is ready to run: what is done now need not wait for company. */
TUSK_LUA_EXPORT int tusk_alone(lua_State *L);

/* Nanoseconds on the host's clock (monotonic; virtual in tests). */
TUSK_LUA_EXPORT uint64_t tusk_now(lua_State *L);
/* When the running task's innermost deadline falls, on that clock; UINT64_MAX: never. */
TUSK_LUA_EXPORT uint64_t tusk_deadline(lua_State *L);

/* Pushes an error {kind, message, site, ...}; set further fields, then lua_error. fmt:
 * lua_pushfstring's. */
TUSK_LUA_EXPORT void tusk_error(lua_State *L, const char *kind, const char *fmt, ...);
/* Pushes and raises it. */
TUSK_LUA_EXPORT int tusk_fail(lua_State *L, const char *kind, const char *fmt, ...);
/* From finish: raises `cancelled`; sent != 0 marks that the outcome is unknown. */
TUSK_LUA_EXPORT int tusk_fail_cancelled(lua_State *L, int sent);

/* Runs k once on the loop thread, outside Lua, before the loop polls next (again: no effect). */
TUSK_LUA_EXPORT void tusk_before_poll(struct tusk *h, struct tusk_hook *k);
/*
 * Runs k once when the host closes, last registered first, after every task has ended and before
 * the loop and the Lua state go: stop threads, uv_close handles (their close callbacks still run
 * after it; memory they need must not be Lua's or be freed there).
 */
TUSK_LUA_EXPORT void tusk_at_close(struct tusk *h, struct tusk_hook *k);

#ifdef __cplusplus
}
#endif
#endif

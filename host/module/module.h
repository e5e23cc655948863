/*
 * module.h: `require "tusk"` in a program that is LuaJIT's already: an embedder like any other,
 * whose callbacks are functions of that program's Lua ("the caller" below). Each host has a Lua
 * state of its own; nothing of the caller's is changed, and values cross by copy.
 */
#ifndef MODULE_H
#define MODULE_H 1

#include <lauxlib.h>
#include <lua.h>

#include "../tusk.h"
#include "../value.h"

#define MODULE_HOST    "tusk.Host"
#define MODULE_FUTURE  "tusk.Future"
#define MODULE_OP      "tusk.Op"
#define MODULE_FAILURE "tusk.Failure"

struct definition;

struct module {      /* a host, as the caller has it: userdata; its environment has the functions */
    tusk_host *host; /* NULL: closed */
    const struct value_refs *refs; /* of the caller's state */
    struct frame *frame;           /* who is calling it now */
    struct definition *defined;
};

/* One call of the caller's that may call back: the thread to do it on, and what went wrong there
 * with nobody to tell. */
struct frame {
    struct frame *outer;
    lua_State *L;
    int failure; /* stack index: nil, or the first error of a callback */
};

/* The open host at index 1, or an argument error. */
struct module *module_check(lua_State *L);
/* Raises if the host is in a call already: this one comes from a callback of it. */
void module_not_inside(lua_State *L, const struct module *m);
/* Around every call of tusk.h that may call back. leave raises what a callback has failed with. */
void module_enter(struct module *m, lua_State *L, struct frame *f);
void module_leave(struct module *m, lua_State *L, struct frame *f);
/* Runs fn protected on the caller's thread, with ud at index 1; 0, or its error is left on top. */
int module_protect(struct module *m, lua_CFunction fn, void *ud);
/* Keeps the error on top for module_leave, and pops it. */
void module_keep(struct module *m);
/* Pushes nil and a failure { kind =, message = } and returns 2; for TUSK_OK true, and 1. */
int module_result(lua_State *L, struct module *m, tusk_rc rc);
/* Pushes a failure: all of it that is there. */
void module_push_failure(lua_State *L, const tusk_failure *f);
/* Pushes the function that the host's environment has under this name or number. */
void module_push_function(struct module *m, lua_State *L, const void *key);
/* Gives the host's environment, for the host at index 1, what is on top, and pops it. */
void module_keep_function(lua_State *L, const void *key);
/* Pushes the host itself, while it is listed. */
void module_push(lua_State *L, struct module *m);
/* Lists the host at index 1 among the open ones, or takes it off. */
void module_list(lua_State *L, struct module *m, int open);
/* Pushes a list of the open hosts; their number. */
int module_push_hosts(lua_State *L);
/* What conversions of the state's values need. */
const struct value_refs *module_refs(lua_State *L);

/* module_open.c, for Lua: tusk.open, host:close, and of a host that nobody has any more. */
int module_open_host(lua_State *L);
int module_close_host(lua_State *L);
int module_gc_host(lua_State *L);
/* module_host.c, for Lua: tusk.poll, tostring(host). */
int module_poll_all(lua_State *L);
int module_host_tostring(lua_State *L);

/* The methods of hosts, and what else these files have. */
extern const luaL_Reg module_host_methods[], module_op_methods[], module_call_methods[];
void module_op_open(lua_State *L);
void module_op_close(struct module *m);
void module_call_open(lua_State *L);

#endif

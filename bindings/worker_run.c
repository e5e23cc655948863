/* worker_run.c: the thread's side of a call: a host of its own, of which only the Lua state is
 * used. */
#include <stdlib.h>
#include <string.h>

#include "worker.h"

#define STRIDE 10000 /* instructions between two looks at whether to go on */
#define SELF   "tusk.worker.self"

static struct worker *self_of(lua_State *L)
{
    lua_getfield(L, LUA_REGISTRYINDEX, SELF);
    struct worker *k = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return k;
}

static void on_count(lua_State *L, lua_Debug *ar);

/* Once asked to end, every instruction is a look: no pcall holds it up. */
static int look(lua_State *L)
{
    struct worker *k = self_of(L);
    if (!k->current || !atomic_load_explicit(&k->current->interrupted, memory_order_relaxed))
        return 0;
    lua_sethook(L, on_count, LUA_MASKCOUNT, 1);
    return luaL_error(L, "cancelled");
}

static void on_count(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    look(L);
}

/* ---- the state ---- */

static int open_protected(lua_State *L)
{
    struct worker *k = lua_touserdata(L, 1);
    lua_pushlightuserdata(L, k);
    lua_setfield(L, LUA_REGISTRYINDEX, SELF);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "tusk.worker.inside");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "start");
    lua_pushcfunction(L, look);
    lua_call(L, 1, 2); // -> run, values
    value_refs_take(L, lua_gettop(L), &k->refs);
    lua_pop(L, 1);
    k->run = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_sethook(L, on_count, LUA_MASKCOUNT, STRIDE);
    return 0;
}

static int run_open(struct worker *k)
{
    if (k->host)
        return 0;
    if (tusk_open(NULL, &k->host))
        return -1;
    if (!lua_cpcall(tusk_unstable_lua(k->host), open_protected, k))
        return 0;
    run_end(k);
    return -1;
}

void run_end(struct worker *k)
{
    if (!k->host)
        return;
    lua_sethook(tusk_unstable_lua(k->host), NULL, 0, 0);
    tusk_close(k->host);
    k->host = NULL;
}

/* ---- a call ---- */

struct call {
    struct worker *k;
    struct job *job;
};

/* The message on top, as what the call failed with. */
static void reply_argument(lua_State *L, struct call *c)
{ // .. message -> false, { kind, message, __error }
    struct copying how = {.refs = &c->k->refs, .lenient = 1};
    int message = lua_gettop(L);
    c->job->reply.length = 0;
    lua_pushboolean(L, 0);
    lua_createtable(L, 0, 3);
    lua_pushliteral(L, "argument");
    lua_setfield(L, -2, "kind");
    lua_pushvalue(L, message);
    lua_setfield(L, -2, "message");
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, "__error");
    value_write(L, message + 1, &how, &c->job->reply);
}

static int call_protected(lua_State *L)
{
    struct call *c = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->k->run);
    int n = value_read(L, &c->k->refs, &c->job->request);
    lua_call(L, n, LUA_MULTRET); // 1 call, 2 ok, results or error
    struct copying how = {&c->k->refs, "result", 1, !lua_toboolean(L, 2)};
    if (value_write(L, 2, &how, &c->job->reply))
        reply_argument(L, c);
    return 0;
}

void run_job(struct worker *k, struct job *job)
{
    struct call c = {k, job};
    if (run_open(k)) {
        job->failed = "a worker cannot start: not enough memory";
        return;
    }
    lua_State *L = tusk_unstable_lua(k->host);
    if (lua_cpcall(L, call_protected, &c)) {
        job->failed = "a worker has run out of memory";
        lua_settop(L, 0);
    }
    if (job->failed || atomic_load(&job->interrupted)) // in the middle of anything
        run_end(k);
}

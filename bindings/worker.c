/*
 * worker.c: calls that run on threads, each with a Lua state of its own (a host whose loop is not
 * run). Arguments and results cross as bytes. A call that is cancelled before it began did not
 * happen; later its code is interrupted, and nobody waits for that.
 */
#include "worker.h"

#include <stdlib.h>
#include <string.h>

struct state { /* userdata, upvalue of the verbs */
    struct pool *pool;
    struct value_refs refs;
};

static struct state *state_of(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

/* ---- the wait ---- */

struct answer {
    const struct value_refs *refs;
    struct job *job;
};

static int read_protected(lua_State *L)
{
    struct answer *a = lua_touserdata(L, 1);
    lua_settop(L, 0);
    return value_read(L, a->refs, &a->job->reply);
}

static int call_finish(lua_State *L, struct tusk_wait *wait)
{
    struct worker_wait *w = (struct worker_wait *)wait;
    struct job *job = w->job;
    if (!job)
        return tusk_fail_cancelled(L, w->sent);
    struct answer answer = {w->refs, job};
    const char *failed = job->failed;
    int top = lua_gettop(L), rc = 0;
    if (!failed) {
        lua_pushcfunction(L, read_protected);
        lua_pushlightuserdata(L, &answer);
        rc = lua_pcall(L, 1, LUA_MULTRET, 0);
    }
    w->job = NULL;
    job_free(job);
    if (failed)
        return tusk_fail(L, "worker.failed", "%s", failed);
    return rc ? lua_error(L) : lua_gettop(L) - top;
}

static void call_cancel(struct tusk_wait *wait)
{
    struct worker_wait *w = (struct worker_wait *)wait;
    enum forgotten how = pool_forget(w->pool, w);
    w->sent = how == FORGOT_BEGUN;
    if (how == FORGOT_BEGUN)
        tusk_wake(wait);
    else if (how == FORGOT_QUEUED)
        tusk_drop(wait);
}

static const struct tusk_wait_ops call_ops = {call_finish, call_cancel};

/* ---- verbs ---- */

static struct job *job_new(struct worker_wait *w)
{
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        return NULL;
    atomic_init(&job->interrupted, 0);
    job->wait = w;
    w->job = job;
    return job;
}

static int refuse_value(lua_State *L, struct job *job)
{ // .. message
    job_free(job);
    return tusk_fail(L, "argument", "%s", lua_tostring(L, -1));
}

static int refuse_call(lua_State *L, struct job *job, const char *why)
{
    job_free(job);
    tusk_error(L, "limited", "%s", why);
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, "retryable");
    return lua_error(L);
}

/* call(path, cpath, module, function, ...) -> true, results; or false, what it failed with */
static int op_call(lua_State *L)
{
    struct state *st = state_of(L);
    struct copying how = {&st->refs, "argument", 4, 0};
    struct worker_wait *w = tusk_wait_new(L, sizeof *w, &call_ops);
    lua_insert(L, 1); // under the arguments
    w->base.index = 1;
    w->pool = st->pool;
    w->refs = &st->refs;
    struct job *job = job_new(w);
    if (!job)
        return luaL_error(L, "not enough memory");
    if (value_write(L, 2, &how, &job->request))
        return refuse_value(L, job);
    const char *why = pool_submit(st->pool, job);
    if (why)
        return refuse_call(L, job, why);
    lua_settop(L, 1);
    return tusk_park(L, &w->base);
}

/* use(values): what value_refs_take takes */
static int op_use(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    value_refs_take(L, 1, &state_of(L)->refs);
    return 0;
}

/* stats() -> threads started, threads there may be, calls that wait for one, how many may, calls
 * that run */
static int op_stats(lua_State *L)
{
    struct pool *p = state_of(L)->pool;
    uv_mutex_lock(&p->mutex);
    unsigned queued = p->queued, running = 0;
    for (unsigned i = 0; i < p->started; i++)
        running += p->workers[i].current != NULL;
    uv_mutex_unlock(&p->mutex);
    lua_pushinteger(L, (lua_Integer)p->started);
    lua_pushinteger(L, (lua_Integer)p->threads);
    lua_pushinteger(L, (lua_Integer)queued);
    lua_pushinteger(L, (lua_Integer)p->queue_max);
    lua_pushinteger(L, (lua_Integer)running);
    return 5;
}

static const luaL_Reg verbs[] = {
    {"call", op_call}, {"use", op_use}, {"stats", op_stats}, {NULL, NULL}};

TUSK_LUA_EXPORT int luaopen_tusk_binding_worker(lua_State *L);

int luaopen_tusk_binding_worker(lua_State *L)
{
    lua_newtable(L);
    struct state *st = lua_newuserdata(L, sizeof *st);
    memset(st, 0, sizeof *st);
    st->pool = pool_new();
    if (!st->pool)
        return luaL_error(L, "not enough memory");
    tusk_at_close(tusk_of(L), &st->pool->at_close);
    luaL_setfuncs(L, verbs, 1);
    return 1;
}

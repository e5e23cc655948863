/* host.c: one host: opening, its loop, closing. */
#include <signal.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "modules.h"

#define SLICE_NS    2000000u            /* resumes between two polls */
#define STRIDE      64                  /* and between two looks at the clock meanwhile */
#define BUDGET_MAX  (UINT64_MAX / 4000) /* of a step, in microseconds; a longer one has no end */
#define CLOSE_NS    5000000000u         /* how long a close lets tasks go on */
#define CLOSE_TURNS 10000               /* and the loop, for what is in flight: turns */

/* ---- memory ---- */

static void *host_alloc(void *ud, void *p, size_t old, size_t size)
{
    struct tusk *h = ud;
    h->bytes += size - old;
#ifdef __SANITIZE_ADDRESS__
    if (size)
        return realloc(p, size);
    free(p);
    return NULL;
#else
    return h->alloc(h->alloc_ud, p, old, size);
#endif
}

static lua_State *open_lua(struct tusk *h)
{
#ifdef __SANITIZE_ADDRESS__
    return lua_newstate(host_alloc, h);
#else
    lua_State *L = luaL_newstate();
    if (!L)
        return NULL;
    h->alloc = lua_getallocf(L, &h->alloc_ud);
    lua_setallocf(L, host_alloc, h);
    return L;
#endif
}

static void close_lua(struct tusk *h)
{
#ifndef __SANITIZE_ADDRESS__
    lua_setallocf(h->L, h->alloc, h->alloc_ud);
#endif
    lua_close(h->L);
}

struct tusk *tusk_of(lua_State *L)
{
    void *ud;
    lua_getallocf(L, &ud);
    return ud;
}

uv_loop_t *tusk_loop(lua_State *L)
{
    return &tusk_of(L)->loop;
}

lua_State *tusk_main_state(struct tusk *h)
{
    return h->L;
}

void *tusk_unstable_lua(tusk_host *h)
{
    return h->L;
}

/* ---- helpers of the other files ---- */

int host_raise_cancelled(lua_State *L, struct tusk *h, int sent)
{
    luaL_checkstack(L, 4, "an error");
    insist(L, h);
    lua_rawgeti(L, LUA_REGISTRYINDEX, h->callbacks[CALL_CANCELLED]);
    lua_pushboolean(L, sent);
    lua_call(L, 1, 1);
    return lua_error(L);
}

void host_register(lua_State *L, struct tusk *h, const luaL_Reg *functions)
{
    for (; functions->name; functions++) {
        lua_pushlightuserdata(L, h);
        lua_pushcclosure(L, functions->func, 1);
        lua_setfield(L, -2, functions->name);
    }
}

uint64_t host_due(struct tusk *h, double seconds)
{
    h->now = host_now(h); // the turn may have begun long ago
    // something, however little: who waits for what is left of a time must get there
    return seconds < 1e9
               ? h->now + (uint64_t)(seconds * 1e9 + 0.5) + (seconds > 0 && seconds < 1e-9)
               : UINT64_MAX;
}

/* While a binding may wake somebody from its thread, the loop must not find itself idle. */
void host_reference_async(struct tusk *h, int delta)
{
    if (delta > 0 && h->waits++ == 0)
        uv_ref((uv_handle_t *)&h->async);
    else if (delta < 0 && --h->waits == 0)
        uv_unref((uv_handle_t *)&h->async);
}

void tusk_before_poll(struct tusk *h, struct tusk_hook *k)
{
    if (k->queued)
        return;
    k->queued = 1;
    k->next = NULL;
    *h->before_poll_tail = k;
    h->before_poll_tail = &k->next;
}

void tusk_at_close(struct tusk *h, struct tusk_hook *k)
{
    k->next = h->at_close;
    h->at_close = k;
}

static void run_before_poll(struct tusk *h)
{
    while (h->before_poll) {
        struct tusk_hook *k = h->before_poll;
        h->before_poll = k->next;
        if (!h->before_poll)
            h->before_poll_tail = &h->before_poll;
        k->queued = 0;
        k->run(k);
    }
}

/* ---- the loop ---- */

void host_call(struct tusk *h, enum callback which)
{
    lua_rawgeti(h->L, LUA_REGISTRYINDEX, h->callbacks[which]);
    if (lua_pcall(h->L, 0, 0, 0))
        lua_pop(h->L, 1);
}

static void stop_if_asked(struct tusk *h)
{
    if (!atomic_load_explicit(&h->stop, memory_order_relaxed) || h->stopping)
        return;
    h->stopping = 1;
    scope_cancel(h, h->app ? &h->app->scope : &h->root, CANCEL_SHUTDOWN);
    host_call(h, CALL_STOPPING);
}

static void collect_if_stressed(struct tusk *h)
{
    if (h->config.flags & TUSK_STRESS)
        lua_gc(h->L, LUA_GCCOLLECT, 0);
}

static int idle(struct tusk *h)
{
    return !h->ready_head && timer_is_idle(h) && !h->before_poll;
}

/*
 * One turn: resume what is ready, poll, fire timers. Blocks in the poll if `wait` and nothing is
 * ready. -1: nothing can ever wake any task again.
 */
static int turn(struct tusk *h, int wait)
{
    h->now = host_now(h);
    stop_if_asked(h);
    inspect_if_asked(h);
    task_drain(h, uv_hrtime() + SLICE_NS, STRIDE);
    collect_if_stressed(h);
    run_before_poll(h);
    if (!h->live)
        return 0;
    h->now = host_now(h);
    int jumps = clock_may_jump(h);
    timer_arm(h);
    int more = uv_run(&h->loop, wait && !h->ready_head && !jumps ? UV_RUN_ONCE : UV_RUN_NOWAIT);
    if (jumps)
        clock_jump(h);
    h->now = host_now(h);
    timer_fire(h);
    if (more || !wait || h->closing || !idle(h))
        return 0;
    host_call(h, CALL_DEADLOCK);
    return idle(h) ? -1 : 0;
}

static void on_async(uv_async_t *async)
{
    wait_take_posted(async->data);
}

/* Writing to what nobody reads must be an error, not the end of the process. -> whether one was
 * pending */
static int block_sigpipe(sigset_t *old)
{
    sigset_t set, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    sigpending(&pending);
    pthread_sigmask(SIG_BLOCK, &set, old);
    return sigismember(&pending, SIGPIPE);
}

static void unblock_sigpipe(const sigset_t *old, int was_pending)
{
    sigset_t set;
    struct timespec now = {0};
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    if (!was_pending && !sigismember(old, SIGPIPE))
        sigtimedwait(&set, NULL, &now); // takes away what the turns have raised
    pthread_sigmask(SIG_SETMASK, old, NULL);
}

tusk_rc tusk_run(tusk_host *h)
{
    sigset_t mask;
    int pending = block_sigpipe(&mask), stuck = 0;
    while (!stuck && (h->live || h->ready_head))
        stuck = turn(h, 1);
    unblock_sigpipe(&mask, pending);
    return stuck ? TUSK_E_STATE : TUSK_OK;
}

tusk_step_state tusk_step(tusk_host *h, uint64_t budget_us)
{
    sigset_t mask;
    int pending = block_sigpipe(&mask);
    int jumps = clock_may_jump(h);
    uv_timer_stop(&h->alarm); // it is for a poll that blocks
    uv_run(&h->loop, UV_RUN_NOWAIT);
    if (jumps)
        clock_jump(h);
    h->now = host_now(h);
    timer_fire(h);
    stop_if_asked(h);
    inspect_if_asked(h);
    if (budget_us)
        task_drain(h, budget_us < BUDGET_MAX ? uv_hrtime() + budget_us * 1000 : UINT64_MAX, 1);
    collect_if_stressed(h);
    run_before_poll(h);
    uv_run(&h->loop, UV_RUN_NOWAIT);
    unblock_sigpipe(&mask, pending);
    return h->ready_head ? TUSK_STEP_MORE : h->live ? TUSK_STEP_WAITING : TUSK_STEP_IDLE;
}

int tusk_wait_fd(const tusk_host *h)
{
    return uv_backend_fd(&h->loop);
}

int tusk_wait_ms(const tusk_host *h)
{
    if (h->ready_head || h->before_poll)
        return 0;
    int ms = uv_loop_alive(&h->loop) ? uv_backend_timeout(&h->loop) : -1;
    const struct heap *timers = &h->heaps[CLOCK_REAL];
    if (!timers->count)
        return ms;
    uint64_t now = uv_hrtime(), due = timers->entries[1].due;
    uint64_t own = due > now ? (due - now + 999999) / 1000000 : 0;
    return ms < 0 || own < (uint64_t)ms ? (int)(own > 1000000 ? 1000000 : own) : ms;
}

void tusk_wakeup(tusk_host *h)
{
    uv_async_send(&h->async);
}

void tusk_shutdown(tusk_host *h)
{
    atomic_store(&h->stop, 1);
    uv_async_send(&h->async);
}

/* ---- opening and closing ---- */

static int open_modules(lua_State *L)
{
    struct tusk *h = lua_touserdata(L, 1);
    luaL_openlibs(L);
    lua_newtable(L);
    inspect_open(L, h);
    task_open(L, h);
    scope_open_lua(L, h);
    stray_open(L, h);
    wait_open(L, h);
    channel_open(L, h);
    select_open(L, h);
    clock_open(L, h);
    probe_open(L, h);
    place_open(L, h);
    loader_open(L, h);
    modules_open(L, h); // takes the table of functions as "tusk.kernel" and loads "tusk.core"
    return 0;
}

static int init_loop(struct tusk *h)
{
    if (uv_loop_init(&h->loop))
        return -1;
    if (uv_async_init(&h->loop, &h->async, on_async)) {
        uv_loop_close(&h->loop);
        return -1;
    }
    h->async.data = h;
    uv_unref((uv_handle_t *)&h->async);
    uv_timer_init(&h->loop, &h->alarm);
    return 0;
}

static void close_handle(uv_handle_t *handle, void *ud)
{
    (void)ud;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* Closes what is still open first: an open handle would keep the loop, and this, from ending. */
static void close_loop(struct tusk *h)
{
    uv_walk(&h->loop, close_handle, NULL); // the host's, and luv's, whose memory is Lua's
    for (int i = 0; i < CLOSE_TURNS && uv_run(&h->loop, UV_RUN_ONCE); i++)
        ;
}

tusk_rc tusk_open(const tusk_config *c, tusk_host **out)
{
    if (!out)
        return TUSK_E_ARG;
    *out = NULL;
    if (c && c->abi != TUSK_ABI)
        return TUSK_E_ABI;
    struct tusk *h = calloc(1, sizeof *h);
    if (!h)
        return TUSK_E_NOMEM;
    if (c)
        memcpy(&h->config, c,
               c->struct_size < sizeof h->config ? c->struct_size : sizeof h->config);
    h->posted_tail = &h->posted;
    h->before_poll_tail = &h->before_poll;
    h->root.on_error = ON_ERROR_LOG;
    h->root.is_task = 1; // in so far as it is no explicit one
    h->watch.of_watch = 1;
    h->now = host_now(h);
    if (uv_mutex_init(&h->post_mutex))
        goto fail_mutex;
    if (init_loop(h))
        goto fail_loop;
    h->L = open_lua(h);
    if (!h->L)
        goto fail_lua;
    if (lua_cpcall(h->L, open_modules, h))
        goto fail_modules;
    if (h->config.flags & TUSK_STRESS)
        lua_gc(h->L, LUA_GCSETPAUSE, 100);
    *out = h;
    return TUSK_OK;

fail_modules:
    close_lua(h);
fail_lua:
    close_loop(h);
    uv_loop_close(&h->loop);
fail_loop:
    uv_mutex_destroy(&h->post_mutex);
fail_mutex:
    timer_free_all(h);
    free(h);
    return TUSK_E_NOMEM;
}

/* Cancels all tasks and lets them end; those that have not in time are left where they are. */
static void end_tasks(struct tusk *h)
{
    h->closing = 1;
    h->close_by = uv_hrtime() + CLOSE_NS;
    scope_cancel(h, &h->root, CANCEL_SHUTDOWN);
    while (h->live && uv_hrtime() < h->close_by && (!idle(h) || h->waits))
        turn(h, 1);
}

void tusk_close(tusk_host *h)
{
    if (!h)
        return;
    end_tasks(h);
    while (h->at_close) {
        struct tusk_hook *k = h->at_close;
        h->at_close = k->next;
        k->run(k);
    }
    run_before_poll(h);
    close_loop(h);
    h->closing = 2;
    close_lua(h);
    uv_loop_close(&h->loop);
    uv_mutex_destroy(&h->post_mutex);
    task_free_all(h);
    timer_free_all(h);
    free(h);
}

/* ---- small things ---- */

uint32_t tusk_abi(void)
{
    return TUSK_ABI;
}

const char *tusk_version(void)
{
    return TUSK_VERSION;
}

const char *tusk_strerror(tusk_rc rc)
{
    static const char *const texts[] = {"ok",
                                        "bad argument",
                                        "not enough memory",
                                        "wrong version of the library",
                                        "not in this state",
                                        "syntax error",
                                        "error in Lua",
                                        "input or output error"};
    return (size_t)rc < sizeof texts / sizeof *texts ? texts[rc] : "unknown error";
}

void tusk_config_init_sized(tusk_config *c, uint32_t size, uint32_t abi)
{
    memset(c, 0, size);
    c->struct_size = size;
    c->abi = abi;
}

const char *tusk_errmsg(const tusk_host *h)
{
    return h->message;
}

/* Keeps the text of the error on top of the stack. */
static tusk_rc failed(tusk_host *h, tusk_rc rc)
{
    const char *text = lua_tostring(h->L, -1);
    snprintf(h->message, sizeof h->message, "%s", text ? text : "error object is not a string");
    lua_settop(h->L, 0);
    return rc;
}

struct source {
    const char *name, *text;
    size_t length;
};

static int start_source(lua_State *L)
{
    struct source *s = lua_touserdata(L, 1);
    lua_settop(L, 0);
    lua_getfield(L, LUA_REGISTRYINDEX, "tusk.compile");
    lua_pushlstring(L, s->text, s->length);
    lua_pushstring(L, s->name);
    lua_call(L, 2, 2);
    if (lua_isnil(L, 1))
        return lua_error(L);
    lua_settop(L, 1);
    return task_start(L, tusk_of(L), &tusk_of(L)->root, 0, TASK_INSIDE);
}

tusk_rc tusk_load_source(tusk_host *h, const char *name, const char *source, size_t length)
{
    struct source s = {name, source, length};
    if (!h || !name || !source)
        return TUSK_E_ARG;
    return lua_cpcall(h->L, start_source, &s) ? failed(h, TUSK_E_SYNTAX) : TUSK_OK;
}

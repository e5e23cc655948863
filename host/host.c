/* host.c: one host: opening, closing. */
#include <stdio.h>

#include "host.h"
#include "modules.h"

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
    return host_check(h) ? NULL : h->L;
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

void tusk_at_close(struct tusk *h, struct tusk_hook *k)
{
    k->next = h->at_close;
    h->at_close = k;
}

/* ---- opening and closing ---- */

static int open_modules(lua_State *L)
{
    lua_settop(L, 0);
    luaL_openlibs(L);
    memory_prepare(L);
    lua_newtable(L);
    inspect_open(L);
    task_open(L);
    scope_open_lua(L);
    stray_open(L);
    wait_open(L);
    channel_open(L);
    select_open(L);
    clock_open(L);
    probe_open(L);
    unit_open(L);
    failure_open(L);
    place_open(L);
    loader_open(L);
    embed_open(L);
    modules_open(L); // takes the table of functions as "tusk.kernel" and loads "tusk.core"
    slice_open(L);
    return 0;
}

tusk_rc tusk_open(const tusk_config *c, tusk_host **out)
{
    if (!out)
        return TUSK_E_ARG;
    *out = NULL;
    tusk_config config;
    tusk_limits limits;
    tusk_rc rc = config_take(&config, &limits, c);
    if (rc)
        return rc;
    struct tusk *h = memory_new_host(&config, &limits);
    if (!h)
        return TUSK_E_NOMEM;
    owner_take(h);
    h->posted_tail = &h->posted;
    h->before_poll_tail = &h->before_poll;
    h->root.on_error = ON_ERROR_LOG;
    h->root.is_task = 1; // in so far as it is no explicit one
    h->watch.of_watch = 1;
    h->end.of_end = 1;
    stray_init(h);
    h->now = host_now(h);
    if (uv_mutex_init(&h->post_mutex))
        goto fail_mutex;
    if (loop_open(h))
        goto fail_loop;
    if (borrow_open(h))
        goto fail_borrow;
    if (embed_new(h) || memory_open_lua(h) || lua_cpcall(h->L, open_modules, NULL) ||
        memory_is_short(h))
        goto fail_lua;
    if (h->config.flags & TUSK_STRESS)
        lua_gc(h->L, LUA_GCSETPAUSE, 100);
    *out = h;
    return TUSK_OK;

fail_lua:
    borrow_close(h);
fail_borrow:
    h->closing = 2;
    loop_close(h);
    memory_close_lua(h);
    embed_free(h);
    uv_loop_close(&h->loop);
fail_loop:
    uv_mutex_destroy(&h->post_mutex);
fail_mutex:
    timer_free_all(h);
    memory_free_host(h);
    return TUSK_E_NOMEM;
}

/* Cancels all tasks and lets them end; those that have not in time are left where they are. */
static void end_tasks(struct tusk *h)
{
    h->closing = 1;
    h->close_by = uv_hrtime() + (h->ending == 3 ? 0 : CLOSE_NS);
    timer_stop(h, &h->end);
    scope_cancel(h, &h->root, CANCEL_SHUTDOWN);
    embed_hurry(h);
    while (h->live && uv_hrtime() < h->close_by && (!loop_is_idle(h) || h->waits) &&
           !(h->ready_head && memory_is_out(h)))
        loop_turn(h, 1);
}

tusk_rc tusk_close(tusk_host *h)
{
    tusk_rc rc = h ? host_check_outside(h) : TUSK_OK;
    if (rc || !h)
        return rc;
    if (borrow_is_asking(h))
        return host_refuse(h, TUSK_E_STATE, "not from inside on_ready");
    h->inside = 1;
    borrow_close(h);
    end_tasks(h);
    embed_close(h);
    while (h->at_close) {
        struct tusk_hook *k = h->at_close;
        h->at_close = k->next;
        k->run(k);
    }
    loop_before_poll(h);
    loop_close(h);
    h->closing = 2;
    memory_close_lua(h);
    embed_free(h);
    uv_loop_close(&h->loop);
    uv_mutex_destroy(&h->post_mutex);
    task_free_all(h);
    unit_free_all(h);
    timer_free_all(h);
    memory_free_host(h);
    return TUSK_OK;
}

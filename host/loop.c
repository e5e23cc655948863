/* loop.c: one host's loop: a turn, running, stepping, waking. */
#include "host.h"

#define SLICE_NS    2000000u     /* resumes between two polls */
#define STRIDE      64           /* and between two looks at the clock meanwhile */
#define STOP_NS     10000000000u /* that plugins have to end, when a stop is asked for */
#define CLOSE_TURNS 10000        /* and the loop, for what is in flight: turns */

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

void loop_before_poll(struct tusk *h)
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

/* ---- turns ---- */

void host_call(struct tusk *h, enum callback which)
{
    lua_rawgeti(h->L, LUA_REGISTRYINDEX, h->callbacks[which]);
    if (lua_pcall(h->L, 0, 0, 0))
        lua_pop(h->L, 1);
}

void loop_cancel_app(struct tusk *h)
{
    if (h->app || !h->had_app)
        scope_cancel(h, h->app ? &h->app->scope : &h->root, CANCEL_SHUTDOWN);
}

void loop_stop_if_asked(struct tusk *h)
{
    if (!atomic_load_explicit(&h->stop, memory_order_relaxed))
        return;
    interrupt_end(h);
    if (h->stopping)
        return;
    h->stopping = 1;
    if (!h->has_plugins || h->app)
        loop_cancel_app(h);
    else if (!h->ending)
        load_end_begins(h, STOP_NS);
    host_call(h, CALL_STOPPING);
}

void loop_collect_if_stressed(struct tusk *h)
{
    if (h->config.flags & TUSK_STRESS)
        memory_collect(h);
}

/* A turn's code has run: how long did it keep others from being looked at? */
void loop_hold_ended(struct tusk *h)
{
    uint64_t ns = uv_hrtime() - h->hold.began, us = (ns + 999) / 1000;
    int bucket = us < 2 ? 0 : 64 - __builtin_clzll(us - 1); // 2^bucket is the first not below us
    h->hold.turns++;
    h->hold.ns += ns;
    h->hold.counts[bucket < HOLD_BUCKETS ? bucket : HOLD_BUCKETS - 1]++;
}

int loop_is_idle(struct tusk *h)
{
    return !h->ready_head && timer_is_idle(h) && !h->before_poll;
}

/*
 * One turn: resume what is ready, poll, fire timers. Blocks in the poll if `wait` and nothing is
 * ready. -1: nothing can ever wake any task again.
 */
int loop_turn(struct tusk *h, int wait)
{
    h->now = host_now(h);
    loop_stop_if_asked(h);
    inspect_if_asked(h);
    task_drain(h, uv_hrtime() + SLICE_NS, STRIDE);
    loop_collect_if_stressed(h);
    loop_before_poll(h);
    if (h->live <= h->residents)
        return 0; // nobody is left, or nobody who waits for anything but the end
    h->now = host_now(h);
    int jumps = clock_may_jump(h);
    timer_arm(h);
    loop_hold_ended(h);
    int more = uv_run(&h->loop, wait && !h->ready_head && !jumps ? UV_RUN_ONCE : UV_RUN_NOWAIT);
    h->hold.began = uv_hrtime();
    if (jumps)
        clock_jump(h);
    h->now = host_now(h);
    timer_fire(h);
    if (more || !wait || h->closing || !loop_is_idle(h))
        return 0;
    host_call(h, CALL_DEADLOCK);
    return loop_is_idle(h) ? -1 : 0;
}

static void on_async(uv_async_t *async)
{
    wait_take_posted(async->data);
}

tusk_rc tusk_run(tusk_host *h)
{
    struct sigpipe before;
    tusk_rc rc = host_check_outside(h);
    if (rc)
        return rc;
    if (h->borrowed)
        return host_refuse(h, TUSK_E_STATE, "the loop is the program's: it runs it, and steps");
    int stuck = 0;
    h->inside = 1;
    sigpipe_block(&before);
    while (!stuck && (h->live > h->residents || h->ready_head || (h->ending && !load_has_ended(h))))
        stuck = h->ready_head && memory_is_out(h) ? -2 : loop_turn(h, 1);
    sigpipe_unblock(&before);
    h->inside = 0;
    if (stuck == -2)
        return host_refuse(h, TUSK_E_NOMEM, "tasks are ready, without memory to run them");
    if (h->lost) {
        h->lost = 0;
        return host_refuse(h, TUSK_E_NOMEM, "a task has failed, without memory to say more");
    }
    return stuck ? TUSK_E_STATE : TUSK_OK;
}

int tusk_wait_fd(const tusk_host *h)
{
    return host_check((tusk_host *)h) ? -1 : uv_backend_fd(&h->loop);
}

int tusk_wait_ms(const tusk_host *h)
{
    if (host_check((tusk_host *)h))
        return -1;
    if (h->ready_head || h->before_poll)
        return 0;
    uv_update_time((uv_loop_t *)&h->loop); // what is left is less than after the step
    int ms = uv_loop_alive(&h->loop) ? uv_backend_timeout(&h->loop) : -1;
    const struct heap *timers = &h->heaps[CLOCK_REAL];
    if (!timers->count)
        return ms;
    uint64_t now = host_real(h), due = timers->entries[1].due;
    uint64_t own = due > now ? (due - now + 999999) / 1000000 : 0;
    return ms < 0 || own < (uint64_t)ms ? (int)(own > 1000000 ? 1000000 : own) : ms;
}

void tusk_wakeup(tusk_host *h)
{
    if (h)
        uv_async_send(&h->async);
}

void tusk_stop(tusk_host *h)
{
    if (!h)
        return;
    atomic_store(&h->stop, 1);
    uv_async_send(&h->async);
}

/* ---- opening and closing ---- */

int loop_open(struct tusk *h)
{
    if (uv_loop_init(&h->loop))
        return -1;
    if (uv_async_init(&h->loop, &h->async, on_async)) {
        uv_loop_close(&h->loop);
        return -1;
    }
    h->async.data = h;
    h->hold.began = uv_hrtime();
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
void loop_close(struct tusk *h)
{
    uv_walk(&h->loop, close_handle, NULL); // the host's, and luv's, whose memory is Lua's
    for (int i = 0; i < CLOSE_TURNS && uv_run(&h->loop, UV_RUN_ONCE); i++)
        ;
}

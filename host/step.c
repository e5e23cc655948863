/* step.c: one turn for a program that has a loop of its own. */
#include <sys/epoll.h>
#include <time.h>

#include "host.h"

#define BUDGET_MAX (UINT64_MAX / 4000) /* in microseconds; a longer one has no end */

/* ---- SIGPIPE: writing to what nobody reads must be an error, not the end of the process ---- */

void sigpipe_block(struct sigpipe *before)
{
    sigset_t set, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    sigpending(&pending);
    before->pending = sigismember(&pending, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, &before->mask);
}

void sigpipe_unblock(const struct sigpipe *before)
{
    sigset_t set;
    struct timespec now = {0};
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    if (!before->pending && !sigismember(&before->mask, SIGPIPE))
        sigtimedwait(&set, NULL, &now); // takes away what the turns have raised
    pthread_sigmask(SIG_SETMASK, &before->mask, NULL);
}

/* ---- a step ---- */

static int timer_is_due(const struct tusk *h)
{
    const struct heap *q = &h->heaps[CLOCK_REAL];
    return q->count && q->entries[1].due <= (h->clock.on ? host_real(h) : h->now);
}

/* Would uv_run call anybody, or tell the kernel of new watchers? */
static int has_events(struct tusk *h)
{
    struct epoll_event first;
    uv_update_time(&h->loop);
    if (uv_loop_alive(&h->loop) && uv_backend_timeout(&h->loop) == 0)
        return 1;
    return epoll_wait(uv_backend_fd(&h->loop), &first, 1, 0) != 0;
}

/* Most steps of a game find nothing to do, for the price of one system call. */
static int is_quiet(struct tusk *h)
{
    h->now = host_now(h);
    if (h->ready_head || h->before_poll || h->clock.on || timer_is_due(h) ||
        atomic_load_explicit(&h->stop, memory_order_relaxed) ||
        atomic_load_explicit(&h->dump, memory_order_relaxed))
        return 0;
    if (uv_is_active((uv_handle_t *)&h->alarm))
        uv_timer_stop(&h->alarm); // it is for a poll that blocks
    return !has_events(h);
}

/* A loop without anything alive would not even take a wake-up off its descriptor. */
static void poll_once(struct tusk *h)
{
    uv_ref((uv_handle_t *)&h->async);
    uv_run(&h->loop, UV_RUN_NOWAIT);
    if (!h->waits)
        uv_unref((uv_handle_t *)&h->async);
}

static void step(struct tusk *h, uint64_t budget_us)
{
    int jumps = clock_may_jump(h);
    uv_timer_stop(&h->alarm);
    poll_once(h);
    h->hold.began = uv_hrtime();
    if (jumps)
        clock_jump(h);
    h->now = host_now(h);
    timer_fire(h);
    loop_stop_if_asked(h);
    inspect_if_asked(h);
    if (budget_us)
        task_drain(h, budget_us < BUDGET_MAX ? uv_hrtime() + budget_us * 1000 : UINT64_MAX, 1);
    loop_collect_if_stressed(h);
    loop_before_poll(h);
    loop_hold_ended(h);
    poll_once(h);
}

tusk_step_state tusk_step(tusk_host *h, uint64_t budget_us)
{
    struct sigpipe before;
    if (host_check_outside(h))
        return TUSK_STEP_ERROR;
    h->steps++;
    borrow_stepped(h);
    if (!is_quiet(h)) {
        h->inside = 1;
        sigpipe_block(&before);
        step(h, budget_us);
        memory_bytes(h); // it may be the peak
        sigpipe_unblock(&before);
        h->inside = 0;
        borrow_left(h);
    }
    if (load_has_ended(h))
        return TUSK_STEP_DONE;
    if (h->ready_head)
        return TUSK_STEP_MORE;
    return h->live > h->residents ? TUSK_STEP_WAITING : TUSK_STEP_IDLE;
}

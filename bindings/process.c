/*
 * process.c: the life of a program on the loop: its end, which may be asked for, and what that
 * takes; what a host and a scope do with one they own.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process_state.h"

#define CLOSE_MS 2000 /* that a host which closes gives one it has killed */

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

void process_close_handle(uv_handle_t *handle)
{
    if (handle)
        uv_close(handle, free_handle);
}

/* ---- signals ---- */

/* Somebody else has taken its status, and its number may be another's. */
static int is_lost(const struct process *p)
{
    return p->exited && p->code < 0 && p->signal < 0;
}

int process_signal(struct process *p, int number)
{
    if (p->exited && (!p->group || is_lost(p)))
        return 0;
    int rc = p->group ? kill(-p->pid, number)
                      : (int)syscall(SYS_pidfd_send_signal, p->pidfd, number, NULL, 0);
    return rc && errno != ESRCH ? errno : 0;
}

/* ---- over ---- */

static void stop_handles(struct process *p)
{
    process_close_handle((uv_handle_t *)p->exit_poll);
    process_close_handle((uv_handle_t *)p->timer);
    p->exit_poll = NULL;
    p->timer = NULL;
    if (p->pidfd >= 0)
        close(p->pidfd);
    p->pidfd = -1;
}

static void wake_waits(struct process *p)
{
    struct process_wait *next, *w = p->waits;
    p->waits = NULL;
    for (; w; w = next) {
        next = w->next;
        tusk_wake(&w->base);
    }
}

/* Tells everybody. The scope need not stay open any longer. */
static void finish(struct process *p)
{
    p->over = 1;
    p->pins++; // one of the pipes may be the last of it
    pipe_close(&p->in);
    for (int i = 0; i < 2; i++)
        pipe_finish(&p->out[i]);
    wake_waits(p);
    if (p->leaving)
        tusk_left(&p->owned);
    p->pins--;
    process_release(p);
}

/* What the program has started and left behind ends with it, while its number is still its own. */
static void reap(struct process *p)
{
    siginfo_t info;
    if (p->group)
        process_signal(p, SIGKILL);
    waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED | WNOHANG);
    stop_handles(p);
    if (p->over) // long ago, for everybody else
        process_release(p);
    else
        finish(p);
}

static void keep_status(struct process *p)
{
    siginfo_t info = {0};
    p->code = p->signal = -1; // somebody else has taken it
    p->exited = 1;
    if (waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED | WNOHANG | WNOWAIT))
        return;
    if (info.si_code == CLD_EXITED)
        p->code = info.si_status;
    else
        p->signal = info.si_status;
}

/* ---- time ---- */

static void on_grace(uv_timer_t *timer);

static void start_grace(struct process *p)
{
    double ms = p->grace * 1000;
    if (uv_is_active((uv_handle_t *)p->timer))
        return;
    uv_update_time(p->loop); // this turn of the loop may have begun long ago
    uv_timer_start(p->timer, on_grace, ms < 1e15 ? (uint64_t)(ms + 0.5) : UINT64_MAX / 4, 0);
}

static void on_grace(uv_timer_t *timer)
{
    struct process *p = timer->data;
    p->killed = 1;
    p->immortal = process_signal(p, SIGKILL) == EPERM;
    if (p->immortal && !p->exited) { // it goes on, and is reaped when it ends
        uv_unref((uv_handle_t *)p->exit_poll);
        finish(p);
        return;
    }
    process_settle(p);
}

static int is_quiet(struct process *p)
{
    int quiet = 1;
    for (int i = 0; i < 2; i++) {
        struct pipe_end *e = &p->out[i];
        if (e->fd >= 0 && !e->hung_up)
            pipe_watch(e);
        quiet = quiet && (e->fd < 0 || e->hung_up);
    }
    return quiet;
}

void process_settle(struct process *p)
{
    if (!p->exited || p->pidfd < 0)
        return;
    if (p->killed || p->over || is_quiet(p))
        reap(p);
    else
        start_grace(p);
}

static void on_exit_poll(uv_poll_t *poll, int status, int events)
{
    struct process *p = poll->data;
    (void)status;
    (void)events;
    uv_poll_stop(poll);
    keep_status(p);
    process_settle(p);
}

void process_run(struct process *p)
{
    free(p->spec);
    p->spec = NULL;
    uv_poll_init(p->loop, p->exit_poll, p->pidfd);
    uv_timer_init(p->loop, p->timer);
    p->exit_poll->data = p->timer->data = p;
    uv_poll_start(p->exit_poll, UV_READABLE, on_exit_poll);
    if (p->in.fd >= 0)
        pipe_begin(&p->in);
    for (int i = 0; i < 2; i++)
        if (p->out[i].fd >= 0)
            pipe_begin(&p->out[i]);
}

void process_end(struct process *p)
{
    if (p->ending || p->over || !p->started)
        return;
    p->ending = 1;
    pipe_close(&p->in);
    for (int i = 0; i < 2; i++)
        pipe_discard(&p->out[i]);
    process_signal(p, SIGTERM);
    process_signal(p, SIGCONT); // one that is stopped would not hear the first
    uv_timer_stop(p->timer);
    start_grace(p);
}

/* ---- owners ---- */

void process_close_pipes(struct process *p)
{
    pipe_close(&p->in);
    pipe_close(&p->out[0]);
    pipe_close(&p->out[1]);
}

static int is_open(const struct process *p)
{
    return p->in.fd >= 0 || p->out[0].fd >= 0 || p->out[1].fd >= 0;
}

void process_release(struct process *p)
{
    if (p->pins || p->starting || p->pidfd >= 0 || p->leaving)
        return;
    if (!is_open(p))
        tusk_disown(&p->owned);
    if (p->held)
        return;
    process_close_pipes(p);
    tusk_disown(&p->owned);
    *p->link = p->next;
    if (p->next)
        p->next->link = p->link;
    free(p->out[0].data);
    free(p->out[1].data);
    free(p->exit_poll); // of one that did not start
    free(p->timer);
    free(p->spec);
    free(p);
}

static struct process *of_owned(struct tusk_owned *o)
{
    return (struct process *)((char *)o - offsetof(struct process, owned));
}

/* The scope's: all else in it has ended. */
static int scope_leaves(struct tusk_owned *o)
{
    struct process *p = of_owned(o);
    p->leaving = !p->over;
    process_end(p);
    return p->leaving;
}

/* It has ended, or is to end behind everybody's back. */
static void scope_ended(struct tusk_owned *o)
{
    struct process *p = of_owned(o);
    p->leaving = 0;
    process_end(p);
    if (p->over)
        process_close_pipes(p);
    process_release(p);
}

void process_owned(lua_State *L, struct process *p)
{
    p->owned.end = scope_ended;
    p->owned.leave = scope_leaves;
    tusk_own(L, &p->owned);
}

void process_destroy(struct process *p)
{
    struct pollfd fd = {.fd = p->pidfd, .events = POLLIN};
    if (p->starting || (p->leaving && p->over)) // its callback, or the scope's, is still to come
        return;
    p->leaving = 0;
    tusk_disown(&p->owned);
    process_close_pipes(p);
    if (p->pidfd >= 0) {
        process_signal(p, SIGKILL);
        poll(&fd, 1, p->immortal ? 0 : CLOSE_MS);
        siginfo_t info;
        waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED | WNOHANG);
        stop_handles(p);
    }
    p->over = 1;
    process_release(p);
}

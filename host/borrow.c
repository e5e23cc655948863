/*
 * borrow.c: a host in a program that runs a uv_loop_t of its own. The host keeps its loop, whose
 * descriptor and next moment are watched on the borrowed one: three handles, closed with the host.
 * They run no Lua: they tell the program that it is time for a step.
 */
#include <stdlib.h>

#include "host.h"

struct borrowed {
    uv_prepare_t before; /* active all the time; what keeps the loop alive while tasks live */
    uv_poll_t poll;
    uv_timer_t timer;
    struct tusk *host;
    int asked;  /* the program has been told, and has not made a step yet */
    int asking; /* it is being told: the host must outlast that */
    int open;   /* handles */
};

static void ask(struct borrowed *b)
{
    if (b->asked)
        return;
    b->asked = 1;
    uv_poll_stop(&b->poll); // it would ring until the step
    uv_timer_stop(&b->timer);
    b->asking = 1;
    b->host->config.on_ready(b->host->config.ud);
    b->asking = 0;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    ask(poll->data);
}

static void on_timer(uv_timer_t *timer)
{
    ask(timer->data);
}

static void keep_alive(struct borrowed *b)
{
    const struct tusk *h = b->host;
    if (h->live > h->residents || h->ready_head)
        uv_ref((uv_handle_t *)&b->before);
    else
        uv_unref((uv_handle_t *)&b->before);
}

/* The borrowed loop is about to poll. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct borrowed *b = prepare->data;
    if (tusk_wait_ms(b->host) == 0)
        ask(b);
    keep_alive(b);
    if (b->asked)
        return;
    int ms = tusk_wait_ms(b->host); // the program may have made its step
    if (ms >= 0)
        uv_timer_start(&b->timer, on_timer, (uint64_t)ms, 0);
    else
        uv_timer_stop(&b->timer);
    if (!uv_is_active((uv_handle_t *)&b->poll))
        uv_poll_start(&b->poll, UV_READABLE, on_poll);
}

int borrow_is_asking(const struct tusk *h)
{
    return h->borrowed && h->borrowed->asking;
}

void borrow_stepped(struct tusk *h)
{
    if (h->borrowed)
        h->borrowed->asked = 0;
}

void borrow_left(struct tusk *h)
{
    if (h->borrowed)
        keep_alive(h->borrowed);
}

static void on_closed(uv_handle_t *handle)
{
    struct borrowed *b = handle->data;
    if (!--b->open)
        free(b);
}

/* The program's loop calls on_closed when it runs next: this outlives the host. */
void borrow_close(struct tusk *h)
{
    struct borrowed *b = h->borrowed;
    if (!b)
        return;
    h->borrowed = NULL;
    uv_close((uv_handle_t *)&b->before, on_closed);
    uv_close((uv_handle_t *)&b->timer, on_closed);
    if (b->open == 3)
        uv_close((uv_handle_t *)&b->poll, on_closed);
}

int borrow_open(struct tusk *h)
{
    uv_loop_t *loop = h->config.uv_loop;
    if (!loop)
        return 0;
    struct borrowed *b = calloc(1, sizeof *b);
    if (!b)
        return -1;
    b->host = h;
    b->before.data = b->timer.data = b->poll.data = b;
    uv_prepare_init(loop, &b->before);
    uv_timer_init(loop, &b->timer);
    b->open = 2;
    h->borrowed = b;
    if (uv_poll_init(loop, &b->poll, uv_backend_fd(&h->loop))) {
        borrow_close(h);
        return -1;
    }
    b->open = 3;
    uv_unref((uv_handle_t *)&b->timer);
    uv_unref((uv_handle_t *)&b->poll);
    uv_prepare_start(&b->before, on_prepare);
    uv_unref((uv_handle_t *)&b->before);
    return 0;
}

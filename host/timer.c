/* timer.c: the host's timers: a binary heap for each clock, the real one's under one uv_timer. */
#include "host.h"

static int earlier(const struct heap_entry *a, const struct heap_entry *b)
{
    return a->due < b->due || (a->due == b->due && a->order < b->order);
}

static void place(struct heap *q, uint32_t i, struct heap_entry e)
{
    q->entries[i] = e;
    e.timer->slot = i;
}

static void sift_up(struct heap *q, uint32_t i)
{
    struct heap_entry e = q->entries[i];
    for (; i > 1 && earlier(&e, &q->entries[i / 2]); i /= 2)
        place(q, i, q->entries[i / 2]);
    place(q, i, e);
}

static void sift_down(struct heap *q, uint32_t i)
{
    struct heap_entry e = q->entries[i];
    for (uint32_t c; (c = i * 2) <= q->count; i = c) {
        if (c < q->count && earlier(&q->entries[c + 1], &q->entries[c]))
            c++;
        if (!earlier(&q->entries[c], &e))
            break;
        place(q, i, q->entries[c]);
    }
    place(q, i, e);
}

int timer_reserve(struct tusk *h, enum clock clock, uint32_t n)
{
    struct heap *q = &h->heaps[clock];
    uint32_t size = q->size ? q->size : 64;
    while (size < q->count + n + 1)
        size *= 2;
    if (size == q->size)
        return 0;
    struct heap_entry *entries =
        host_realloc(h, q->entries, q->size * sizeof *entries, size * sizeof *entries);
    if (!entries)
        return -1;
    q->entries = entries;
    q->size = size;
    return 0;
}

void timer_start(struct tusk *h, enum clock clock, struct timer *timer, uint64_t due)
{
    struct heap *q = &h->heaps[clock];
    uint32_t i = ++q->count;
    timer->clock = (uint8_t)clock;
    place(q, i, (struct heap_entry){due, h->order++, timer});
    sift_up(q, i);
}

void timer_stop(struct tusk *h, struct timer *timer)
{
    struct heap *q = &h->heaps[timer->clock];
    uint32_t i = timer->slot;
    if (!i)
        return;
    timer->slot = 0;
    uint32_t last = q->count--;
    if (i == last)
        return;
    place(q, i, q->entries[last]);
    sift_up(q, i);
    sift_down(q, q->entries[i].timer->slot);
}

static void fire_first(struct tusk *h, struct heap *q)
{
    struct timer *timer = q->entries[1].timer;
    timer_stop(h, timer);
    if (timer->of_scope)
        scope_expired(h, timer);
    else if (timer->of_select)
        select_expired(h, timer);
    else if (timer->of_watch)
        host_call(h, CALL_WATCH);
    else if (timer->of_end)
        load_end_expired(h);
    else
        task_ready(h, (struct task *)((char *)timer - offsetof(struct task, timer)), 0);
}

static void fire(struct tusk *h, enum clock clock, uint64_t now)
{
    struct heap *q = &h->heaps[clock];
    while (q->count && q->entries[1].due <= now)
        fire_first(h, q);
}

void timer_fire(struct tusk *h)
{
    if (h->clock.on)
        fire(h, CLOCK_VIRTUAL, h->clock.now);
    if (h->heaps[CLOCK_REAL].count)
        fire(h, CLOCK_REAL, h->clock.on ? host_real(h) : h->now);
}

void timer_free_all(struct tusk *h)
{
    for (int i = CLOCK_REAL; i <= CLOCK_VIRTUAL; i++)
        host_free(h, h->heaps[i].entries, h->heaps[i].size * sizeof *h->heaps[i].entries);
}

/* The watch alone does not count: it looks on. */
static int only_watched(const struct tusk *h)
{
    return h->heaps[CLOCK_REAL].count == (h->watch.slot != 0);
}

int timer_is_idle(const struct tusk *h)
{
    const struct heap *q = &h->heaps[CLOCK_VIRTUAL];
    int moves = q->count && !h->clock.by_hand && q->entries[1].due != UINT64_MAX;
    return only_watched(h) && !moves;
}

static void alarm_rang(uv_timer_t *alarm)
{
    (void)alarm; // the turn that polled fires what is due
}

/* Whole milliseconds, rounded up. */
static uint64_t time_left(uint64_t due, uint64_t now)
{
    return due > now ? (due - now - 1) / 1000000 + 1 : 0;
}

void timer_arm(struct tusk *h)
{
    const struct heap *q = &h->heaps[CLOCK_REAL];
    if (!q->count && !h->close_by) {
        uv_timer_stop(&h->alarm);
        return;
    }
    uint64_t left = q->count ? time_left(q->entries[1].due, host_real(h)) : UINT64_MAX;
    uint64_t closes = h->close_by ? time_left(h->close_by, uv_hrtime()) : UINT64_MAX;
    uv_update_time(&h->loop);
    // it repeats: libuv fires what is due before it polls, and would then poll without an end
    uv_timer_start(&h->alarm, alarm_rang, left < closes ? left : closes, 1);
    if (only_watched(h) && !h->close_by)
        uv_unref((uv_handle_t *)&h->alarm);
    else
        uv_ref((uv_handle_t *)&h->alarm);
}

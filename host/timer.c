/* timer.c: the host's timers, a binary heap under one uv_timer. */
#include <stdlib.h>

#include "host.h"

static int earlier(const struct heap_entry *a, const struct heap_entry *b)
{
    return a->due < b->due || (a->due == b->due && a->order < b->order);
}

static void place(struct tusk *h, uint32_t i, struct heap_entry e)
{
    h->heap[i] = e;
    e.timer->slot = i;
}

static void sift_up(struct tusk *h, uint32_t i)
{
    struct heap_entry e = h->heap[i];
    for (; i > 1 && earlier(&e, &h->heap[i / 2]); i /= 2)
        place(h, i, h->heap[i / 2]);
    place(h, i, e);
}

static void sift_down(struct tusk *h, uint32_t i)
{
    struct heap_entry e = h->heap[i];
    for (uint32_t c; (c = i * 2) <= h->heap_count; i = c) {
        if (c < h->heap_count && earlier(&h->heap[c + 1], &h->heap[c]))
            c++;
        if (!earlier(&h->heap[c], &e))
            break;
        place(h, i, h->heap[c]);
    }
    place(h, i, e);
}

int timer_reserve(struct tusk *h)
{
    if (h->heap_count + 2 <= h->heap_size)
        return 0;
    uint32_t size = h->heap_size ? h->heap_size * 2 : 64;
    struct heap_entry *heap = realloc(h->heap, size * sizeof *heap);
    if (!heap)
        return -1;
    h->heap = heap;
    h->heap_size = size;
    return 0;
}

void timer_start(struct tusk *h, struct timer *timer, uint64_t due)
{
    uint32_t i = ++h->heap_count;
    place(h, i, (struct heap_entry){due, h->order++, timer});
    sift_up(h, i);
}

void timer_stop(struct tusk *h, struct timer *timer)
{
    uint32_t i = timer->slot;
    if (!i)
        return;
    timer->slot = 0;
    uint32_t last = h->heap_count--;
    if (i == last)
        return;
    place(h, i, h->heap[last]);
    sift_up(h, i);
    sift_down(h, h->heap[i].timer->slot);
}

void timer_fire(struct tusk *h)
{
    while (h->heap_count && h->heap[1].due <= h->now) {
        struct timer *timer = h->heap[1].timer;
        timer_stop(h, timer);
        if (timer->of_scope)
            scope_expired(h, timer);
        else if (timer->of_select)
            select_expired(h, timer);
        else
            task_ready(h, (struct task *)((char *)timer - offsetof(struct task, timer)), 0);
    }
}

static void alarm_rang(uv_timer_t *alarm)
{
    (void)alarm; // the turn that polled fires what is due
}

void timer_arm(struct tusk *h)
{
    uint64_t now = uv_hrtime(), due = h->heap_count ? h->heap[1].due : UINT64_MAX;
    if (h->close_by && h->close_by < due)
        due = h->close_by;
    if (due == UINT64_MAX) {
        uv_timer_stop(&h->alarm);
        return;
    }
    uv_update_time(&h->loop);
    // it repeats: libuv fires what is due before it polls, and would then poll without an end
    uv_timer_start(&h->alarm, alarm_rang, due > now ? (due - now + 999999) / 1000000 : 0, 1);
}

/* queue.c: lines that tasks, and selects for theirs, stand in: first in, first out. */
#include "host.h"

void queue_put(struct queue *q, struct waiter *w)
{
    w->queue = q;
    w->after = NULL;
    w->before = q->tail;
    if (q->tail)
        q->tail->after = w;
    else
        q->head = w;
    q->tail = w;
}

void queue_remove(struct waiter *w)
{
    struct queue *q = w->queue;
    if (w->before)
        w->before->after = w->after;
    else
        q->head = w->after;
    if (w->after)
        w->after->before = w->before;
    else
        q->tail = w->before;
    w->queue = NULL;
}

struct task *queue_task(struct waiter *w)
{
    if (w->number)
        return select_task(w);
    return (struct task *)((char *)w - offsetof(struct task, place));
}

void queue_wake(struct tusk *h, struct waiter *w)
{
    if (w->number) {
        select_wake(h, w);
        return;
    }
    queue_remove(w);
    task_ready(h, queue_task(w), 0);
}

/* redis_answer.c: whom an answer is for. */
#include <stdlib.h>
#include <string.h>

#include "redis.h"

struct slot *conn_owed(struct conn *c)
{
    int in_order = c->state == STATE_READY && !c->is_subscriber && c->head < c->tail;
    struct slot *s = in_order ? slot_of(c, c->head) : NULL;
    return s && s->begin < c->written ? s : NULL;
}

static int is_refused(const char *error, size_t n)
{
    return (n >= 9 && !memcmp(error, "WRONGPASS", 9)) || (n >= 6 && !memcmp(error, "NOAUTH", 6));
}

/* The answer to AUTH, then to SELECT. */
static void greeted(struct conn *c)
{
    size_t n;
    const char *error = tape_error(&c->scratch, &n);
    if (error) {
        char text[SMALL];
        snprintf(text, sizeof text, "%.*s", (int)n, error);
        int auth = is_refused(error, n) || (c->has_auth && c->greeting_left == c->greeting_replies);
        enum fault fault = auth ? FAULT_AUTH : FAULT_REPLY;
        conn_break(c, fault, fault, text);
        return;
    }
    tape_free(c, &c->scratch);
    if (!--c->greeting_left)
        conn_ready(c);
}

static int inbox_add(struct conn *c)
{
    struct message *m = malloc(sizeof *m);
    if (!m)
        return -1;
    m->next = NULL;
    m->tape = c->scratch;
    c->scratch = (struct tape){0};
    if (c->inbox_last)
        c->inbox_last->next = m;
    else
        c->inbox = m;
    c->inbox_last = m;
    c->inbox_count++;
    c->inbox_bytes += m->tape.length;
    return 0;
}

static void deliver(struct conn *c)
{
    struct call *call = c->listener;
    if (call) {
        c->listener = NULL;
        call->tape = c->scratch;
        c->scratch = (struct tape){0};
        tusk_wake(&call->wait);
        return;
    }
    if (inbox_add(c))
        conn_break(c, FAULT_PROTOCOL, FAULT_PROTOCOL, "not enough memory");
}

/* The server says something on its own, such as that it has too many clients. */
static void unasked(struct conn *c)
{
    size_t n;
    const char *error = tape_error(&c->scratch, &n);
    if (!error) {
        conn_break(c, FAULT_PROTOCOL, FAULT_DISCONNECTED, "an answer to nothing");
        return;
    }
    char text[SMALL];
    snprintf(text, sizeof text, "%.*s", (int)n, error);
    conn_break(c, FAULT_DISCONNECTED, FAULT_DISCONNECTED, text);
}

void conn_answered(struct conn *c)
{
    if (c->state == STATE_GREETING) {
        greeted(c);
        return;
    }
    if (c->is_subscriber) {
        deliver(c);
        return;
    }
    struct slot *s = conn_owed(c);
    if (!s) {
        unasked(c);
        return;
    }
    c->failures = 0;
    if (--s->left)
        return;
    c->head++;
    if (s->call)
        tusk_wake(&s->call->wait);
}

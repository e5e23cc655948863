/* owned.c: what bindings give to scopes. */
#include "host.h"

static void enlist(struct scope *s, struct tusk_owned *o)
{
    struct tusk_owned **first = &s->owned;
    o->next = *first;
    o->link = first;
    if (o->next)
        o->next->link = &o->next;
    *first = o;
}

void tusk_own(lua_State *L, struct tusk_owned *o)
{
    o->host = tusk_of(L);
    o->leaving = NULL;
    enlist(o->host->current->scope, o);
}

void tusk_disown(struct tusk_owned *o)
{
    if (!o->link)
        return;
    *o->link = o->next;
    if (o->next)
        o->next->link = o->link;
    o->link = NULL;
}

/* Counts like a child until it has left; what waits for children waits for it. */
int owned_leave_all(struct tusk *h, struct scope *s)
{
    for (struct tusk_owned *o; (o = s->owned);) {
        tusk_disown(o);
        if (!o->leave || !o->leave(o)) {
            o->end(o);
            continue;
        }
        o->leaving = s;
        s->live++;
        host_reference_async(h, 1);
    }
    return s->live != 0;
}

static void left(struct tusk_hook *k)
{
    struct tusk_owned *o = (struct tusk_owned *)((char *)k - offsetof(struct tusk_owned, left));
    struct tusk *h = o->host;
    struct scope *s = o->leaving;
    o->leaving = NULL;
    o->end(o);
    host_reference_async(h, -1);
    if (!--s->live && s->joining)
        task_scope_emptied(h, s);
}

void tusk_left(struct tusk_owned *o)
{
    o->left.run = left;
    tusk_before_poll(o->host, &o->left);
}

void owned_end_all(struct scope *s)
{
    for (struct tusk_owned *o; (o = s->owned);) {
        tusk_disown(o);
        o->end(o);
    }
}

/* owned.c: what bindings give to scopes. */
#include "host.h"

void tusk_own(lua_State *L, struct tusk_owned *o)
{
    struct tusk_owned **first = &tusk_of(L)->current->scope->owned;
    o->next = *first;
    o->link = first;
    if (o->next)
        o->next->link = &o->next;
    *first = o;
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

void owned_end_all(struct scope *s)
{
    for (struct tusk_owned *o; (o = s->owned);) {
        tusk_disown(o);
        o->end(o);
    }
}

/*
 * unit.c: plugins and sources by name: whose task is it? A unit is the task that all of one belong
 * to; several may have one name.
 */
#include <string.h>

#include "host.h"

struct unit {
    struct unit *next;
    struct task *task;
    uint64_t slowest; /* nanoseconds of one resume */
    size_t size;      /* of this, with the name */
    char name[];
};

struct unit *unit_of_task(struct tusk *h, const struct task *t)
{
    for (struct unit *u = t->is_unit ? h->units : NULL; u; u = u->next)
        if (u->task == t)
            return u;
    return NULL;
}

struct unit *unit_around(struct tusk *h, const struct scope *s)
{
    if (!h->units)
        return NULL;
    while (s && !(s->is_task && s->task && s->task->is_unit))
        s = s->parent;
    return s ? unit_of_task(h, s->task) : NULL;
}

const char *unit_name(const struct unit *u)
{
    return u->name;
}

const char *unit_running(struct tusk *h)
{
    struct unit *u = h->current ? unit_around(h, h->current->scope) : NULL;
    return u ? u->name : NULL;
}

void unit_ended(struct tusk *h, struct task *t)
{
    struct unit **at = &h->units;
    t->is_unit = 0;
    while (*at && (*at)->task != t)
        at = &(*at)->next;
    struct unit *u = *at;
    if (!u)
        return;
    *at = u->next;
    host_free(h, u, u->size);
}

void unit_free_all(struct tusk *h)
{
    for (struct unit *next; h->units; h->units = next) {
        next = h->units->next;
        host_free(h, h->units, h->units->size);
    }
}

int unit_is_there(const struct tusk *h, const struct unit *unit)
{
    const struct unit *u = unit ? h->units : NULL;
    while (u && u != unit)
        u = u->next;
    return u != NULL;
}

void unit_ran(struct unit *u, uint64_t ns)
{
    if (ns > u->slowest)
        u->slowest = ns;
}

/* ---- looking at one ---- */

static struct scope *next_below(struct scope *root, struct scope *s)
{
    if (s->child)
        return s->child;
    while (s != root && !s->next)
        s = s->parent;
    return s == root ? NULL : s->next;
}

static void add_task(const struct task *t, tusk_stats *out)
{
    out->tasks += !t->is_resident;
    out->ready += t->state == TASK_READY;
    out->ops += t->wait != NULL;
}

int unit_stats(struct tusk *h, const char *name, tusk_stats *out)
{
    int found = 0;
    uint64_t slowest = 0;
    for (struct unit *u = h->units; u; u = u->next) {
        if (strcmp(u->name, name))
            continue;
        found = 1;
        slowest = u->slowest > slowest ? u->slowest : slowest;
        for (struct scope *s = &u->task->own; s; s = next_below(&u->task->own, s))
            if (s->is_task)
                add_task(s->task, out);
    }
    out->slowest_slice_us = slowest / 1000;
    return found;
}

/* ---- for Lua ---- */

/* unit(name): the running task, and all that it will own, is the plugin or source of that name */
static int op_unit(lua_State *L)
{
    struct tusk *h = HOST(L);
    size_t n;
    const char *name = luaL_checklstring(L, 1, &n);
    struct unit *u = host_calloc(h, sizeof *u + n + 1);
    if (!u)
        return luaL_error(L, "not enough memory");
    u->size = sizeof *u + n + 1;
    u->task = h->current;
    memcpy(u->name, name, n);
    u->next = h->units;
    h->units = u;
    h->current->is_unit = 1;
    return 0;
}

/* reside(): parks until it is cancelled; such a task does not keep a program running */
static int op_reside(lua_State *L)
{
    struct tusk *h = HOST(L);
    wait_check(L, h);
    h->current->is_resident = 1;
    h->residents++;
    borrow_left(h);
    return task_park(L, h);
}

/* units(name | nil) -> the list of the tasks of that name, or of all */
static int op_units(lua_State *L)
{
    const char *name = luaL_optstring(L, 1, NULL);
    int n = 0;
    lua_newtable(L);
    for (struct unit *u = HOST(L)->units; u; u = u->next) {
        if (name && strcmp(u->name, name))
            continue;
        task_push_handle(L, u->task);
        lua_rawseti(L, -2, ++n);
    }
    return 1;
}

void unit_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"unit", op_unit},
        {"reside", op_reside},
        {"units", op_units},
        {NULL, NULL},
    };
    luaL_register(L, NULL, functions);
}

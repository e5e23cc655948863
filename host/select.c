/*
 * select.c: a task that waits for the first of several things.
 *
 * Its record stands in the line of each of them. What happens first takes it out of all: exactly
 * one happens to it, and the others' values stay where they are. The task has parked with PARK, the
 * record, false on its coroutine's stack; a value for it takes the place of the false.
 */
#include "host.h"

struct select { /* userdata; its environment is the list of the things, so that they live as long */
    struct tusk_wait wait;
    struct timer timer;
    uint32_t count, chosen; /* chosen: 0 for none of them, when its time is over */
    uint8_t given;          /* a value came with it */
    struct waiter cases[];
};

static struct select *select_of(struct waiter *w)
{
    return (struct select *)((char *)(w - (w->number - 1)) - offsetof(struct select, cases));
}

struct task *select_task(struct waiter *w)
{
    return select_of(w)->wait.task;
}

/* It leaves every line, and its task goes on with the record and what lies above it. */
static void end(struct tusk *h, struct select *s)
{
    for (uint32_t i = 0; i < s->count; i++)
        if (s->cases[i].queue)
            queue_remove(&s->cases[i]);
    timer_stop(h, &s->timer);
    s->wait.woken = 1;
    s->wait.task->wait = NULL;
    task_ready(h, s->wait.task, 2);
}

void select_wake(struct tusk *h, struct waiter *w)
{
    struct select *s = select_of(w);
    s->chosen = w->number;
    end(h, s);
}

void select_give(lua_State *L, struct tusk *h, struct waiter *w)
{
    struct select *s = select_of(w);
    lua_State *co = s->wait.task->co;
    lua_pop(co, 1);
    lua_xmove(L, co, 1);
    s->given = 1;
    select_wake(h, w);
}

void select_expired(struct tusk *h, struct timer *timer)
{
    end(h, (struct select *)((char *)timer - offsetof(struct select, timer)));
}

static void select_cancel(struct tusk_wait *w)
{
    w->dropped = 1;
    end(w->host, (struct select *)w);
}

/* -> number of what happened, 0 if its time was over; whether a value came with it */
static int select_finish(lua_State *L, struct tusk_wait *w)
{
    struct select *s = (struct select *)w;
    lua_pushinteger(L, (lua_Integer)s->chosen);
    lua_pushboolean(L, s->given);
    return 2;
}

/* The line to stand in for a channel, a task that lives or a queue. */
static struct queue *line_of(lua_State *L, int index)
{
    struct queue *q = channel_line(L, index);
    if (q)
        return q;
    if (lua_type(L, index) == LUA_TUSERDATA && lua_objlen(L, index) == sizeof(struct queue))
        return lua_touserdata(L, index);
    struct handle *d = task_handle(L, index);
    return d->task ? &d->task->awaiters : (luaL_argerror(L, index, "it has ended"), NULL);
}

static const struct tusk_wait_ops ops = {select_finish, select_cancel};

int select_is(const struct tusk_wait *w)
{
    return w->ops == &ops;
}

static void find_lines(lua_State *L, struct select *s)
{
    lua_getfenv(L, -1);
    for (uint32_t i = 0; i < s->count; i++) {
        lua_rawgeti(L, -1, (int)i + 1);
        s->cases[i].queue = line_of(L, lua_gettop(L));
        s->cases[i].number = i + 1;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/*
 * select_wait(things, seconds | nil) -> record, value: parks until one of the channels, tasks and
 * queues has something, or its time is over; finish(record) says what happened. None of them has
 * anything now.
 */
static int op_wait(lua_State *L)
{
    struct tusk *h = HOST(L);
    size_t n = lua_objlen(L, 1);
    int timed = lua_type(L, 2) == LUA_TNUMBER;
    struct select *s = tusk_wait_new(L, sizeof *s + n * sizeof(struct waiter), &ops);
    s->count = (uint32_t)n;
    s->timer.of_select = 1;
    lua_pushvalue(L, 1);
    lua_setfenv(L, -2);
    find_lines(L, s);
    if (timed && timer_reserve(h, host_clock(h), 1))
        return luaL_error(L, "not enough memory");
    for (size_t i = 0; i < n; i++)
        queue_put(s->cases[i].queue, &s->cases[i]);
    if (timed)
        timer_start(h, host_clock(h), &s->timer, host_due(h, lua_tonumber(L, 2)));
    h->current->wait = &s->wait;
    lua_pushlightuserdata(L, PARK(h));
    lua_insert(L, -2);
    lua_pushboolean(L, 0);
    return task_park_with(L, h, 2);
}

void select_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"select_wait", op_wait}, {NULL, NULL}};
    luaL_register(L, NULL, functions);
}

/*
 * channel.c: values handed from task to task, in order.
 *
 * A sender that waits has parked with PARK, the value, the channel on its coroutine's stack; a
 * receiver with PARK, false, the channel. Who comes next takes the value from there, or puts it
 * there in place of the channel: two slots that exist already, so nothing is allocated on a parked
 * coroutine.
 *
 * Buffered values are a ring: the slots 1..capacity of the channel's environment. Slot 0 there is
 * what it was closed with.
 */
#include "host.h"

#define CHANNEL_MAGIC 0x7a5cca4eu
#define ERROR_SLOT    0

struct channel { /* userdata */
    struct queue receivers, senders;
    uint32_t magic, capacity;
    uint32_t first, count; /* of the ring; first counts from 0 */
    uint8_t closed;
};

static struct channel *as_channel(lua_State *L, int i)
{
    struct channel *c = lua_touserdata(L, i);
    if (!c || lua_objlen(L, i) != sizeof *c || c->magic != CHANNEL_MAGIC)
        return NULL;
    return c;
}

static struct channel *to_channel(lua_State *L, int i)
{
    struct channel *c = as_channel(L, i);
    if (!c)
        luaL_typerror(L, i, "channel");
    return c;
}

struct queue *channel_line(lua_State *L, int index)
{
    struct channel *c = as_channel(L, index);
    return c ? &c->receivers : NULL;
}

static uint32_t wrapped(const struct channel *c, uint32_t i)
{
    return i < c->capacity ? i : i - c->capacity;
}

/* Puts the value on top into the buffer, which has room; pushes something. */
static void put(lua_State *L, struct channel *c, int index)
{
    lua_getfenv(L, index);
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, (int)wrapped(c, c->first + c->count) + 1);
    c->count++;
}

/* Pushes something, false and the oldest of the buffer, which holds one. */
static void get(lua_State *L, struct channel *c, int index)
{
    int slot = (int)c->first + 1;
    lua_getfenv(L, index);
    lua_pushboolean(L, 0);
    lua_rawgeti(L, -2, slot);
    lua_pushnil(L);
    lua_rawseti(L, -4, slot);
    c->first = wrapped(c, c->first + 1);
    c->count--;
}

/* Pushes what the first sender in line waits with; it goes on. */
static void take_from_sender(lua_State *L, struct tusk *h, struct channel *c)
{
    struct waiter *w = c->senders.head;
    struct task *t = queue_task(w);
    lua_pop(t->co, 1);
    lua_xmove(t->co, L, 1);
    queue_wake(h, w);
}

/* Pushes false and a value that is there already, last: 2. Nothing: 0. */
static int take(lua_State *L, struct tusk *h, struct channel *c, int index)
{
    if (!c->count && !c->senders.head)
        return 0;
    if (!c->count) {
        lua_pushboolean(L, 0);
        take_from_sender(L, h, c);
        return 2;
    }
    get(L, c, index);
    if (c->senders.head) { // room for the one that has waited longest
        take_from_sender(L, h, c);
        put(L, c, index);
        lua_pop(L, 2);
    }
    return 2;
}

/* Pops the value on top and puts it where the first receiver in line finds it; that one goes on. */
static void give_to_receiver(lua_State *L, struct tusk *h, struct channel *c)
{
    struct waiter *w = c->receivers.head;
    if (w->number) {
        select_give(L, h, w);
        return;
    }
    struct task *t = queue_task(w);
    lua_pop(t->co, 1);
    lua_xmove(L, t->co, 1);
    queue_remove(w);
    task_ready(h, t, 2);
}

/* Hands on the value on top, if that is possible at once -> whether it was */
static int give(lua_State *L, struct tusk *h, struct channel *c, int index)
{
    if (c->receivers.head)
        give_to_receiver(L, h, c);
    else if (c->count < c->capacity)
        put(L, c, index);
    else
        return 0;
    return 1;
}

static void check_value(lua_State *L, struct channel *c)
{
    if (lua_isnoneornil(L, 2))
        tusk_fail(L, "argument", "nil cannot be sent: it is what a closed channel gives");
    if (c->closed)
        tusk_fail(L, "closed", "the channel is closed");
}

/* The n values on top are an answer without waiting. */
static int answer(lua_State *L, struct tusk *h, int n)
{
    return --h->budget > 0 ? n : task_pause(L, h, n);
}

/* ---- for Lua ---- */

/* channel_new(capacity, metatable) -> channel */
static int op_new(lua_State *L)
{
    struct channel *c = lua_newuserdata(L, sizeof *c);
    *c = (struct channel){.magic = CHANNEL_MAGIC, .capacity = (uint32_t)lua_tonumber(L, 1)};
    lua_createtable(L, c->capacity < 64 ? (int)c->capacity : 64, 0);
    lua_setfenv(L, -2);
    lua_pushvalue(L, 2);
    lua_setmetatable(L, -2);
    return 1;
}

/* channel_send(channel, value) -> nothing: sent; true: cancelled; the channel: it was closed
 * meanwhile */
static int op_send(lua_State *L)
{
    struct tusk *h = HOST(L);
    struct channel *c = to_channel(L, 1);
    wait_check(L, h);
    check_value(L, c);
    if (give(L, h, c, 1))
        return answer(L, h, 0);
    lua_pushlightuserdata(L, PARK(h));
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 1);
    queue_put(&c->senders, &h->current->place);
    return task_park_with(L, h, 2);
}

/* channel_recv(channel) -> false, value; true: cancelled; nothing: closed and empty */
static int op_recv(lua_State *L)
{
    struct tusk *h = HOST(L);
    struct channel *c = to_channel(L, 1);
    wait_check(L, h);
    int n = take(L, h, c, 1);
    if (n || c->closed)
        return answer(L, h, n);
    lua_pushlightuserdata(L, PARK(h));
    lua_pushboolean(L, 0);
    lua_pushvalue(L, 1);
    queue_put(&c->receivers, &h->current->place);
    return task_park_with(L, h, 2);
}

/* channel_try_send(channel, value) -> whether it was sent */
static int op_try_send(lua_State *L)
{
    struct channel *c = to_channel(L, 1);
    check_value(L, c);
    lua_pushboolean(L, give(L, HOST(L), c, 1));
    return 1;
}

/* channel_try_recv(channel) -> false, value; nothing: there is none */
static int op_try_recv(lua_State *L)
{
    struct channel *c = to_channel(L, 1);
    return take(L, HOST(L), c, 1);
}

/* channel_close(channel, err | nil): who waits to receive finds it closed, who waits to send too */
static int op_close(lua_State *L)
{
    struct tusk *h = HOST(L);
    struct channel *c = to_channel(L, 1);
    lua_settop(L, 2);
    if (c->closed)
        return 0;
    lua_getfenv(L, 1);
    lua_pushvalue(L, 2);
    lua_rawseti(L, -2, ERROR_SLOT);
    c->closed = 1;
    while (c->receivers.head)
        queue_wake(h, c->receivers.head);
    for (struct waiter *w; (w = c->senders.head);) {
        queue_remove(w);
        task_ready(h, queue_task(w), 1); // what it yielded last: the channel
    }
    return 0;
}

/* channel_error(channel) -> what it was closed with, or nil */
static int op_error(lua_State *L)
{
    to_channel(L, 1);
    lua_getfenv(L, 1);
    lua_rawgeti(L, -1, ERROR_SLOT);
    return 1;
}

/* channel_state(channel) -> values in the buffer, its capacity, whether it is closed */
static int op_state(lua_State *L)
{
    struct channel *c = to_channel(L, 1);
    lua_pushnumber(L, c->count);
    lua_pushnumber(L, c->capacity);
    lua_pushboolean(L, c->closed);
    return 3;
}

/* is_channel(v) */
static int op_is_channel(lua_State *L)
{
    lua_pushboolean(L, as_channel(L, 1) != NULL);
    return 1;
}

void channel_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"channel_new", op_new},           {"channel_send", op_send},
        {"channel_recv", op_recv},         {"channel_try_send", op_try_send},
        {"channel_try_recv", op_try_recv}, {"channel_close", op_close},
        {"channel_error", op_error},       {"channel_state", op_state},
        {"is_channel", op_is_channel},     {NULL, NULL},
    };
    luaL_register(L, NULL, functions);
}

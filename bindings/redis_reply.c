/* redis_reply.c: what hiredis has parsed, as bytes, and those as Lua values. */
#include <stdlib.h>
#include <string.h>

#include "redis.h"

/*
 * An answer goes from the loop, where no Lua may run, to the task as a tape: a byte for the type, a
 * 64-bit number, and for strings as many bytes as it says. An array is its length, then its items.
 */

#define EXACT_MAX 9007199254740992 /* 2^53 */
#define DEPTH_MAX 64               /* of arrays; hiredis before 1.0 stops at 8 */
#define HEADER    (1 + sizeof(int64_t))

/* ---- tapes ---- */

void tape_begin(struct call *call)
{
    call->tape = (struct tape){.data = call->small, .size = sizeof call->small};
}

static void spill_unlink(struct conn *c, struct spill *s)
{
    if (s->prev)
        s->prev->next = s->next;
    else
        c->spills = s->next;
    if (s->next)
        s->next->prev = s->prev;
}

static void spill_link(struct conn *c, struct spill *s)
{
    s->prev = NULL;
    s->next = c->spills;
    if (s->next)
        s->next->prev = s;
    c->spills = s;
}

void tape_free(struct conn *c, struct tape *t)
{
    if (t->spill) {
        spill_unlink(c, t->spill);
        free(t->spill);
    }
    *t = (struct tape){0};
}

static int tape_grow(struct conn *c, struct tape *t, size_t n)
{
    size_t size = t->size * 2 > t->length + n ? t->size * 2 : t->length + n;
    struct spill *old = t->spill;
    if (old)
        spill_unlink(c, old);
    struct spill *s = realloc(old, sizeof *s + size);
    if (!s) {
        if (old)
            spill_link(c, old);
        return -1;
    }
    if (!old && t->length)
        memcpy(s->data, t->data, t->length);
    spill_link(c, s);
    t->spill = s;
    t->data = s->data;
    t->size = size;
    return 0;
}

static int tape_add(struct conn *c, struct tape *t, char type, int64_t value, const char *bytes)
{
    size_t n = HEADER + (bytes ? (size_t)value : 0);
    if (t->length + n > t->size && tape_grow(c, t, n))
        return -1;
    char *to = t->data + t->length;
    *to = type;
    memcpy(to + 1, &value, sizeof value);
    if (bytes)
        memcpy(to + HEADER, bytes, (size_t)value);
    t->length += n;
    return 0;
}

const char *tape_error(const struct tape *t, size_t *length)
{
    if (t->length < HEADER || t->data[0] != REDIS_REPLY_ERROR)
        return NULL;
    int64_t n;
    memcpy(&n, t->data + 1, sizeof n);
    *length = (size_t)n;
    return t->data + HEADER;
}

/* ---- what hiredis calls for each value, parents before their children ---- */

/* The tape for it; NULL: nobody will look at it. */
static struct tape *target(struct conn *c)
{
    struct slot *s = conn_owed(c);
    if (!s)
        return &c->scratch;
    return s->call ? &s->call->tape : NULL;
}

/* -> anything but NULL, which means that there is no memory. */
static void *add(const redisReadTask *task, char type, int64_t value, const char *bytes)
{
    struct conn *c = task->privdata;
    struct tape *t = target(c);
    return t && tape_add(c, t, type, value, bytes) ? NULL : c;
}

static void *create_string(const redisReadTask *task, char *bytes, size_t length)
{
    return add(task, (char)task->type, (int64_t)length, bytes);
}

static void *create_integer(const redisReadTask *task, long long value)
{
    return add(task, REDIS_REPLY_INTEGER, value, NULL);
}

static void *create_nil(const redisReadTask *task)
{
    return add(task, REDIS_REPLY_NIL, 0, NULL);
}

static void free_object(void *object)
{
    (void)object;
}

#if HIREDIS_MAJOR >= 1
static void *create_array(const redisReadTask *task, size_t n)
{
    int depth = 0;
    for (const redisReadTask *up = task->parent; up; up = up->parent)
        if (++depth == DEPTH_MAX)
            return NULL;
    return add(task, REDIS_REPLY_ARRAY, (int64_t)n, NULL);
}

// RESP3, which is never asked for.
static void *create_double(const redisReadTask *task, double value, char *bytes, size_t length)
{
    (void)value;
    return add(task, REDIS_REPLY_STRING, (int64_t)length, bytes);
}

static void *create_bool(const redisReadTask *task, int value)
{
    return add(task, REDIS_REPLY_INTEGER, value, NULL);
}
#else
static void *create_array(const redisReadTask *task, int n)
{
    return add(task, REDIS_REPLY_ARRAY, n, NULL);
}
#endif

redisReplyObjectFunctions reply_functions = {
    .createString = create_string,
    .createArray = create_array,
    .createInteger = create_integer,
    .createNil = create_nil,
    .freeObject = free_object,
#if HIREDIS_MAJOR >= 1
    .createDouble = create_double,
    .createBool = create_bool,
#endif
};

/* ---- tapes as Lua values, in the task ---- */

static void push_integer(lua_State *L, struct redis *redis, int64_t n)
{
    if (n >= -EXACT_MAX && n <= EXACT_MAX) {
        lua_pushnumber(L, (double)n);
        return;
    }
    int64_t low = n & 0xffffffff;
    lua_rawgeti(L, LUA_REGISTRYINDEX, redis->make_int64);
    lua_pushnumber(L, (double)((n - low) / 0x100000000));
    lua_pushnumber(L, (double)low);
    lua_call(L, 2, 1);
}

static const char *push_value(lua_State *L, struct redis *redis, const char *at);

/* A table with n items from `at`; it has its `n` if there are holes in it. */
static const char *push_list(lua_State *L, struct redis *redis, int64_t n, const char *at)
{
    luaL_checkstack(L, 8, "an answer");
    lua_createtable(L, n < 1 << 26 ? (int)n : 0, 0);
    int holes = 0;
    for (int64_t i = 1; i <= n; i++) {
        at = push_value(L, redis, at);
        holes |= lua_isnil(L, -1);
        lua_rawseti(L, -2, (int)i);
    }
    if (holes) {
        lua_pushnumber(L, (double)n);
        lua_setfield(L, -2, "n");
    }
    return at;
}

/* An error inside an answer is a value, not raised. */
static void push_error(lua_State *L, struct redis *redis, const char *text, size_t n)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, redis->reply_error);
    lua_pushlstring(L, text, n);
    lua_call(L, 1, 1);
}

/* -> what follows it */
static const char *push_value(lua_State *L, struct redis *redis, const char *at)
{
    int64_t value;
    memcpy(&value, at + 1, sizeof value);
    const char *bytes = at + HEADER;
    switch (*at) {
    case REDIS_REPLY_INTEGER:
        push_integer(L, redis, value);
        return bytes;
    case REDIS_REPLY_NIL:
        lua_pushnil(L);
        return bytes;
    case REDIS_REPLY_ERROR:
        push_error(L, redis, bytes, (size_t)value);
        return bytes + value;
    case REDIS_REPLY_ARRAY:
        return push_list(L, redis, value, bytes);
    default:
        lua_pushlstring(L, bytes, (size_t)value);
        return bytes + value;
    }
}

int reply_push(lua_State *L, struct redis *redis, struct call *call)
{
    struct tape *t = &call->tape;
    if (call->is_list)
        push_list(L, redis, call->replies, t->data);
    else
        push_value(L, redis, t->data);
    int failed = !call->is_list && t->data[0] == REDIS_REPLY_ERROR;
    tape_free(call->conn, t);
    record_give(redis, call);
    return failed ? lua_error(L) : 1;
}

/* redis.c: Redis, spoken by hiredis's reader and formatter, over sockets that the host's loop
 * watches. */
/* link: -lhiredis */
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "redis.h"

#define HANDLE_MAGIC 0x4ed15c04u
#define HANDLE_META  "tusk.redis.handle"

struct handle { /* userdata */
    uint32_t magic;
    struct conn *conn;
    struct tusk_owned owned;
};

static struct redis *redis_of(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

static struct conn *handle_check(lua_State *L, int i)
{
    struct handle *h = lua_type(L, i) == LUA_TUSERDATA ? lua_touserdata(L, i) : NULL;
    if (!h || lua_objlen(L, i) != sizeof *h || h->magic != HANDLE_MAGIC || !h->conn)
        luaL_error(L, "a connection expected");
    return h->conn;
}

/* ---- what failed ---- */

static const char *const kinds[] = {
    [FAULT_CONNECT] = "redis.connect",   [FAULT_AUTH] = "redis.auth",
    [FAULT_REPLY] = "redis.reply",       [FAULT_DISCONNECTED] = "redis.disconnected",
    [FAULT_PROTOCOL] = "redis.protocol", [FAULT_TIMEOUT] = "timeout",
    [FAULT_CLOSED] = "closed",           [FAULT_BUSY] = "redis.busy",
};

/* Calls failure(kind, text, label, sent), which raises. */
static int fail(lua_State *L, const struct conn *c, enum fault fault, const char *text, int sent)
{
    luaL_checkstack(L, 8, "an error");
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->redis->failure);
    lua_pushstring(L, kinds[fault]);
    lua_pushstring(L, text);
    lua_pushstring(L, c->label);
    lua_pushboolean(L, sent);
    lua_call(L, 4, 0);
    return luaL_error(L, "%s", text);
}

void check_open(lua_State *L, struct conn *c)
{
    if (c->state == STATE_CLOSED)
        fail(L, c, FAULT_CLOSED, "the connection was closed", 0);
    if (c->lost)
        fail(L, c, c->lost, c->lost_text, 0);
    if (c->tail - c->head >= IN_FLIGHT_MAX)
        fail(L, c, FAULT_BUSY, "131072 calls wait for it already", 0);
    if (c->out_length - c->out_at >= UNSENT_MAX)
        fail(L, c, FAULT_BUSY, "64 MiB wait to be sent to it already", 0);
}

/* ---- calls ---- */

static int call_finish(lua_State *L, struct tusk_wait *w)
{
    struct call *call = (struct call *)w;
    struct redis *redis = call->conn->redis;
    if (!call->abandoned && !call->fault)
        return reply_push(L, redis, call);
    record_give(redis, call);
    if (call->abandoned)
        return tusk_fail_cancelled(L, 1);
    return fail(L, call->conn, call->fault, call->small, call->sent);
}

static const struct tusk_wait_ops call_ops = {call_finish, call_cancel};

static int no_memory(lua_State *L, struct call *call)
{
    record_give(call->conn->redis, call);
    return luaL_error(L, "not enough memory");
}

/* call(handle, name, ...) -> the answer; an error that is one is raised */
static int op_call(lua_State *L)
{
    struct conn *c = handle_check(L, 1);
    conn_hurry(c);
    int argc = command_read(L, c->redis, 2);
    struct call *call = record_take(L, c, &call_ops);
    size_t length;
    const char *bytes = command_format(c->redis, argc, &length);
    int failed = !bytes || conn_queue(c, call, bytes, length, length, 1);
    command_done(c->redis);
    if (failed)
        return no_memory(L, call);
    return tusk_park(L, &call->wait);
}

/*
 * run(handle, batch, as one) -> the list of answers, errors among them. As one: nothing of it is
 * carried out before all of it has arrived.
 */
static int op_run(lua_State *L)
{
    struct conn *c = handle_check(L, 1);
    struct batch *b = batch_check(L, 2);
    int as_one = lua_toboolean(L, 3);
    if (!b->count)
        return luaL_error(L, "an empty batch");
    struct call *call = record_take(L, c, &call_ops);
    call->is_list = 1;
    call->replies = b->count;
    if (conn_queue(c, call, b->bytes, b->length, as_one ? b->length : b->first, b->count))
        return no_memory(L, call);
    return tusk_park(L, &call->wait);
}

/* ---- a subscriber's ---- */

/* say(handle, name, ...): sends it; what answers it comes by listen */
static int op_say(lua_State *L)
{
    struct conn *c = handle_check(L, 1);
    int argc = command_read(L, c->redis, 2);
    tusk_checkpoint(L);
    check_open(L, c);
    size_t length;
    const char *bytes = command_format(c->redis, argc, &length);
    int failed = !bytes || conn_queue_bare(c, bytes, length);
    command_done(c->redis);
    return failed ? luaL_error(L, "not enough memory") : 0;
}

/* Takes the oldest message into call. */
static void inbox_take(struct conn *c, struct call *call)
{
    struct message *m = c->inbox;
    c->inbox = m->next;
    if (!c->inbox)
        c->inbox_last = NULL;
    c->inbox_count--;
    c->inbox_bytes -= m->tape.length;
    call->tape = m->tape;
    free(m);
    io_watch(c);
}

/* listen(handle) -> the next message, a list */
static int op_listen(lua_State *L)
{
    struct conn *c = handle_check(L, 1);
    struct call *call = tusk_wait_new(L, sizeof *call, &call_ops);
    call->conn = c;
    tape_begin(call);
    if (c->inbox) {
        inbox_take(c, call);
        return tusk_inline(L, reply_push(L, c->redis, call));
    }
    check_open(L, c);
    if (c->listener)
        return luaL_error(L, "another task listens already");
    c->listener = call;
    return tusk_park(L, &call->wait);
}

/* ---- opening and closing ---- */

static int op_gc(lua_State *L)
{
    struct handle *h = lua_touserdata(L, 1);
    tusk_disown(&h->owned);
    if (!h->conn)
        return 0;
    conn_close(h->conn);
    conn_release(h->conn);
    h->conn = NULL;
    return 0;
}

static void scope_ended(struct tusk_owned *o)
{
    conn_close(((struct handle *)((char *)o - offsetof(struct handle, owned)))->conn);
}

/* own(handle): the innermost scope around the running task closes it when it ends */
static int op_own(lua_State *L)
{
    handle_check(L, 1);
    struct handle *h = lua_touserdata(L, 1);
    tusk_checkpoint(L);
    tusk_disown(&h->owned);
    h->owned.end = scope_ended;
    tusk_own(L, &h->owned);
    return 0;
}

/* close(handle): what it owes fails */
static int op_close(lua_State *L)
{
    conn_close(handle_check(L, 1));
    return 0;
}

/* usable(handle) -> whether a call may be tried on it */
static int op_usable(lua_State *L)
{
    struct conn *c = handle_check(L, 1);
    lua_pushboolean(L, c->state != STATE_CLOSED && !c->lost);
    return 1;
}

static char *text_field(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    const char *s = lua_tostring(L, -1);
    char *copy = s ? strdup(s) : NULL;
    lua_pop(L, 1);
    if (s && !copy)
        luaL_error(L, "not enough memory");
    return copy;
}

static double number_field(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    double v = lua_tonumber(L, -1);
    lua_pop(L, 1);
    return v;
}

static int flag_field(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    int v = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return v;
}

/* The batch in the field `greeting`, if there is one. */
static void read_greeting(lua_State *L, struct conn *c)
{
    lua_getfield(L, 1, "greeting");
    struct batch *b = lua_isnil(L, -1) ? NULL : batch_check(L, -1);
    lua_pop(L, 1);
    if (!b)
        return;
    c->greeting = malloc(b->length);
    if (!c->greeting)
        luaL_error(L, "not enough memory");
    memcpy(c->greeting, b->bytes, b->length);
    c->greeting_length = b->length;
    c->greeting_replies = (int)b->count;
    c->has_auth = flag_field(L, "auth");
}

/*
 * open{host, port | path, label, greeting = batch, auth = it begins with AUTH, connect_timeout,
 * timeout, once, subscriber} -> handle; it connects when it is first used. Times in seconds.
 */
static int op_open(lua_State *L)
{
    struct redis *redis = redis_of(L);
    luaL_checktype(L, 1, LUA_TTABLE);
    struct handle *h = lua_newuserdata(L, sizeof *h);
    memset(h, 0, sizeof *h);
    h->magic = HANDLE_MAGIC;
    luaL_getmetatable(L, HANDLE_META);
    lua_setmetatable(L, -2);
    struct conn *c = h->conn = redis->closing ? NULL : conn_new(redis);
    if (!c)
        return luaL_error(L, "not enough memory");
    c->host = text_field(L, "host");
    c->path = text_field(L, "path");
    c->label = text_field(L, "label");
    c->port = (int)number_field(L, "port");
    c->connect_ms = (uint64_t)(number_field(L, "connect_timeout") * 1000);
    c->reply_ms = (uint64_t)(number_field(L, "timeout") * 1000);
    c->is_subscriber = flag_field(L, "subscriber");
    c->once = c->is_subscriber || flag_field(L, "once");
    read_greeting(L, c);
    if (!c->label || (!c->host && !c->path))
        return luaL_error(L, "open: label, and host or path, are needed");
    if (c->path && strlen(c->path) >= sizeof((struct sockaddr_un *)0)->sun_path)
        return tusk_fail(L, "argument", "the socket's path is too long: %s", c->path);
    return 1;
}

/* on_failure(failure, reply error): failure(kind, text, label, sent) raises; the other makes an
 * error of what the server said. */
static int op_on_failure(lua_State *L)
{
    struct redis *redis = redis_of(L);
    luaL_checktype(L, 1, LUA_TFUNCTION);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    redis->reply_error = luaL_ref(L, LUA_REGISTRYINDEX);
    redis->failure = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

/* ---- setting up ---- */

static const char int64_source[] =
    "local ffi = require 'ffi'\n"
    "local int64, uint64 = ffi.typeof 'int64_t', ffi.typeof 'uint64_t'\n"
    "local function make(high, low) return int64(high) * 4294967296LL + int64(low) end\n"
    "local function check(v)\n"
    "  return ffi.istype(int64, v) or (ffi.istype(uint64, v) and v < 0x8000000000000000ULL)\n"
    "end\n"
    "return make, check\n";

static void load_int64(lua_State *L, struct redis *redis)
{
    if (luaL_loadbuffer(L, int64_source, sizeof int64_source - 1, "=tusk.redis"))
        lua_error(L);
    lua_call(L, 0, 2);
    redis->check_int64 = luaL_ref(L, LUA_REGISTRYINDEX);
    redis->make_int64 = luaL_ref(L, LUA_REGISTRYINDEX);
}

static void redis_close(struct tusk_hook *k)
{
    struct redis *redis = (struct redis *)((char *)k - offsetof(struct redis, at_close));
    redis->closing = 1;
    for (struct conn *c = redis->dirty, *next; c; c = next) {
        next = c->next_dirty;
        conn_release(c);
    }
    redis->dirty = NULL;
    while (redis->conns)
        conn_abandon(redis->conns);
    redis_release(redis);
}

static void add_functions(lua_State *L, struct redis *redis)
{
    static const luaL_Reg functions[] = {
        {"open", op_open},
        {"close", op_close},
        {"usable", op_usable},
        {"own", op_own},
        {"call", op_call},
        {"batch", op_batch},
        {"add", op_add},
        {"run", op_run},
        {"say", op_say},
        {"listen", op_listen},
        {"on_failure", op_on_failure},
        {NULL, NULL},
    };
    for (const luaL_Reg *f = functions; f->name; f++) {
        lua_pushlightuserdata(L, redis);
        lua_pushcclosure(L, f->func, 1);
        lua_setfield(L, -2, f->name);
    }
}

TUSK_LUA_EXPORT int luaopen_tusk_binding_redis(lua_State *L);

int luaopen_tusk_binding_redis(lua_State *L)
{
    struct redis *redis = calloc(1, sizeof *redis);
    if (!redis)
        return luaL_error(L, "not enough memory");
    redis->host = tusk_of(L);
    redis->loop = tusk_loop(L);
    redis->refs = 1;
    redis->random = uv_hrtime();
    redis->before_poll.run = conn_flush_all;
    redis->at_close.run = redis_close;
    tusk_at_close(redis->host, &redis->at_close);
    load_int64(L, redis);
    record_open(L, redis);
    batch_open(L);
    luaL_newmetatable(L, HANDLE_META);
    lua_pushcfunction(L, op_gc);
    lua_setfield(L, -2, "__gc");
    lua_newtable(L);
    add_functions(L, redis);
    return 1;
}

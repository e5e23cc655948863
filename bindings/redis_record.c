/* redis_record.c: the records of calls, used again and again: making and collecting one costs more
 * than the call. */
#include "redis.h"

void record_open(lua_State *L, struct redis *redis)
{
    lua_createtable(L, RECORDS, 0); // so that nothing raises when one is put into it
    redis->records = luaL_ref(L, LUA_REGISTRYINDEX);
    while (redis->vacancies < RECORDS) {
        redis->vacant[redis->vacancies] = (uint16_t)(RECORDS - redis->vacancies);
        redis->vacancies++;
    }
}

/* Pushes one that is kept; every C function has room for that. */
static struct call *push_spare(lua_State *L, struct redis *redis)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, redis->records);
    lua_rawgeti(L, -1, redis->spare[redis->spares - 1]);
    lua_replace(L, -2);
    return lua_touserdata(L, -1);
}

static struct call *again(lua_State *L, struct conn *c)
{
    struct call *call = push_spare(L, c->redis);
    tusk_wait_again(L, &call->wait);
    check_open(L, c);
    c->redis->spares--;
    call->fault = call->sent = call->abandoned = call->is_list = 0;
    return call;
}

static struct call *anew(lua_State *L, struct conn *c, const struct tusk_wait_ops *ops)
{
    struct redis *redis = c->redis;
    struct call *call = tusk_wait_new(L, sizeof *call, ops);
    check_open(L, c);
    if (!redis->vacancies)
        return call;
    call->place = redis->vacant[--redis->vacancies];
    lua_rawgeti(L, LUA_REGISTRYINDEX, redis->records);
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, call->place);
    lua_pop(L, 1);
    return call;
}

struct call *record_take(lua_State *L, struct conn *c, const struct tusk_wait_ops *ops)
{
    struct call *call = c->redis->spares ? again(L, c) : anew(L, c, ops);
    call->conn = c;
    tape_begin(call);
    return call;
}

void record_give(struct redis *redis, struct call *call)
{
    if (call->place)
        redis->spare[redis->spares++] = call->place;
}

void record_lose(struct redis *redis, struct call *call)
{
    if (call->place)
        redis->vacant[redis->vacancies++] = call->place;
}

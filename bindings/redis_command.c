/* redis_command.c: Lua values as commands, by hiredis's formatter. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "redis.h"

#define TYPE_CDATA  10                 /* LuaJIT's lua_type of FFI data */
#define EXACT_MAX   9007199254740992.0 /* 2^53 */
#define BATCH_MAGIC 0xba7c4ed5u
#define BATCH_META  "tusk.redis.batch"

/* ---- one command ---- */

static int make_room(struct redis *redis, int argc)
{
    if (argc <= redis->argc_max)
        return 0;
    int size = argc + 16;
    const char **argv = realloc(redis->argv, (size_t)size * sizeof *argv);
    if (argv)
        redis->argv = argv;
    size_t *lengths = realloc(redis->lengths, (size_t)size * sizeof *lengths);
    if (lengths)
        redis->lengths = lengths;
    char(*digits)[32] = realloc(redis->digits, (size_t)size * sizeof *digits);
    if (digits)
        redis->digits = digits;
    if (!argv || !lengths || !digits)
        return -1;
    redis->argc_max = size;
    return 0;
}

/* Its shortest text that reads back as the same number. */
static size_t write_number(char *to, double d)
{
    if (d >= -EXACT_MAX && d <= EXACT_MAX && (double)(int64_t)d == d)
        return (size_t)snprintf(to, 32, "%lld", (long long)d);
    int n = 0;
    for (int digits = 15; digits <= 17; digits++) {
        n = snprintf(to, 32, "%.*g", digits, d);
        if (strtod(to, NULL) == d)
            break;
    }
    return (size_t)n;
}

/* Whether the FFI value at i is an integer that an int64 can hold. */
static int is_int64(lua_State *L, struct redis *redis, int i)
{
    luaL_checkstack(L, 3, "an argument");
    lua_rawgeti(L, LUA_REGISTRYINDEX, redis->check_int64);
    lua_pushvalue(L, i);
    lua_call(L, 1, 1);
    int yes = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return yes;
}

static const char *hint(lua_State *L, int i)
{
    switch (lua_type(L, i)) {
    case LUA_TBOOLEAN:
        return "; Redis has no booleans: write \"1\" and \"0\", or what else you want to read back";
    case LUA_TTABLE:
        return "; give its items one by one, as with unpack(list), or encode it";
    case LUA_TUSERDATA:
        return "; a string or a number expected (of a secret: secret:reveal())";
    case LUA_TNUMBER:
        return " (NaN), which Redis cannot hold";
    default:
        return "; a string or a number expected";
    }
}

static int refuse(lua_State *L, int first, int i)
{
    if (luaL_getmetafield(L, i, "__namespace"))
        return tusk_fail(L, "argument", "called with a colon; write @redis.get(key) with a dot");
    const char *type = lua_type(L, i) == LUA_TNUMBER ? "not a number" : luaL_typename(L, i);
    const char *article = lua_type(L, i) == LUA_TNUMBER || lua_isnil(L, i) ? "" : "a ";
    return tusk_fail(L, "argument", "argument %d of %s is %s%s%s", i - first,
                     lua_tostring(L, first), article, type, hint(L, i));
}

static void read_argument(lua_State *L, struct redis *redis, int first, int i)
{
    int at = i - first;
    switch (lua_type(L, i)) {
    case LUA_TSTRING:
        redis->argv[at] = lua_tolstring(L, i, &redis->lengths[at]);
        return;
    case LUA_TNUMBER:
        if (isnan(lua_tonumber(L, i)))
            break;
        redis->argv[at] = redis->digits[at];
        redis->lengths[at] = write_number(redis->digits[at], lua_tonumber(L, i));
        return;
    case TYPE_CDATA:
        if (!is_int64(L, redis, i))
            break;
        redis->argv[at] = redis->digits[at];
        redis->lengths[at] = (size_t)snprintf(redis->digits[at], 32, "%lld",
                                              *(const long long *)lua_topointer(L, i));
        return;
    default:
        break;
    }
    refuse(L, first, i);
}

int command_read(lua_State *L, struct redis *redis, int first)
{
    int top = lua_gettop(L), argc = top - first + 1;
    if (argc < 1 || lua_type(L, first) != LUA_TSTRING)
        return tusk_fail(L, "argument", "a command's name expected, got %s",
                         argc < 1 ? "nothing" : luaL_typename(L, first));
    if (make_room(redis, argc))
        return luaL_error(L, "not enough memory");
    for (int i = first; i <= top; i++)
        read_argument(L, redis, first, i);
    return argc;
}

/*
 * Formatting takes hiredis longer than all the rest of a call takes us. But commands of one shape,
 * the same number of arguments of the same lengths, differ in nothing but their arguments' bytes.
 */

/* The shape that is kept where one of these lengths would be. */
static struct shape *shape_of(struct redis *redis, int argc)
{
    size_t hash = (size_t)argc;
    for (int i = 0; i < argc; i++)
        hash = hash * 31 + redis->lengths[i];
    return &redis->shapes[hash % SHAPES];
}

static int shape_fits(const struct redis *redis, const struct shape *s, int argc)
{
    if (s->argc != argc)
        return 0;
    for (int i = 0; i < argc; i++)
        if (s->lengths[i] != redis->lengths[i])
            return 0;
    return 1;
}

/* Each argument follows a line that announces it. */
static void shape_learn(struct redis *redis, struct shape *s, int argc, size_t length)
{
    memcpy(s->bytes, redis->formatted, length);
    s->argc = argc;
    s->length = length;
    const char *at = strchr(s->bytes, '\n') + 1;
    for (int i = 0; i < argc; i++) {
        at = strchr(at, '\n') + 1;
        s->at[i] = (uint16_t)(at - s->bytes);
        s->lengths[i] = (uint16_t)redis->lengths[i];
        at += redis->lengths[i] + 2;
    }
}

const char *command_format(struct redis *redis, int argc, size_t *length)
{
    struct shape *s = argc <= SHAPE_ARGS ? shape_of(redis, argc) : NULL;
    if (s && shape_fits(redis, s, argc)) {
        for (int i = 0; i < argc; i++)
            memcpy(s->bytes + s->at[i], redis->argv[i], redis->lengths[i]);
        *length = s->length;
        return s->bytes;
    }
    long long n = redisFormatSdsCommandArgv(&redis->formatted, argc, redis->argv, redis->lengths);
    if (n < 0)
        return NULL;
    *length = (size_t)n;
    if (s && n <= SHAPE_BYTES)
        shape_learn(redis, s, argc, (size_t)n);
    return redis->formatted;
}

void command_done(struct redis *redis)
{
    if (redis->formatted)
        redisFreeSdsCommand(redis->formatted);
    redis->formatted = NULL;
}

/* ---- several ---- */

struct batch *batch_check(lua_State *L, int i)
{
    struct batch *b = lua_type(L, i) == LUA_TUSERDATA ? lua_touserdata(L, i) : NULL;
    if (!b || lua_objlen(L, i) != sizeof *b || b->magic != BATCH_MAGIC)
        luaL_error(L, "a batch expected");
    return b;
}

static int op_batch_gc(lua_State *L)
{
    struct batch *b = lua_touserdata(L, 1);
    free(b->bytes);
    b->bytes = NULL;
    return 0;
}

int op_batch(lua_State *L)
{
    struct batch *b = lua_newuserdata(L, sizeof *b);
    memset(b, 0, sizeof *b);
    b->magic = BATCH_MAGIC;
    luaL_getmetatable(L, BATCH_META);
    lua_setmetatable(L, -2);
    return 1;
}

static int batch_append(struct batch *b, const char *bytes, size_t n)
{
    if (b->length + n > b->size) {
        size_t size = b->size * 2 > b->length + n ? b->size * 2 : b->length + n + 256;
        char *grown = realloc(b->bytes, size);
        if (!grown)
            return -1;
        b->bytes = grown;
        b->size = size;
    }
    memcpy(b->bytes + b->length, bytes, n);
    b->length += n;
    if (!b->count++)
        b->first = b->length;
    return 0;
}

int op_add(lua_State *L)
{
    struct redis *redis = lua_touserdata(L, lua_upvalueindex(1));
    struct batch *b = batch_check(L, 1);
    int argc = command_read(L, redis, 2);
    if (b->count >= IN_FLIGHT_MAX || b->length >= UNSENT_MAX)
        return tusk_fail(L, "redis.busy", "more than %d commands, or %d MiB, in one piece",
                         IN_FLIGHT_MAX, UNSENT_MAX >> 20);
    size_t length;
    const char *bytes = command_format(redis, argc, &length);
    int failed = !bytes || batch_append(b, bytes, length);
    command_done(redis);
    return failed ? luaL_error(L, "not enough memory") : 0;
}

void batch_open(lua_State *L)
{
    luaL_newmetatable(L, BATCH_META);
    lua_pushcfunction(L, op_batch_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}

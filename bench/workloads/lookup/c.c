/* hiredis and SQLite: so many GETs in one piece, a row for each that is not there, the SETs in one
 * piece. */
#include "../../lib/bench.h"
#include <hiredis/hiredis.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
/* link: -lhiredis -lsqlite3 */

#define AT_ONCE_MAX 1024

static sqlite3_stmt *find;

static void ask(redisContext *redis, long id)
{
    char key[32];
    int length = snprintf(key, sizeof key, "user:%ld", id);
    const char *words[] = {"GET", key};
    size_t lengths[] = {3, (size_t)length};
    redisAppendCommandArgv(redis, 2, words, lengths);
}

static redisReply *answer(redisContext *redis)
{
    redisReply *reply;
    if (redisGetReply(redis, (void **)&reply) || reply->type == REDIS_REPLY_ERROR)
        exit(1);
    return reply;
}

/* Reads the row and asks for it to be kept; the length of its text. */
static long load(redisContext *redis, long id)
{
    char key[32], text[256];
    sqlite3_bind_int64(find, 1, id);
    if (sqlite3_step(find) != SQLITE_ROW)
        exit(1);
    int key_length = snprintf(key, sizeof key, "user:%ld", id);
    int length =
        snprintf(text, sizeof text, "{\"id\":%ld,\"name\":\"%s\",\"email\":\"%s\"}",
                 (long)sqlite3_column_int64(find, 0), (const char *)sqlite3_column_text(find, 1),
                 (const char *)sqlite3_column_text(find, 2));
    sqlite3_reset(find);
    const char *words[] = {"SET", key, text, "EX", "3600"};
    size_t lengths[] = {3, (size_t)key_length, (size_t)length, 2, 4};
    redisAppendCommandArgv(redis, 5, words, lengths);
    return length;
}

static long batch(redisContext *redis, long from, long count)
{
    char missing[AT_ONCE_MAX];
    long sum = 0;
    for (long i = 0; i < count; i++)
        ask(redis, from - i);
    for (long i = 0; i < count; i++) {
        redisReply *reply = answer(redis);
        missing[i] = reply->type == REDIS_REPLY_NIL;
        sum += missing[i] ? 0 : (long)reply->len;
        freeReplyObject(reply);
    }
    for (long i = 0; i < count; i++)
        if (missing[i])
            sum += load(redis, from - i);
    for (long i = 0; i < count; i++)
        if (missing[i])
            freeReplyObject(answer(redis));
    return sum;
}

int main(int argc, char **argv)
{
    sqlite3 *db = NULL;
    const char *port = argc > 3 ? strrchr(argv[2], ':') : NULL;
    const char *path = port ? strchr(port, ' ') : NULL;
    if (!path || sqlite3_open(path + 1, &db) != SQLITE_OK)
        return 2;
    const char *sql = "select id, name, email from users where id = ?";
    redisContext *redis = redisConnect("127.0.0.1", atoi(port + 1));
    if (!redis || redis->err || sqlite3_prepare_v2(db, sql, -1, &find, NULL) != SQLITE_OK)
        return 1;
    long sum = 0, at_once = atol(argv[3]);
    if (at_once > AT_ONCE_MAX)
        return 2;
    double began = bench_now();
    for (long left = atol(argv[1]); left > 0; left -= at_once)
        sum += batch(redis, left, left < at_once ? left : at_once);
    bench_print(began, sum);
    redisFree(redis);
    sqlite3_finalize(find);
    sqlite3_close(db);
    return 0;
}

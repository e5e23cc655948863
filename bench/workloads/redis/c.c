/* hiredis: so many commands in one piece, then their answers. */
#include "../../lib/bench.h"
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>
/* link: -lhiredis */

static void ask(redisContext *redis, long i)
{
    char key[32];
    int length = snprintf(key, sizeof key, "key:%ld", i % 1000);
    const char *words[] = {"GET", key};
    size_t lengths[] = {3, (size_t)length};
    redisAppendCommandArgv(redis, 2, words, lengths);
}

static long answer(redisContext *redis)
{
    redisReply *reply;
    if (redisGetReply(redis, (void **)&reply) || reply->type != REDIS_REPLY_STRING)
        exit(1);
    long length = (long)reply->len;
    freeReplyObject(reply);
    return length;
}

int main(int argc, char **argv)
{
    const char *port = argc > 3 ? strrchr(argv[2], ':') : NULL;
    if (!port)
        return 2;
    redisContext *redis = redisConnect("127.0.0.1", atoi(port + 1));
    if (!redis || redis->err)
        return 1;
    long sum = 0, at_once = atol(argv[3]);
    double began = bench_now();
    for (long left = atol(argv[1]); left > 0;) {
        long batch = left < at_once ? left : at_once;
        for (long i = 0; i < batch; i++)
            ask(redis, --left);
        for (long i = 0; i < batch; i++)
            sum += answer(redis);
    }
    redisFree(redis);
    bench_print(began, sum);
    return 0;
}

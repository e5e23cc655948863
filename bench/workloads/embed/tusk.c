/* embed: an operator from C, called n times: from a loop in Lua (one that answers before it
 * returns, at once, a step later), or each time from C by tusk_call,
 * 64 in a step. */
#include <stdlib.h>
#include <string.h>
#include <tusk.h>

#include "../../lib/bench.h"

enum mode { PLAIN = 1, AT_ONCE, LATER, CALLED };
enum { EACH_STEP = 64 }; /* calls */

static tusk_host *host;
static tusk_op *waiting;
static tusk_val answer;
static long sum;

static tusk_rc add_one(void *ud, const tusk_val *args, uint32_t n, tusk_val *result)
{
    (void)ud, (void)n;
    *result = tusk_int(args[0].u.i + 1);
    return TUSK_OK;
}

static void add_at_once(void *ud, tusk_op *op, const tusk_val *args, uint32_t n)
{
    (void)ud, (void)n;
    tusk_val v = tusk_int(args[0].u.i + 1);
    tusk_op_done(op, &v, 1);
    tusk_op_free(op);
}

static void add_later(void *ud, tusk_op *op, const tusk_val *args, uint32_t n)
{
    (void)ud, (void)n;
    answer = tusk_int(args[0].u.i + 1);
    waiting = op;
}

static tusk_rc took(void *ud, const tusk_val *args, uint32_t n, tusk_val *result)
{
    (void)ud, (void)n, (void)result;
    sum = (long)args[0].u.i;
    return TUSK_OK;
}

static void load(const char *code, long n)
{
    char text[300];
    int length = snprintf(text, sizeof text, code, n);
    if (tusk_load_source(host, "=bench", text, (size_t)length))
        exit(EXIT_FAILURE);
}

static void loop_in_lua(long n)
{
    load("local sum = 0 for i = 0, %ld - 1 do sum = sum + @add(i %% 7) end @took(sum)", n);
    while (tusk_step(host, 1000000) != TUSK_STEP_IDLE) {
        if (!waiting)
            continue;
        tusk_op_done(waiting, &answer, 1);
        tusk_op_free(waiting);
        waiting = NULL;
    }
}

static void take_sum(void *ud, tusk_future *f)
{
    (void)ud;
    sum += (long)tusk_future_values(f, NULL)->u.i;
}

static void call_each(long n)
{
    load("function run(i) return @add(i) end", 0);
    tusk_step(host, 1000000);
    for (long i = 0; i < n; i++) {
        tusk_val v = tusk_int(i % 7);
        if (tusk_call(host, NULL, "run", &v, 1, 0, take_sum, NULL, NULL))
            exit(EXIT_FAILURE);
        if (i % EACH_STEP == EACH_STEP - 1)
            tusk_step(host, 1000000);
    }
    tusk_step(host, 1000000);
}

int main(int argc, char **argv)
{
    long n = argc > 1 ? strtol(argv[1], NULL, 10) : 1000;
    int mode = argc > 3 ? atoi(argv[3]) : CALLED;
    if (tusk_open(NULL, &host) || tusk_def(host, "took", took, NULL))
        return EXIT_FAILURE;
    if (mode == PLAIN || mode == CALLED)
        tusk_def(host, "add", add_one, NULL);
    else
        tusk_def_async(host, "add", mode == AT_ONCE ? add_at_once : add_later, NULL, NULL);
    double began = bench_now();
    if (mode == CALLED)
        call_each(n);
    else
        loop_in_lua(n);
    bench_print(began, sum);
    tusk_close(host);
    return EXIT_SUCCESS;
}

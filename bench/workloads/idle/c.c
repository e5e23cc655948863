/* idle: n turns, without waiting, of a loop of libuv with 1000 timers. */
/* link: -luv */
#include <stdlib.h>
#include <uv.h>

#include "../../lib/bench.h"

static void never(uv_timer_t *timer)
{
    (void)timer;
}

int main(int argc, char **argv)
{
    static uv_timer_t timers[1000];
    long n = argc > 1 ? strtol(argv[1], NULL, 10) : 1000, waiting = 0;
    uv_loop_t *loop = uv_default_loop();
    for (int i = 0; i < 1000; i++) {
        uv_timer_init(loop, &timers[i]);
        uv_timer_start(&timers[i], never, 3600000, 0);
    }
    double began = bench_now();
    for (long i = 0; i < n; i++)
        waiting += uv_run(loop, UV_RUN_NOWAIT) != 0;
    bench_print(began, waiting);
    return EXIT_SUCCESS;
}

/* uv timers, started and stopped. */
#include <stdlib.h>
#include <uv.h>

#include "../../lib/bench.h"
/* link: -luv */

static void never(uv_timer_t *timer)
{
    (void)timer;
}

int main(int argc, char **argv)
{
    long n = argc > 1 ? atol(argv[1]) : 0, done = 0;
    static uv_timer_t asleep[1000], deadline;
    for (int i = 0; i < 1000; i++) {
        uv_timer_init(uv_default_loop(), &asleep[i]);
        uv_timer_start(&asleep[i], never, 1800000, 0);
    }
    uv_timer_init(uv_default_loop(), &deadline);
    double began = bench_now();
    for (long i = 0; i < n; i++) {
        uv_timer_start(&deadline, never, 3600000, 0);
        done++;
        uv_timer_stop(&deadline);
    }
    bench_print(began, done);
    return 0;
}

/* uv timers without any Lua. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <uv.h>
/* link: -luv */

static long fired;

static void on_timer(uv_timer_t *timer)
{
    fired++;
    uv_close((uv_handle_t *)timer, NULL);
}

int main(int argc, char **argv)
{
    long n = argc > 1 ? atol(argv[1]) : 0;
    clock_t began = clock();
    uv_timer_t *timers = calloc((size_t)n, sizeof *timers);
    if (!timers)
        return 1;
    for (long i = 0; i < n; i++) {
        uv_timer_init(uv_default_loop(), &timers[i]);
        uv_timer_start(&timers[i], on_timer, (uint64_t)((i + 1) % 100 + 1), 0);
    }
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    printf("%.3f %ld\n", (double)(clock() - began) * 1000 / CLOCKS_PER_SEC, fired);
    free(timers);
    return 0;
}

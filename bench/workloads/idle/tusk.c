/* idle: n steps that find nothing to do, beside 1000 tasks that wait. */
#include <stdlib.h>
#include <string.h>
#include <tusk.h>

#include "../../lib/bench.h"

static const char code[] = "for i = 1, 1000 do @spawn(function() @sleep('1h') end) end";

int main(int argc, char **argv)
{
    long n = argc > 1 ? strtol(argv[1], NULL, 10) : 1000, waiting = 0;
    tusk_host *host;
    if (tusk_open(NULL, &host) || tusk_load_source(host, "bench", code, strlen(code)))
        return EXIT_FAILURE;
    tusk_step(host, 1000);
    double began = bench_now();
    for (long i = 0; i < n; i++)
        waiting += tusk_step(host, 1000) == TUSK_STEP_WAITING;
    bench_print(began, waiting);
    tusk_close(host);
    return EXIT_SUCCESS;
}

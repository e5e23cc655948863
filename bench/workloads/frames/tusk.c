/*
 * frames: a game's loop of n frames: how long tusk_step takes of one, at a percentile, beside 1000
 * tasks that wake now and then, and others that read files, rows and pages all the time. With
 * tusk_gc_idle after each step, or without.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tusk.h>

#include "../../lib/bench.h"

#define FRAME_NS  2000000 /* of which the program itself needs nothing */
#define BUDGET_US 1000
#define SPARE_US  500

static const char code[] =
    "local url, seed = '%s', 1\n"
    "keep = {} for i = 1, 100000 do keep[i] = { id = i, name = 'entity ' .. i } end\n"
    "for i = 1, 1000 do @spawn(function()\n"
    "  while true do\n"
    "    @sleep(0.05 + i %% 50 / 1000)\n"
    "    local seen = {} for k = 1, 20 do seen[k] = { x = k, y = i } end\n"
    "  end\n"
    "end) end\n"
    "local path = os.tmpname() @file.write(path, ('x'):rep(4096))\n"
    "local db = @db.open(':memory:') db.exec('create table t (id integer primary key, name "
    "text)')\n"
    "for i = 1, 1000 do db.exec('insert into t (name) values (?)', 'n' .. i) end\n"
    "@spawn(function() while true do @file.read(path) @sleep(0.001) end end)\n"
    "@spawn(function() local n = 0 while true do n = n + 1\n"
    "  db.query('select * from t where id > ? limit 10', n %% 900) @sleep(0.001) end end)\n"
    "if url ~= '' then @spawn(function() while true do @http.get(url) end end) end\n";

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* What this thread has computed: another program may have the core meanwhile. */
static double computed(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void wait_until(double ms)
{
    double now = bench_now();
    if (ms <= now)
        return;
    struct timespec t = {(time_t)((ms - now) / 1e3), (long)((ms - now) * 1e6) % 1000000000};
    nanosleep(&t, NULL);
}

int main(int argc, char **argv)
{
    long n = argc > 1 ? strtol(argv[1], NULL, 10) : 1000;
    const char *url = argc > 2 ? argv[2] : "";
    double percentile = argc > 3 ? atof(argv[3]) : 0.999;
    int idle = percentile > 1; // 1.999: the same with tusk_gc_idle
    char text[sizeof code + 300];
    tusk_host *host;
    int length = snprintf(text, sizeof text, code, url);
    if (tusk_open(NULL, &host) || tusk_load_source(host, "bench", text, (size_t)length))
        return EXIT_FAILURE;
    double *took = malloc((size_t)n * sizeof *took), next = bench_now();
    for (long i = 0; i < n; i++) {
        double began = computed();
        tusk_step(host, BUDGET_US);
        took[i] = computed() - began;
        if (idle)
            tusk_gc_idle(host, SPARE_US);
        wait_until(next += FRAME_NS / 1e6);
    }
    qsort(took, (size_t)n, sizeof *took, compare);
    printf("%.3f %ld\n", took[(long)((double)(n - 1) * (idle ? percentile - 1 : percentile))], n);
    tusk_close(host);
    free(took);
    return EXIT_SUCCESS;
}

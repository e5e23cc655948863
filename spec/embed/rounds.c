/* rounds.c: opens, uses and closes a host so often: nothing grows. */
#include <malloc.h>
#include <unistd.h>

#include "kit.h"

static void once(void)
{
    tusk_host *h = must_open(NULL);
    must_load(h, "@spawn(function() @sleep('1h') end) @sleep(0.0001) @yield()");
    tusk_step(h, 1000);
    tusk_close(h);
}

static long pages(void)
{
    long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (fscanf(f, "%ld %ld", &size, &resident) != 2)
        exit(1);
    fclose(f);
    return resident;
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 100, warm = 50;
    for (int i = 0; i < warm; i++)
        once();
    malloc_trim(0);
    long before = pages();
    for (int i = 0; i < rounds; i++)
        once();
    malloc_trim(0);
    long grown = (pages() - before) * sysconf(_SC_PAGESIZE) / 1024;
    if (argc > 2)
        fprintf(stderr, "%d rounds: %ld KiB more\n", rounds, grown);
    SAY("nothing grows", grown < 512);
    return 0;
}

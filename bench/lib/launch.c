/* launch N PROGRAM ARGS…: starts it so many times, one after the other; prints ms per start. */
#include "bench.h"
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>

extern char **environ;

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    long n = atol(argv[1]), well = 0;
    double began = bench_now();
    for (long i = 0; i < n; i++) {
        pid_t pid;
        int status;
        if (posix_spawnp(&pid, argv[2], NULL, NULL, argv + 2, environ) != 0)
            return 1;
        if (waitpid(pid, &status, 0) == pid && status == 0)
            well++;
    }
    printf("%.3f %ld\n", (bench_now() - began) / (double)n, well);
    return 0;
}

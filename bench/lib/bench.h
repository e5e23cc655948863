/* bench.h: the clock and the line that every program prints. */
#ifndef BENCH_H
#define BENCH_H

#include <stdio.h>
#include <time.h>

static inline double bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static inline void bench_print(double began, long checksum)
{
    printf("%.3f %ld\n", bench_now() - began, checksum);
}

#endif

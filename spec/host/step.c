/* step.c: an embedder with a poll loop of its own: what tusk_step and tusk_wait_ms promise. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <tusk.h>

static const char *const busy =
    "for i = 1, 20 do @spawn(function() while true do\n"
    "  local from = os.clock() repeat until os.clock() - from > 0.001 @yield()\n"
    "end end) end";

static tusk_host *start(const char *code)
{
    tusk_host *host;
    if (tusk_open(NULL, &host) || tusk_load_source(host, "=step", code, strlen(code)))
        return NULL;
    return host;
}

static double milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void overrun(void)
{
    tusk_host *host = start(busy);
    double from = milliseconds();
    int state = tusk_step(host, 500);
    printf("a step of twenty that compute: %s, %s\n", state == TUSK_STEP_MORE ? "more" : "done",
           milliseconds() - from < 5 ? "one resume" : "too long");
    tusk_close(host);
}

static void waiting(void)
{
    tusk_host *host = start("@sleep('1ms') @sleep('1h')");
    struct timespec two = {0, 2000000};
    tusk_step(host, 1000);
    nanosleep(&two, NULL);
    int state = tusk_step(host, 1000), ms = tusk_wait_ms(host);
    printf("an hour to wait: %s, %s\n", state == TUSK_STEP_WAITING ? "waiting" : "not waiting",
           ms > 1000 ? "long" : "not at all");
    tusk_close(host);
}

static void endless(void)
{
    tusk_host *host = start("for i = 1, 1000 do @yield() end");
    int state = tusk_step(host, UINT64_MAX);
    printf("a budget without an end: %s\n", state == TUSK_STEP_IDLE ? "done" : "not done");
    tusk_close(host);
}

int main(void)
{
    overrun();
    waiting();
    endless();
    return 0;
}

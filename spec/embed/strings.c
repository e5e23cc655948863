/* strings.c: scripts that fill their memory with strings, under caps of many sizes: wherever it
 * ends, in a table, a string, or the table of all strings, the task fails and the host goes on. */
#include "kit.h"

static const char *const fills[] = {
    "local t = {} for i = 1, 1e6 do t[i] = tostring({}) end",
    "for _ = 1, 2 do pcall(function() local t = {} for i = 1, 1e6 do t[i] = tostring(i) end end) "
    "end",
    "for _ = 1, 2 do pcall(function() local t = {} for i = 1, 4e5 do t[i] = {i, tostring(i) .. "
    "'a'} "
    "end end) end",
};

static void fill(uint64_t bytes, int *over, int *dead)
{
    tusk_config c;
    tusk_limits l;
    tusk_stats s;
    configure(&c, &l);
    l.mem_bytes = bytes;
    tusk_host *h = must_open(&c);
    for (size_t i = 0; i < sizeof fills / sizeof *fills; i++) {
        load(h, "jit.on()"); // has no effect
        load(h, fills[i]);
        step_until(h, TUSK_STEP_IDLE, 20);
    }
    tusk_stats_init(&s);
    tusk_get_stats(h, NULL, &s);
    *over += s.peak_bytes > bytes;
    *dead += load(h, "local s = ('x'):rep(1000) @yield()") != TUSK_OK;
    tusk_close(h);
}

int main(void)
{
    int over = 0, dead = 0;
    for (uint64_t kib = 5120; kib < 10240; kib += 512)
        fill((kib << 10) + kib, &over, &dead);
    SAY("none has taken more than its cap", !over);
    SAY("all go on", !dead);
    return 0;
}

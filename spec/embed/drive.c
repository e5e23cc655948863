/* drive.c: what tusk_step and those around it promise. */
#include "kit.h"

static uint64_t now; /* of the virtual clock */

static uint64_t tell_time(void *ud)
{
    (void)ud;
    return now;
}

static int number(tusk_host *h, const char *code)
{ // of what the code logs
    memset(&told, 0, sizeof told);
    must_load(h, code);
    const char *at = strstr(told.log, "msg\":\"");
    return at ? atoi(at + 6) : -1;
}

static void budgets(void)
{
    tusk_config c;
    tusk_limits l;
    configure(&c, &l);
    tusk_host *h = must_open(&c);
    must_load(
        h, "order = {} for i = 1, 5 do @spawn(function() @yield() order[#order + 1] = i end) end");
    SAY("a budget of nothing resumes nobody",
        tusk_step(h, 0) == TUSK_STEP_MORE && number(h, "@log.info(#order)") == 0);
    SAY("any other resumes one at least", tusk_step(h, 1) != TUSK_STEP_ERROR);
    step_until(h, TUSK_STEP_IDLE, 1000);
    SAY("in the order in which they were ready",
        number(h, "@log.info(table.concat(order))") == 12345);
    must_load(h, "n = 0 @spawn(function() for i = 1, 100 do n = n + 1 @yield() end end)\n"
                 "@spawn(function() for i = 1, 100 do n = n + 1 @yield() end end)");
    SAY("much of it ends what is there",
        tusk_step(h, UINT64_MAX) == TUSK_STEP_IDLE && number(h, "@log.info(n)") == 200);
    tusk_close(h);
}

static void polling(void)
{
    tusk_host *h = must_open(NULL);
    struct pollfd fd = {.fd = tusk_wait_fd(h), .events = POLLIN};
    SAY("nothing to wait for: for ever", tusk_wait_ms(h) == -1);
    must_load(h, "@process.run { 'true' }");
    tusk_step(h, 1000);
    SAY("input does show", poll(&fd, 1, 10000) == 1);
    SAY("and ends", step_until(h, TUSK_STEP_IDLE, 1000));
    tusk_wakeup(h);
    SAY("so does a wake-up", poll(&fd, 1, 10000) == 1);
    tusk_step(h, 0);
    SAY("once", poll(&fd, 1, 0) == 0);
    must_load(h, "@yield()");
    SAY("what is ready does not wait", tusk_wait_ms(h) == 0);
    tusk_close(h);
}

static void timers(void)
{
    tusk_config c;
    tusk_limits l;
    configure(&c, &l);
    c.now_ns = tell_time;
    now = 1000000000;
    tusk_host *h = must_open(&c);
    struct pollfd fd = {.fd = tusk_wait_fd(h), .events = POLLIN};
    must_load(h, "@sleep('20ms') done = true");
    SAY("a timer is waited for", tusk_wait_ms(h) == 20);
    now += 19500000;
    SAY("not too short", tusk_wait_ms(h) == 1 && tusk_step(h, 1000) == TUSK_STEP_WAITING);
    now += 500000;
    SAY("and never shows on the descriptor", tusk_wait_ms(h) == 0 && poll(&fd, 1, 0) == 0);
    SAY("one step ends it", tusk_step(h, 1000) == TUSK_STEP_IDLE);
    tusk_close(h);
}

static void watchers(void)
{
    static const char code[] = "local p = @process.spawn { 'cat' } p:write('x') p:close_stdin()\n"
                               "while p:read() do end p:wait() done = true";
    tusk_host *h = must_open(NULL);
    must_load(h, code);
    SAY("what a step has begun to watch wakes the program", step_until(h, TUSK_STEP_IDLE, 1000));
    tusk_close(h);
}

static void clocks(void)
{
    tusk_config c;
    tusk_limits l;
    configure(&c, &l);
    c.now_ns = tell_time;
    now = 1000000000;
    tusk_host *h = must_open(&c);
    must_load(h, "@sleep('1h') @log.info(1)");
    SAY("time is what the program says: an hour is far", tusk_step(h, 1000) == TUSK_STEP_WAITING);
    now += 3599000000000u;
    SAY("a second is left", tusk_step(h, 1000) == TUSK_STEP_WAITING && tusk_wait_ms(h) == 1000);
    now += 1000000000;
    SAY("and it is over", tusk_step(h, 1000) == TUSK_STEP_IDLE && told.logged == 1);
    tusk_close(h);
}

static int draw(uint64_t seed)
{
    tusk_config c;
    tusk_limits l;
    configure(&c, &l);
    c.seed = seed;
    tusk_host *h = must_open(&c);
    int n = number(h, "@log.info(('%d'):format(@random.int(1, 1000000000)))");
    tusk_close(h);
    return n;
}

static void chance(void)
{
    int a = draw(7), b = draw(7), other = draw(8);
    SAY("the same seed, the same chance", a == b && a > 0);
    SAY("another, another", a != other);
    SAY("none, the system's", draw(0) != draw(0));
}

static void garbage(void)
{
    tusk_config c;
    tusk_limits l;
    configure(&c, &l);
    tusk_host *h = must_open(&c);
    must_load(
        h, "collectgarbage() collectgarbage() local t = {} for i = 1, 20000 do t[i] = { i } end");
    uint64_t freed = 0;
    int calls = 0;
    for (uint64_t n = 1; n && calls < 10000; calls++)
        freed += n = tusk_gc_idle(h, 200);
    while (calls++ < 10000 && freed < 1000000)
        freed += tusk_gc_idle(h, 200);
    SAY("garbage goes when there is time", freed > 1000000);
    while (calls++ < 10000 && tusk_gc_idle(h, 100000)) // the rest of it, however little time it had
        continue;
    SAY("and when there is none it costs nothing", tusk_gc_idle(h, 100000) == 0);
    tusk_close(h);
}

static void figures(void)
{
    tusk_config c;
    tusk_limits l;
    tusk_stats s;
    configure(&c, &l);
    tusk_host *h = must_open(&c);
    must_load(
        h, "for i = 1, 3 do @spawn(function() @sleep('1h') end) end\n"
           "@spawn(function() while true do @yield() end end)\n"
           "server = require('luv').new_tcp() server:bind('127.0.0.1', 0) server:listen(1, print)\n"
           "@process.run { 'sleep', '1000' }");
    tusk_step(h, 1);
    tusk_step(h, 1);
    memset(&s, 0, sizeof s);
    SAY("figures need a size", tusk_get_stats(h, NULL, &s) == TUSK_E_ABI);
    tusk_stats_init(&s);
    SAY("of a host", !tusk_get_stats(h, NULL, &s) && s.tasks == 5 && s.ready == 1 && s.ops == 1 &&
                         s.steps == 2 && s.fds == 1);
    SAY("its memory", s.lua_bytes > 100000 && s.bytes >= s.lua_bytes && s.peak_bytes >= s.bytes);
    must_load(h, "local from = os.clock() repeat until os.clock() - from > 0.02");
    must_load(h, "@yield() local from = os.clock() repeat until os.clock() - from > 0.02");
    tusk_step(h, 1000);
    tusk_get_stats(h, NULL, &s);
    SAY("its longest resume", s.slowest_slice_us >= 19000 && s.slowest_slice_us < 5000000);
    tusk_stats_init_sized(&s, 8);
    s.ready = 77;
    SAY("an older program's struct", !tusk_get_stats(h, NULL, &s) && s.tasks == 5 && s.ready == 77);
    tusk_close(h);
}

int main(void)
{
    budgets();
    polling();
    timers();
    watchers();
    clocks();
    chance();
    garbage();
    figures();
    return 0;
}

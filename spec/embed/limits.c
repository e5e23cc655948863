/* limits.c: what a host may take: memory, tasks, operators, depth, time without waiting. */
#include "kit.h"

/* An allocator that counts, for a host that must never have more than it may. */
static size_t in_use, most;

static void *counting(void *ud, void *p, size_t old, size_t size)
{
    size_t *block = p ? (size_t *)p - 2 : NULL, before = block ? *block : 0;
    (void)ud, (void)old;
    in_use += size - before;
    most = in_use > most ? in_use : most;
    if (!size) {
        free(block);
        return NULL;
    }
    block = realloc(block, size + 2 * sizeof *block);
    *block = size;
    return block + 2;
}

static const char *const greedy[] = {
    "local t = {} while true do t[#t + 1] = {} end",
    "local t = {} for i = 1, 1e9 do t[i] = 'x' .. i end",
    "local t, s = {}, ('abc'):rep(1e4) for i = 1, 1e9 do t[i] = s:sub(i % 1000 + 1) .. i end",
    "local t = {} for i = 1, 1e9 do t[i] = function() return i end end",
    "local t = {} for i = 1, 1e9 do t[i] = coroutine.create(print) end",
    "local s = 'x' while true do s = s .. s end",
    "for i = 1, 1e9 do @spawn(function(...) @sleep('1h') end, ('x'):rep(1000) .. i) end",
    "jit.off() local t, s = {}, ('abc'):rep(100) for i = 1, 1e9 do t[i] = (s .. i):sub(i % 100 + "
    "1) end",
    "local co = coroutine.wrap(function() jit.off() local t, s = {}, ('abc'):rep(100)\n"
    "  for i = 1, 1e9 do t[i] = (s .. i):upper() end end) co()",
    "local t = {} for i = 1, 1e9 do local ok, e = pcall(string.rep, 'x', i * 10) if ok then t[i] = "
    "e else error(e) end end",
    "local ffi, t = require 'ffi', {} for i = 1, 1e9 do t[i] = ffi.new('int[10]') end",
    "local ch = @channel(1e9) for i = 1, 1e9 do ch:send({ i }) end",
};

static void memory(int own)
{
    tusk_config c;
    tusk_limits l;
    int bad = 0, n = sizeof greedy / sizeof *greedy;
    configure(&c, &l);
    l.mem_bytes = 4 << 20;
    c.alloc = own ? counting : NULL;
    in_use = most = 0;
    tusk_host *h = must_open(&c);
    must_load(h, "calm = 0 @spawn(function() while true do @yield() calm = calm + 1 end end)");
    for (int i = 0; i < n; i++) {
        memset(&told, 0, sizeof told);
        load(h, greedy[i]);
        for (int j = 0; j < 5000 && !told.failed; j++)
            tusk_step(h, 1000);
        if (!told.failed || told.last.rc != TUSK_E_NOMEM || strcmp(told.kind, "memory"))
            printf("not told of %s: %s\n", greedy[i], told.message), bad = 1;
    }
    SAY("a task that takes too much fails, and only that", !bad);
    must_load(h, "before = calm");
    for (int i = 0; i < 20; i++)
        tusk_step(h, 1000);
    memset(&told, 0, sizeof told);
    must_load(h, "@log.info(calm > before and 'goes on')");
    SAY("the others go on", strstr(told.log, "goes on") != NULL);
    tusk_stats s;
    tusk_stats_init(&s);
    tusk_get_stats(h, NULL, &s);
    SAY("to the byte", s.peak_bytes <= l.mem_bytes && s.peak_bytes > l.mem_bytes - 100000 &&
                           (!own || (most <= l.mem_bytes && most > l.mem_bytes - 100000)));
    tusk_close(h);
    SAY("nothing is left", in_use == 0);
    l.mem_bytes = 100000;
    SAY("too little to begin with", tusk_open(&c, &h) == TUSK_E_NOMEM && in_use == 0);
}

/* A live heap of more than half the cap, and garbage: LuaJIT alone would wait too long. */
static void near_the_cap(void)
{
    tusk_config c;
    tusk_limits l;
    configure(&c, &l);
    l.mem_bytes = 16 << 20;
    tusk_host *h = must_open(&c);
    must_load(h,
              "keep = {} for i = 1, 90 do keep[i] = ('x'):rep(100000) .. i end\n"
              "for i = 1, 2000 do local s = ('y'):rep(20000) .. i @yield() end @log.info 'done'");
    SAY("garbage near the cap is collected in time",
        step_until(h, TUSK_STEP_IDLE, 10000) && !told.failed && strstr(told.log, "done"));
    tusk_close(h);
}

/* The coroutines of tasks are used again, but not for ever kept from who needs memory. */
static void after_a_burst(void)
{
    tusk_config c;
    tusk_limits l;
    configure(&c, &l);
    l.mem_bytes = 4 << 20;
    tusk_host *h = must_open(&c);
    must_load(h, "pcall(@scope, function(s)\n"
                 "for i = 1, 1e5 do s:spawn(function() @sleep(0.001) end) end end)");
    SAY("a burst of tasks meets the cap", step_until(h, TUSK_STEP_IDLE, 10000));
    for (int i = 0; i < 3 && !strstr(told.log, "room"); i++) { // the first may meet the cap itself
        must_load(h, "@yield() if #('x'):rep(500000) == 5e5 then @log.info 'room' end");
        step_until(h, TUSK_STEP_IDLE, 10000);
    }
    SAY("what it leaves is given back", strstr(told.log, "room") != NULL);
    tusk_close(h);
}

static int fails_with(const tusk_limits *limits, const char *code, const char *kind)
{
    tusk_config c;
    tusk_limits l;
    configure(&c, &l);
    l = *limits;
    tusk_host *h = must_open(&c);
    load(h, code);
    for (int i = 0; i < 50 && !told.failed; i++)
        tusk_step(h, 1000);
    int ok = told.failed == 1 && !strcmp(told.kind, kind);
    if (!ok)
        printf("%d: %s: %s\n", told.failed, told.kind, told.message);
    tusk_close(h);
    return ok;
}

static void counts(void)
{
    tusk_limits l;
    tusk_limits_init(&l);
    l.max_tasks = 10;
    SAY("tasks",
        fails_with(&l, "for i = 1, 9 do @spawn(@(@sleep('1h'))) end @spawn(@(@sleep('1h')))",
                   "limit.tasks"));
    tusk_limits_init(&l);
    l.max_depth = 10;
    SAY("tasks in tasks",
        fails_with(&l, "local function deeper(n) @spawn(deeper, n + 1) @sleep('1h') end deeper(1)",
                   "limit.depth"));
    tusk_limits_init(&l);
    l.max_ops = 3;
    SAY("operators that wait",
        fails_with(&l, "for i = 1, 4 do @spawn(@(@process.run { 'sleep', '1000' })) end",
                   "limit.ops"));
}

static void too_long(void)
{
    static const char *const endless[] = {
        "while true do end",
        "local n = 0 for i = 1, 1e12 do n = n + i end",
        "while true do pcall(function() while true do end end) end",
        "coroutine.wrap(function() while true do end end)()",
        "jit.on() debug.sethook() while true do end",
        "@scope(function(s) s:defer(function() while true do end end) while true do end end)",
        "while true do @env.get('HOME') end",
    };
    tusk_config c;
    tusk_limits l;
    int bad = 0;
    configure(&c, &l);
    l.slice_max_us = 10000;
    tusk_host *h = must_open(&c);
    for (size_t i = 0; i < sizeof endless / sizeof *endless; i++) {
        told.failed = 0;
        load(h, endless[i]);
        for (int j = 0; j < 500 && !told.failed; j++)
            tusk_step(h, 1000);
        if (told.failed != 1 || told.last.rc != TUSK_E_CPU)
            printf("not ended, or not for that: %s: %s\n", endless[i], told.message), bad = 1;
    }
    SAY("code that never waits is ended", !bad);
    told.failed = 0;
    must_load(h, "for i = 1, 20 do local from = os.clock() repeat until os.clock() - from > 0.004 "
                 "@yield() end");
    SAY("what gives way in time is not", step_until(h, TUSK_STEP_IDLE, 1000) && !told.failed);
    load(h, "@scope(function(s) s:defer(function() cleaned = true end) while true do end end)");
    step_until(h, TUSK_STEP_IDLE, 1000);
    memset(&told, 0, sizeof told);
    must_load(h, "@log.info(tostring(cleaned))");
    SAY("it can clean up", strstr(told.log, "\"true\"") != NULL);
    tusk_close(h);
}

static void slow(void)
{
    tusk_config c;
    tusk_limits l;
    configure(&c, &l);
    l.slice_warn_us = 5000;
    tusk_host *h = must_open(&c);
    must_load(
        h, "@yield()\nlocal from = os.clock() repeat until os.clock() - from > 0.01\n@sleep('1h')");
    tusk_step(h, 1000);
    SAY("slow code is told of, with its place",
        strstr(told.log, "without waiting, up to test:3") != NULL);
    tusk_close(h);
}

static void sizes(void)
{
    tusk_config c;
    tusk_limits l;
    configure(&c, &l);
    l.max_file_bytes = l.max_body_bytes = 1000;
    tusk_host *h = must_open(&c);
    must_load(h, "@file.write('limits.txt', ('x'):rep(1001))\n"
                 "local _, a = pcall(@file.read, 'limits.txt')\n"
                 "local _, b = pcall(@file.read, 'limits.txt', { max = 1002 })\n"
                 "local _, d = pcall(@http.get, 'http://127.0.0.1:1/', { max_body = '1MB' })\n"
                 "@log.info(a.kind .. ' ' .. b.message .. ' ' .. d.message)");
    step_until(h, TUSK_STEP_IDLE, 1000);
    SAY("what is read as a whole",
        strstr(told.log,
               "file.too_large max: 1002 is more than the 1000 bytes that this host allows "
               "max_body: \\\"1MB\\\" is more than"));
    if (!strstr(told.log, "file.too_large"))
        printf("%s\n", told.log);
    tusk_close(h);
}

int main(void)
{
    memory(1);
    memory(0);
    near_the_cap();
    after_a_burst();
    counts();
    too_long();
    slow();
    sizes();
    return 0;
}

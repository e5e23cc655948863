/* call.c: an embedder that calls functions of Lua, and tells events. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tusk.h>

static void log_line(void *ud, tusk_level level, const char *plugin, const char *line,
                     size_t length)
{
    (void)ud;
    (void)level;
    (void)plugin;
    printf("log: %.*s\n", (int)length, line);
}

static tusk_host *open_host(void)
{
    tusk_host *h;
    tusk_config config;
    tusk_config_init(&config);
    config.log = log_line;
    config.flags = getenv("TUSK_STRESS") ? TUSK_STRESS : 0;
    if (tusk_open(&config, &h))
        exit(1);
    return h;
}

static void load(tusk_host *h, const char *code)
{
    if (!tusk_load_source(h, "=script", code, strlen(code)))
        return;
    printf("%s\n", tusk_errmsg(h));
    exit(1);
}

/* Steps until nothing is left to do, or f has ended. */
static void step(tusk_host *h, const tusk_future *f)
{
    struct timespec little = {0, 1000000};
    for (int i = 0; i < 20000; i++) {
        tusk_step_state state = tusk_step(h, 100000);
        if (f ? tusk_future_poll(f) != TUSK_E_STATE : state == TUSK_STEP_IDLE)
            return;
        if (tusk_wait_ms(h))
            nanosleep(&little, NULL);
    }
    printf("it does not end\n");
}

static void print_values(const tusk_val *v, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        double d;
        if (v[i].type == TUSK_STR)
            printf(" %.*s", (int)v[i].u.s.len, v[i].u.s.p);
        else if (tusk_get_num(&v[i], &d))
            printf(" %.14g", d);
        else
            printf(" %s", v[i].type == TUSK_NIL ? "nil" : "?");
    }
}

static void print_future(const char *what, const tusk_future *f)
{
    uint32_t n;
    const tusk_val *v = tusk_future_values(f, &n);
    const tusk_failure *e = tusk_future_failure(f);
    printf("%s: %s", what, tusk_strerror(tusk_future_poll(f)));
    print_values(v, n);
    if (e)
        printf(", %s, %s, by %s, task %s, trace %s", e->kind, e->message,
               e->plugin ? e->plugin : "none", e->task_id ? "some" : "none",
               *e->traceback ? "some" : "none");
    printf("\n");
}

static void call(tusk_host *h, const char *function, const tusk_val *args, uint32_t n,
                 uint64_t timeout_ms)
{
    tusk_future *f;
    if (tusk_call(h, NULL, function, args, n, timeout_ms, NULL, NULL, &f)) {
        printf("%s: %s\n", function, tusk_errmsg(h));
        return;
    }
    step(h, f);
    print_future(function, f);
    tusk_future_free(f);
}

static const char *const functions =
    "function add(a, b) return a + b, 'sum' end\n"
    "function slow(n) @sleep(n) return 'slept' end\n"
    "function bad(t) return t.x.y end\n"
    "function odd() error(setmetatable({}, { __tostring = function() error('no') end })) end\n"
    "function refused() return print end\n"
    "function child() @spawn(function() @sleep(0.001) error('the child') end) return 'body' end\n"
    "function nothing() end\n"
    "function stubborn() pcall(@sleep, 3600) return 'went on' end\n"
    "function calm() @sleep(3600) end\n";

static void results(void)
{
    tusk_host *h = open_host();
    tusk_val two[] = {tusk_int(1), tusk_int(2)}, little = tusk_num(0.001), hour = tusk_int(3600);
    load(h, functions);
    call(h, "add", two, 2, 0);
    call(h, "slow", &little, 1, 0);
    call(h, "slow", &hour, 1, 5);
    call(h, "slow", &little, 1, 60000);
    call(h, "bad", &hour, 1, 0);
    call(h, "bad", NULL, 0, 0);
    call(h, "odd", NULL, 0, 0);
    call(h, "refused", NULL, 0, 0);
    call(h, "child", NULL, 0, 0);
    call(h, "nothing", NULL, 0, 0);
    call(h, "hash.sha256", &(tusk_val){.type = TUSK_STR, .u.s = {"", 0}}, 1, 0);
    call(h, "ad", NULL, 0, 0);
    call(h, "hash.sha265", NULL, 0, 0);
    call(h, "hsh.sha256", NULL, 0, 0);
    call(h, "", NULL, 0, 0);
    tusk_close(h);
}

static void cancels(void)
{
    tusk_host *h = open_host();
    tusk_future *f[3];
    load(h, functions);
    tusk_call(h, NULL, "calm", NULL, 0, 0, NULL, NULL, &f[0]);
    tusk_call(h, NULL, "stubborn", NULL, 0, 0, NULL, NULL, &f[1]);
    tusk_call(h, NULL, "calm", NULL, 0, 0, NULL, NULL, &f[2]);
    tusk_future_cancel(f[2]); // before it has begun
    tusk_step(h, 1000);
    print_future("cancelled before it began", f[2]);
    print_future("not yet", f[0]);
    tusk_future_cancel(f[0]);
    tusk_future_cancel(f[0]);
    tusk_future_cancel(f[1]);
    step(h, NULL);
    print_future("cancelled", f[0]);
    print_future("stubborn", f[1]);
    tusk_future_cancel(f[1]);
    for (int i = 0; i < 3; i++)
        tusk_future_free(f[i]);
    tusk_close(h);
}

/* ---- callbacks ---- */

static void told(void *ud, tusk_future *f)
{
    int *count = ud;
    ++*count;
    print_future("told", f);
}

struct chain {
    tusk_host *h;
    int left;
};

static void call_again(void *ud, tusk_future *f)
{
    struct chain *c = ud;
    uint32_t n;
    const tusk_val *v = tusk_future_values(f, &n);
    tusk_val args[] = {v[0], tusk_int(1)};
    if (c->left-- > 0)
        tusk_call(c->h, NULL, "add", args, 2, 0, call_again, c, NULL);
    else
        print_future("chain", f);
}

static void callbacks(void)
{
    tusk_host *h = open_host();
    tusk_val two[] = {tusk_int(1), tusk_int(2)};
    struct chain c = {h, 99};
    int count = 0;
    tusk_future *f;
    load(h, functions);
    tusk_call(h, NULL, "add", two, 2, 0, told, &count, NULL);
    tusk_call(h, NULL, "add", two, 2, 0, told, &count, &f);
    tusk_future_free(f); // does not cancel
    tusk_call(h, NULL, "bad", NULL, 0, 0, told, &count, NULL);
    tusk_call(h, NULL, "bad", NULL, 0, 0, NULL, NULL, NULL); // nobody else would know
    printf("%d told before a step\n", count);
    step(h, NULL);
    printf("%d told\n", count);
    tusk_call(h, NULL, "add", two, 2, 0, call_again, &c, NULL);
    step(h, NULL);
    tusk_close(h);
}

/* Fifty thousand calls, and events, a hundred in each step. */
static long resident(void)
{
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
    return 0; // they keep what is freed for a while, and look for leaks themselves
#endif
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%*d %ld", &pages) != 1)
        exit(1);
    fclose(file);
    return pages * 4;
}

static void add_up(void *ud, tusk_future *f)
{
    *(long *)ud += (long)tusk_future_values(f, NULL)->u.i;
}

static void many(void)
{
    tusk_host *h = open_host();
    long sum = 0, before = 0;
    load(h, functions);
    load(
        h,
        "@on('tick', function(t) ticks = (ticks or 0) + #t end) function count() return ticks end");
    for (int i = 0; i < 50000; i++) {
        tusk_val two[] = {tusk_int(i), tusk_int(1)}, list = tusk_list(two, 2);
        tusk_call(h, NULL, "add", two, 2, 0, add_up, &sum, NULL);
        tusk_emit(h, "tick", &list, 1);
        if (i % 100 == 99)
            tusk_step(h, UINT64_MAX);
        if (i == 10000)
            before = resident();
    }
    printf("%ld, %s\n", sum, resident() - before < 4096 ? "as much memory as before" : "more");
    call(h, "count", NULL, 0, 0);
    tusk_close(h);
}

/* A call that takes too much fails alone. */
static void capped(void)
{
    tusk_host *h;
    tusk_config config;
    tusk_limits limits;
    tusk_future *f;
    tusk_config_init(&config);
    tusk_limits_init(&limits);
    limits.mem_bytes = 12 << 20;
    config.limits = &limits;
    if (tusk_open(&config, &h))
        exit(1);
    load(h, functions);
    load(h, "function eat() local t = {} for i = 1, 1e7 do t[i] = ('x'):rep(1000) .. i end end\n"
            "function large() return ('x'):rep(1e6) end");
    for (int i = 0; i < 3; i++) {
        tusk_call(h, NULL, "eat", NULL, 0, 0, NULL, NULL, &f);
        step(h, f);
        printf("%s, %s\n", tusk_strerror(tusk_future_poll(f)), tusk_future_failure(f)->kind);
        tusk_future_free(f);
        tusk_call(h, NULL, "large", NULL, 0, 0, NULL, NULL, &f);
        step(h, f);
        printf("%s\n", tusk_strerror(tusk_future_poll(f)));
        tusk_future_free(f);
    }
    tusk_close(h);
}

/* One that computes and never waits ends too, where there is a limit to that. */
static void computing(void)
{
    tusk_host *h;
    tusk_config config;
    tusk_limits limits;
    tusk_config_init(&config);
    tusk_limits_init(&limits);
    limits.slice_max_us = 20000;
    config.limits = &limits;
    if (tusk_open(&config, &h))
        exit(1);
    load(h, "function spin() while true do end end\n"
            "function caught() while true do pcall(function() while true do end end) end end\n"
            "function fine() return 'fine' end");
    call(h, "spin", NULL, 0, 0);
    call(h, "caught", NULL, 0, 0);
    call(h, "fine", NULL, 0, 0);
    tusk_close(h);
}

static void closing(void *ud, tusk_future *f)
{
    tusk_host *h = ud;
    print_future("closing", f);
    printf("another: %s\n", tusk_strerror(tusk_call(h, NULL, "add", NULL, 0, 0, NULL, NULL, NULL)));
    printf("emit: %s\n", tusk_strerror(tusk_emit(h, "event", NULL, 0)));
}

static void at_close(void)
{
    tusk_host *h = open_host();
    tusk_future *f;
    load(h, functions);
    tusk_call(h, NULL, "calm", NULL, 0, 0, closing, h, &f);
    tusk_call(h, NULL, "calm", NULL, 0, 0, NULL, NULL, NULL);
    tusk_step(h, 1000);
    tusk_call(h, NULL, "calm", NULL, 0, 0, NULL, NULL, NULL); // has not begun
    tusk_close(h);
    print_future("closed", f);
    tusk_future_cancel(f);
    tusk_future_free(f);
}

/* ---- from inside an operator ---- */

static tusk_rc call_back(void *ud, const tusk_val *args, uint32_t n, tusk_val *result)
{
    tusk_host *h = ud;
    (void)result;
    printf("called with %u\n", n);
    tusk_rc rc = tusk_call(h, NULL, "add", args, n, 0, told, &(int){0}, NULL);
    if (rc)
        return rc;
    return tusk_emit(h, "inside", args, n);
}

static tusk_future *inner;

static tusk_rc cancel_it(void *ud, const tusk_val *args, uint32_t n, tusk_val *result)
{
    (void)ud;
    (void)args;
    (void)n;
    (void)result;
    tusk_future_cancel(inner);
    return TUSK_OK;
}

static void inside(void)
{
    tusk_host *h = open_host();
    load(h, functions);
    static int count;
    (void)count;
    tusk_def(h, "cancel_me", cancel_it, NULL);
    load(h, "function suicide() @cancel_me() @sleep(3600) end");
    tusk_call(h, NULL, "suicide", NULL, 0, 0, NULL, NULL, &inner);
    step(h, NULL);
    print_future("suicide", inner);
    tusk_future_free(inner);
    tusk_def(h, "call_back", call_back, h);
    load(h, "@on('inside', function(a, b) print('heard', a, b) end) io.stdout:setvbuf('no')");
    fflush(stdout);
    load(h, "@call_back(2, 3) print('after')");
    fflush(stdout);
    tusk_step(h, 100000);
    tusk_step(h, 100000);
    tusk_close(h);
}

/* ---- events ---- */

static void events(void)
{
    tusk_host *h = open_host();
    tusk_val list[] = {tusk_int(1)}, args[] = {tusk_str("a"), tusk_list(list, 1)};
    load(h, "io.stdout:setvbuf('no')\n"
            "sub = @on('hit', function(who, t) t[2] = 'mine' print('one', who, #t) end)\n"
            "@on('hit', function(who, t) @sleep(0.001) print('two', who, #t) end)\n"
            "@on('hit', function() error('this handler fails') end)\n"
            "print(tostring(sub), sub.event)\n"
            "for _, call in ipairs { function() @on('hit') end, function() @on(1, print) end, "
            "function() @on('', print) end,\n"
            "    function() @on('shutdown', print) end, function() sub.cancel() end, function() "
            "return sub.name end } do\n"
            "  print(select(2, pcall(call)).message)\n"
            "end");
    fflush(stdout);
    printf("nobody: %s\n", tusk_strerror(tusk_emit(h, "miss", args, 2)));
    printf("shutdown: %s\n", tusk_strerror(tusk_emit(h, "shutdown", args, 2)));
    printf("no name: %s\n", tusk_strerror(tusk_emit(h, NULL, args, 2)));
    printf("hit: %s\n", tusk_strerror(tusk_emit(h, "hit", args, 2)));
    fflush(stdout);
    step(h, NULL);
    load(h, "sub:cancel() sub:cancel()");
    tusk_emit(h, "hit", args, 2);
    step(h, NULL);
    tusk_close(h);
}

int main(int argc, char **argv)
{
    const struct {
        const char *name;
        void (*run)(void);
    } cases[] = {{"results", results},   {"cancels", cancels}, {"callbacks", callbacks},
                 {"at_close", at_close}, {"inside", inside},   {"events", events},
                 {"many", many},         {"capped", capped},   {"computing", computing}};
    setvbuf(stdout, NULL, _IONBF, 0);
    for (size_t i = 0; argc > 1 && i < sizeof cases / sizeof *cases; i++)
        if (!strcmp(cases[i].name, argv[1]))
            cases[i].run();
    return 0;
}

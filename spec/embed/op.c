/* op.c: an embedder with operators of its own: each case prints what came of it. */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tusk.h>

/* ---- a host, and what its scripts say ---- */

static void log_line(void *ud, tusk_level level, const char *plugin, const char *line,
                     size_t length)
{
    (void)ud;
    (void)level;
    (void)plugin;
    printf("log: %.*s\n", (int)length, line);
}

/* @say(text, ...): a line of the output */
static tusk_rc say(void *ud, const tusk_val *args, uint32_t n, tusk_val *result)
{
    (void)ud;
    (void)result;
    for (uint32_t i = 0; i < n; i++) {
        double d;
        if (args[i].type == TUSK_STR)
            printf("%s%.*s", i ? " " : "", (int)args[i].u.s.len, args[i].u.s.p);
        else if (tusk_get_num(&args[i], &d))
            printf("%s%.14g", i ? " " : "", d);
        else
            printf("%s%s", i ? " " : "",
                   args[i].type == TUSK_NIL    ? "nil"
                   : args[i].type != TUSK_BOOL ? "?"
                   : args[i].u.b               ? "true"
                                               : "false");
    }
    printf("\n");
    return TUSK_OK;
}

static tusk_host *open_host(void)
{
    tusk_host *h;
    tusk_config config;
    tusk_config_init(&config);
    config.log = log_line;
    config.flags = getenv("TUSK_STRESS") ? TUSK_STRESS : 0;
    if (tusk_open(&config, &h) || tusk_def(h, "say", say, NULL))
        exit(1);
    return h;
}

static void check(tusk_host *h, tusk_rc rc)
{
    if (!rc)
        return;
    printf("%s: %s\n", tusk_strerror(rc), tusk_errmsg(h));
    exit(1);
}

static void load(tusk_host *h, const char *code)
{
    check(h, tusk_load_source(h, "=script", code, strlen(code)));
}

/* Steps until done, or nothing moves any more. */
static void step_until(tusk_host *h, const int *done)
{
    struct timespec little = {0, 1000000};
    for (int i = 0; i < 20000 && !*done; i++) {
        if (tusk_step(h, 100000) == TUSK_STEP_IDLE)
            return;
        if (tusk_wait_ms(h))
            nanosleep(&little, NULL);
    }
}

static void run(tusk_host *h)
{
    int never = 0;
    step_until(h, &never);
}

/* ---- the operators ---- */

struct world {
    tusk_op *op; /* that waits */
    int calls, cancels;
    tusk_rc rc;
};

/* Answers at once: its arguments. */
static void echo(void *ud, tusk_op *op, const tusk_val *args, uint32_t n)
{
    (void)ud;
    tusk_op_done(op, args, n);
    tusk_op_free(op);
}

/* Keeps the call. */
static void keep(void *ud, tusk_op *op, const tusk_val *args, uint32_t n)
{
    struct world *w = ud;
    (void)args;
    (void)n;
    w->calls++;
    w->op = op;
}

static void count_cancel(void *ud, tusk_op *op)
{
    struct world *w = ud;
    (void)op;
    w->cancels++;
}

static void end_when_cancelled(void *ud, tusk_op *op)
{
    count_cancel(ud, op);
    tusk_op_fail(op, "stopped", "it was stopped");
}

static void fail_at_once(void *ud, tusk_op *op, const tusk_val *args, uint32_t n)
{
    (void)ud;
    (void)args;
    (void)n;
    tusk_op_fail(op, "physics.no_world", "there is no world");
    tusk_op_free(op);
}

static void give_up(void *ud, tusk_op *op, const tusk_val *args, uint32_t n)
{
    (void)ud;
    (void)args;
    (void)n;
    tusk_op_free(op);
}

/* ---- the cases ---- */

static void at_once(void)
{
    tusk_host *h = open_host();
    check(h, tusk_def_async(h, "ping", echo, NULL, NULL));
    check(h, tusk_def_async(h, "physics.echo", echo, NULL, NULL));
    load(h, "@say(@ping('a', 1, nil, 2.5)) @say(@physics.echo('b')) @say(select('#', @ping()))");
    run(h);
    tusk_close(h);
}

static void later(void)
{
    tusk_host *h = open_host();
    struct world w = {0};
    tusk_val answer = tusk_str("answer");
    check(h, tusk_def_async(h, "ask", keep, NULL, &w));
    load(h, "@say('asks') @say(@ask()) ");
    tusk_step(h, 1000);
    printf("%d call, of %s, deadline %s, plugin %s\n", w.calls, tusk_op_name(w.op),
           tusk_op_deadline_ns(w.op) == UINT64_MAX ? "none" : "some",
           tusk_op_plugin(w.op) ? tusk_op_plugin(w.op) : "none");
    printf("%s\n", tusk_strerror(tusk_op_done(w.op, &answer, 1)));
    printf("again: %s\n", tusk_strerror(tusk_op_done(w.op, &answer, 1)));
    printf("and failed: %s\n", tusk_strerror(tusk_op_fail(w.op, "x", "y")));
    run(h);
    tusk_op_free(w.op);
    tusk_close(h);
}

struct answerer {
    tusk_op *op;
    pthread_t thread;
    tusk_rc rc;
};

static void *answer_there(void *ud)
{
    struct answerer *a = ud;
    tusk_val v = tusk_int(7);
    a->rc = tusk_op_done(a->op, &v, 1);
    tusk_op_free(a->op);
    return NULL;
}

static void threads(void)
{
    enum { THREADS = 8, ROUNDS = 200 };
    tusk_host *h = open_host();
    struct world w = {0};
    struct answerer all[THREADS];
    int won = 0, lost = 0;
    check(h, tusk_def_async(h, "ask", keep, end_when_cancelled, &w));
    load(h, "local n = 0 for i = 1, 200 do n = n + @ask() end @say(n)");
    for (int i = 0; i < ROUNDS; i++) {
        while (w.calls == i)
            tusk_step(h, 1000);
        for (int k = 0; k < THREADS; k++) {
            all[k].op = w.op;
            tusk_op_retain(w.op);
        }
        tusk_op_free(w.op);
        for (int k = 0; k < THREADS; k++)
            pthread_create(&all[k].thread, NULL, answer_there, &all[k]);
        for (int k = 0; k < THREADS; k++) {
            pthread_join(all[k].thread, NULL);
            won += all[k].rc == TUSK_OK;
            lost += all[k].rc == TUSK_E_STATE;
        }
    }
    run(h);
    printf("%d first, %d after them\n", won, lost);
    tusk_close(h);
}

/* A host of its own, whose operator other threads answer. */
static void *own_host(void *ud)
{
    int *sum = ud;
    tusk_host *h;
    struct world w = {0};
    static const char code[] = "local n = 0 for i = 1, 100 do n = n + @ask({ i }) end\n"
                               "function total() return n end";
    tusk_future *f;
    if (tusk_open(NULL, &h) || tusk_def_async(h, "ask", keep, end_when_cancelled, &w) ||
        tusk_load_source(h, "=script", code, sizeof code - 1))
        return NULL;
    for (int i = 0; i < 100; i++) {
        struct answerer a = {0};
        while (w.calls == i)
            tusk_step(h, 1000);
        a.op = w.op;
        pthread_create(&a.thread, NULL, answer_there, &a);
        tusk_step(h, 1000);
        pthread_join(a.thread, NULL);
    }
    run(h);
    if (!tusk_call(h, NULL, "total", NULL, 0, 0, NULL, NULL, &f)) {
        run(h);
        *sum = (int)tusk_future_values(f, NULL)->u.i;
        tusk_future_free(f);
    }
    tusk_close(h);
    return NULL;
}

static void two_hosts(void)
{
    pthread_t threads[2];
    int sums[2] = {0, 0};
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, own_host, &sums[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    printf("%d %d\n", sums[0], sums[1]);
}

/* Answered by threads while the task is cancelled at any moment. */
static void race(void)
{
    enum { ROUNDS = 300 };
    tusk_host *h = open_host();
    struct world w = {0};
    int ends = 0;
    check(h, tusk_def_async(h, "ask", keep, end_when_cancelled, &w));
    for (int i = 0; i < ROUNDS; i++) {
        struct answerer a = {0};
        for (int k = 0; w.calls == i && k < 100000; k++)
            if (tusk_step(h, 1000) == TUSK_STEP_IDLE) // the time may be over before the call
                load(h, "pcall(function() @timeout(0.0001, function() @ask() end) end)");
        a.op = w.op;
        pthread_create(&a.thread, NULL, answer_there, &a);
        for (int k = 0; k < 3; k++)
            tusk_step(h, 1000);
        pthread_join(a.thread, NULL);
        ends += a.rc == TUSK_OK || a.rc == TUSK_E_STATE;
        run(h);
    }
    printf("%d answers\n", ends);
    tusk_close(h);
}

static void cancelled(tusk_cancel_fn cancel)
{
    tusk_host *h = open_host();
    struct world w = {0};
    tusk_val v = tusk_int(1);
    check(h, tusk_def_async(h, "ask", keep, cancel, &w));
    load(h, "local ok, e = pcall(@timeout, 0.001, function() return @ask() end)"
            "@say(ok and 'done' or e.kind, ok and e or e.waited_at and e.waited_at.line or "
            "'noticed late')");
    tusk_step(h, 1000);
    uint64_t deadline = tusk_op_deadline_ns(w.op);
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t left = (int64_t)deadline - ((int64_t)now.tv_sec * 1000000000 + (int64_t)now.tv_nsec);
    printf("deadline within a second: %s\n",
           left < 1000000000 && left > -60000000000 ? "yes" : "no");
    for (int i = 0; i < 20000 && !tusk_op_cancelled(w.op); i++) {
        struct timespec little = {0, 1000000};
        nanosleep(&little, NULL);
        tusk_step(h, 1000);
    }
    if (cancel == count_cancel) {
        printf("%d cancel, %s\n", w.cancels,
               tusk_step(h, 1000) == TUSK_STEP_WAITING ? "waits for the answer" : "does not wait");
        tusk_op_fail(w.op, "whatever", "stopped");
    }
    run(h);
    printf("%d cancels; late: %s\n", w.cancels, tusk_strerror(tusk_op_done(w.op, &v, 1)));
    tusk_op_free(w.op);
    tusk_close(h);
}

/* An answer that comes after the cancel all the same arrives. */
static void done_after_cancel(void)
{
    tusk_host *h = open_host();
    struct world w = {0};
    tusk_val v = tusk_str("result");
    check(h, tusk_def_async(h, "ask", keep, count_cancel, &w));
    load(h, "local t = @spawn(function() @say(@ask()) @say((pcall(@yield))) end) t:cancel()");
    tusk_step(h, 1000);
    tusk_op_done(w.op, &v, 1);
    run(h);
    tusk_op_free(w.op);
    tusk_close(h);
}

/* Its own function cancels the task that calls it, which does not wait yet. */
static tusk_future *calling;

static void cancel_caller(void *ud, tusk_op *op, const tusk_val *args, uint32_t n)
{
    keep(ud, op, args, n);
    tusk_future_cancel(calling);
}

static void cancels_its_caller(void)
{
    tusk_cancel_fn const cancels[] = {NULL, count_cancel, end_when_cancelled};
    for (int i = 0; i < 3; i++) {
        tusk_host *h = open_host();
        struct world w = {0};
        tusk_val v = tusk_int(1);
        check(h, tusk_def_async(h, "suicide", cancel_caller, cancels[i], &w));
        load(h, "function call() @suicide() end");
        check(h, tusk_call(h, NULL, "call", NULL, 0, 0, NULL, NULL, &calling));
        for (int k = 0; k < 5; k++)
            tusk_step(h, 1000);
        printf("%d cancel, ", w.cancels);
        printf("%s, ", tusk_strerror(tusk_future_poll(calling)));
        printf("late: %s, ", tusk_strerror(tusk_op_done(w.op, &v, 1)));
        run(h);
        printf("%s\n", tusk_strerror(tusk_future_poll(calling)));
        tusk_future_free(calling);
        tusk_op_free(w.op);
        tusk_close(h);
    }
}

static void failed(void)
{
    tusk_host *h = open_host();
    check(h, tusk_def_async(h, "physics.cast", fail_at_once, NULL, NULL));
    check(h, tusk_def_async(h, "physics.forget", give_up, NULL, NULL));
    load(h, "\nlocal ok, e = pcall(function()\n  return @physics.cast(1)\nend)\n"
            "@say(e.kind, e.message, e.op, e.site.line)\n"
            "ok, e = pcall(@physics.forget) @say(e.kind, e.message)\n"
            "ok, e = pcall(function() @physics.cats() end) @say(e.message)\n"
            "ok, e = pcall(function() @physic.cast() end) @say(e.message)\n"
            "@say(tostring(@physics))");
    run(h);
    tusk_close(h);
}

static void names(void)
{
    tusk_host *h = open_host();
    const char *const list[] = {"ping",      "ping",    "ping.x", "physics.a", "physics.a",
                                "physics.b", "physics", "file",   "file.x",    "json.decode",
                                "",          "a.b.c",   "1x",     "end",       "a b"};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        tusk_rc rc = tusk_def_async(h, list[i], echo, NULL, NULL);
        printf("%s: %s%s%s\n", list[i], tusk_strerror(rc), rc ? ": " : "",
               rc ? tusk_errmsg(h) : "");
    }
    printf("no function: %s\n", tusk_strerror(tusk_def(h, "x", NULL, NULL)));
    printf("no name: %s\n", tusk_strerror(tusk_def(h, NULL, say, NULL)));
    tusk_close(h);
}

/* While a task runs: what it has not found before is there. */
static void meanwhile(void)
{
    tusk_host *h = open_host();
    load(h, "local function try() return (pcall(function() @say(@late.one('here')) end)) end\n"
            "@say(try()) @sleep(0.001) @say(try())");
    tusk_step(h, 1000);
    check(h, tusk_def_async(h, "late.one", echo, NULL, NULL));
    run(h);
    tusk_close(h);
}

/* Several wait for one operator; each gets the answer that is its own, whatever the order. */
static tusk_op *waiting[4];

static void line_up(void *ud, tusk_op *op, const tusk_val *args, uint32_t n)
{
    (void)ud;
    if (n == 1 && args[0].type == TUSK_INT)
        waiting[args[0].u.i] = op;
    else
        tusk_op_free(op);
}

static void interleaved(void)
{
    static const int order[] = {2, 0, 3, 1};
    tusk_host *h = open_host();
    check(h, tusk_def_async(h, "ask", line_up, NULL, NULL));
    load(h, "for i = 0, 3 do @spawn(function() @say(i, @ask(i), (pcall(@ask))) end) end");
    tusk_step(h, 1000);
    for (int i = 0; i < 4; i++) {
        tusk_val v = tusk_int(order[i] * 10);
        tusk_op_done(waiting[order[i]], &v, 1);
        tusk_op_free(waiting[order[i]]);
        tusk_step(h, 1000);
    }
    tusk_close(h);
}

static tusk_rc half(void *ud, const tusk_val *args, uint32_t n, tusk_val *result)
{
    double d;
    (void)ud;
    if (n != 1 || !tusk_get_num(&args[0], &d)) {
        *result = tusk_str("one number is needed");
        return TUSK_E_ARG;
    }
    if (d < 0)
        return TUSK_E_DENIED;
    *result = tusk_num(d / 2);
    return TUSK_OK;
}

static void plain(void)
{
    tusk_host *h = open_host();
    check(h, tusk_def(h, "math2.half", half, NULL));
    load(h, "@say(@math2.half(3))\n"
            "local list = {3, 1, 2} table.sort(list, function(a, b) return @math2.half(a) < "
            "@math2.half(b) end)\n"
            "@say(table.concat(list, ' '))\n"
            "local ok, e = pcall(function() @math2.half('x') end) @say(e.kind, e.message, "
            "e.site.line)\n"
            "ok, e = pcall(@math2.half, -1) @say(e.kind, e.message)");
    run(h);
    tusk_close(h);
}

/* Where a task cannot be suspended an operator that may wait is refused before it begins. */
static void refused(void)
{
    tusk_host *h = open_host();
    struct world w = {0};
    check(h, tusk_def_async(h, "ask", keep, NULL, &w));
    load(h,
         "local ok, e = pcall(table.sort, {2, 1}, function(a, b) return @ask() end) @say(e.kind)");
    run(h);
    printf("%d calls\n", w.calls);
    tusk_close(h);
}

static void after_close(void)
{
    tusk_host *h = open_host();
    struct world w = {0}, quiet = {0};
    tusk_val v = tusk_int(1);
    check(h, tusk_def_async(h, "ask", keep, count_cancel, &w));
    check(h, tusk_def_async(h, "quiet", keep, NULL, &quiet));
    load(h, "@spawn(function() @quiet() end) @ask()");
    tusk_step(h, 1000);
    tusk_close(h);
    printf("%d cancel; %s, %s, %s\n", w.cancels, tusk_strerror(tusk_op_done(w.op, &v, 1)),
           tusk_strerror(tusk_op_fail(w.op, "x", "y")), tusk_op_name(w.op));
    printf("quiet: %s\n", tusk_strerror(tusk_op_done(quiet.op, &v, 1)));
    printf("cancelled: %d\n", tusk_op_cancelled(w.op));
    tusk_op_free(w.op);
    tusk_op_free(quiet.op);
}

/* Cancelled long ago, never answered: a close does not wait for it. */
static void never_answered(void)
{
    tusk_host *h = open_host();
    struct world w = {0};
    struct timespec from, to;
    check(h, tusk_def_async(h, "ask", keep, count_cancel, &w));
    load(h, "local t = @spawn(function() @ask() end) t:cancel()");
    tusk_step(h, 1000);
    clock_gettime(CLOCK_MONOTONIC, &from);
    tusk_close(h);
    clock_gettime(CLOCK_MONOTONIC, &to);
    printf("%d cancel, %s\n", w.cancels, to.tv_sec - from.tv_sec < 4 ? "closed" : "closed late");
    tusk_op_free(w.op);
}

static long resident(void)
{
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
    return 0; // they keep what is freed for a while, and look for leaks themselves
#endif
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%*d %ld", &pages) != 1)
        exit(1);
    fclose(f);
    return pages * 4;
}

/* A hundred thousand calls, half of them answered later. */
static void many(void)
{
    tusk_host *h = open_host();
    struct world w = {0};
    long before = 0;
    check(h, tusk_def_async(h, "ask", keep, NULL, &w));
    check(h, tusk_def_async(h, "echo", echo, NULL, NULL));
    load(h, "local n = 0 for i = 1, 50000 do n = n + @echo(1) + @ask({ x = i, list = { 1, 2 } }) "
            "end @say(n)");
    for (int i = 0; i < 50000; i++) {
        tusk_val v = tusk_int(1);
        for (int k = 0; w.calls == i && k < 1000; k++)
            tusk_step(h, 1000);
        tusk_op_done(w.op, &v, 1);
        tusk_op_free(w.op);
        if (i == 10000)
            before = resident();
    }
    run(h);
    printf("%s\n", resident() - before < 4096 ? "as much memory as before" : "more memory");
    tusk_close(h);
}

int main(int argc, char **argv)
{
    const struct {
        const char *name;
        void (*run)(void);
    } cases[] = {{"at_once", at_once},
                 {"later", later},
                 {"threads", threads},
                 {"two_hosts", two_hosts},
                 {"interleaved", interleaved},
                 {"race", race},
                 {"failed", failed},
                 {"names", names},
                 {"meanwhile", meanwhile},
                 {"plain", plain},
                 {"refused", refused},
                 {"after_close", after_close},
                 {"many", many},
                 {"never_answered", never_answered},
                 {"cancels_its_caller", cancels_its_caller},
                 {"done_after_cancel", done_after_cancel}};
    for (size_t i = 0; argc > 1 && i < sizeof cases / sizeof *cases; i++)
        if (!strcmp(cases[i].name, argv[1]))
            cases[i].run();
    if (argc > 1 && !strcmp(argv[1], "cancelled"))
        cancelled(end_when_cancelled);
    if (argc > 1 && !strcmp(argv[1], "cancelled_late"))
        cancelled(count_cancel);
    if (argc > 1 && !strcmp(argv[1], "dropped"))
        cancelled(NULL);
    return 0;
}

/* borrow.c: a host on the program's own uv_loop_t. */
#include <uv.h>

#include "kit.h"

static tusk_host *host;
static int calls, steps_late;

static void step_now(void *ud)
{
    (void)ud;
    calls++;
    tusk_step(host, 1000);
}

static void on_idle(uv_idle_t *idle)
{
    tusk_step(host, 1000);
    if (--steps_late == 0)
        uv_close((uv_handle_t *)idle, NULL);
}

static uv_idle_t idle;

/* The program steps some turns later. */
static void step_later(void *ud)
{
    uv_loop_t *loop = ud;
    calls++;
    if (steps_late)
        return;
    steps_late = 3;
    uv_idle_init(loop, &idle);
    uv_idle_start(&idle, on_idle);
}

static void count(uv_handle_t *handle, void *n)
{
    (void)handle;
    ++*(int *)n;
}

static int handles(uv_loop_t *loop)
{
    int n = 0;
    uv_walk(loop, count, &n);
    return n;
}

static void on_timer(uv_timer_t *timer)
{
    must_load(host, "@log.info('from the program')");
    must_load(host, "@sleep(0.001) @log.info('woken')");
    uv_close((uv_handle_t *)timer, NULL);
}

static void open_on(uv_loop_t *loop, void (*ready)(void *))
{
    tusk_config c;
    tusk_limits l;
    configure(&c, &l);
    c.uv_loop = loop;
    c.on_ready = ready;
    c.ud = loop;
    calls = 0;
    host = must_open(&c);
}

static void incomplete(uv_loop_t *loop)
{
    tusk_config c;
    tusk_config_init(&c);
    c.uv_loop = loop;
    SAY("a loop without on_ready is refused", tusk_open(&c, &host) == TUSK_E_ARG);
}

static void use(uv_loop_t *loop, void (*ready)(void *))
{
    open_on(loop, ready);
    must_load(host, "for i = 1, 3 do @sleep(0.001) @yield() end\n"
                    "assert(@process.run({ 'echo', 'x' }).stdout == 'x\\n') @log.info('all')");
    SAY("the program does not run it", tusk_run(host) == TUSK_E_STATE);
    uv_run(loop, UV_RUN_DEFAULT);
    SAY("its loop ends when the tasks have", strstr(told.log, "all") != NULL && !told.failed);
    SAY("it was told", calls > 0 && calls < 1000);
    uv_timer_t timer;
    uv_timer_init(loop, &timer);
    uv_timer_start(&timer, on_timer, 1, 0);
    uv_run(loop, UV_RUN_DEFAULT);
    SAY("what the program's callbacks begin ends too", strstr(told.log, "woken") != NULL);
    must_load(host, "@sleep('1h')");
    tusk_close(host);
    uv_run(loop, UV_RUN_DEFAULT);
    SAY("nothing of it is left", handles(loop) == 0 && !uv_loop_alive(loop));
}

int main(void)
{
    uv_loop_t loop;
    uv_loop_init(&loop);
    incomplete(&loop);
    use(&loop, step_now);
    use(&loop, step_later);
    SAY("the loop is the program's", uv_loop_close(&loop) == 0);
    return 0;
}

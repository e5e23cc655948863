/* misuse.c: what a program gets wrong: nothing to work on, another thread, structs that nobody has
 * filled in, a host that is closed or loaded into from its callbacks. */
#include <pthread.h>
#include <uv.h>

#include "kit.h"

static void without_handles(void)
{
    tusk_wakeup(NULL);
    tusk_stop(NULL);
    tusk_interrupt(NULL);
    tusk_dump(NULL);
    tusk_op_retain(NULL);
    tusk_op_free(NULL);
    tusk_future_cancel(NULL);
    tusk_future_free(NULL);
    SAY("no host", tusk_wait_fd(NULL) == -1 && tusk_wait_ms(NULL) == -1 &&
                       !tusk_unstable_lua(NULL) && !tusk_gc_idle(NULL, 1000));
    SAY("no call", !tusk_op_name(NULL) && !tusk_op_plugin(NULL) && tusk_op_cancelled(NULL) &&
                       tusk_op_deadline_ns(NULL) == UINT64_MAX &&
                       tusk_op_done(NULL, NULL, 0) == TUSK_E_ARG &&
                       tusk_op_fail(NULL, "x", NULL) == TUSK_E_ARG);
    SAY("no future", tusk_future_poll(NULL) == TUSK_E_ARG && !tusk_future_failure(NULL));
}

static void not_filled_in(void)
{
    tusk_config c;
    tusk_limits l;
    tusk_stats s[2]; // what is behind the first must stay as it is
    tusk_host *h = NULL;
    memset(&c, 0, sizeof c);
    SAY("a config of zeros", tusk_open(&c, &h) == TUSK_E_ABI && !h);
    SAY("the code says so", strstr(tusk_strerror(TUSK_E_ABI), "not initialized") != NULL);
    tusk_config_init(&c);
    memset(&l, 0, sizeof l);
    l.struct_size = 0xfefefefe;
    c.limits = &l;
    SAY("limits of any size", tusk_open(&c, &h) == TUSK_E_ABI && !h);
    h = must_open(NULL);
    memset(s, 0xfe, sizeof s);
    SAY("figures of any size",
        tusk_get_stats(h, NULL, s) == TUSK_E_ABI && s[1].tasks == 0xfefefefe);
    tusk_close(h);
}

static tusk_host *host;
static tusk_future *future;

static void *elsewhere(void *unused)
{
    (void)unused;
    SAY("another thread sees nothing",
        tusk_wait_fd(host) == -1 && tusk_wait_ms(host) == -1 && !tusk_unstable_lua(host));
    tusk_future_free(future); // any thread may let go
    return NULL;
}

static void from_another_thread(void)
{
    pthread_t thread;
    host = must_open(NULL);
    must_load(host, "function later() @sleep('1ms') return 'late' end");
    tusk_call(host, NULL, "later", NULL, 0, 0, NULL, NULL, &future);
    pthread_create(&thread, NULL, elsewhere, NULL);
    int ended = step_until(host, TUSK_STEP_IDLE, 1000); // meanwhile
    pthread_join(thread, NULL);
    SAY("who lets go of a future from there does not end it", ended);
    tusk_close(host);
}

/* ---- callbacks ---- */

static tusk_rc closed;
static int rung;

static void close_it(void *unused)
{
    (void)unused;
    rung++;
    closed = tusk_close(host);
    tusk_step(host, 1000);
}

static void close_when_ready(void)
{
    uv_loop_t loop;
    tusk_config c;
    uv_loop_init(&loop);
    tusk_config_init(&c);
    c.uv_loop = &loop;
    c.on_ready = close_it;
    host = must_open(&c);
    must_load(host, "for i = 1, 3 do @yield() end @sleep('1ms')");
    for (int i = 0; i < 100 && uv_run(&loop, UV_RUN_ONCE); i++)
        ;
    SAY("on_ready cannot close the host", rung > 0 && closed == TUSK_E_STATE);
    SAY("which closes later", tusk_close(host) == TUSK_OK);
    uv_run(&loop, UV_RUN_DEFAULT);
    SAY("and leaves the loop", uv_loop_close(&loop) == 0);
}

static int in_callback, seen_in_callback;

static tusk_rc look(void *ud, const tusk_val *args, uint32_t n, tusk_val *result)
{
    (void)ud, (void)args, (void)n, (void)result;
    seen_in_callback += in_callback;
    rung++;
    return TUSK_OK;
}

static void load_it(void *ud, tusk_future *f)
{
    (void)ud, (void)f;
    in_callback = 1;
    must_load(host, "@look()");
    in_callback = 0;
}

static void load_when_done(void)
{
    host = must_open(NULL);
    rung = 0;
    tusk_def(host, "look", look, NULL);
    must_load(host, "function nothing() end");
    tusk_call(host, NULL, "nothing", NULL, 0, 0, load_it, NULL, NULL);
    step_until(host, TUSK_STEP_IDLE, 100);
    SAY("what a callback loads begins after it", rung == 1 && !seen_in_callback);
    tusk_close(host);
}

static void the_place(void)
{
    tusk_host *h = must_open(NULL);
    load(h, "\n@sleep('soon')");
    SAY("an operator's failure has its place", !strncmp(tusk_errmsg(h), "test:2: @sleep: ", 16));
    load(h, "error('oh')");
    SAY("so has any other", !strcmp(tusk_errmsg(h), "test:1: oh"));
    load(h, "error({ message = 'mine', site = {} })");
    SAY("what only looks like one is taken as it is", strstr(tusk_errmsg(h), "mine") != NULL);
    tusk_close(h);
}

int main(void)
{
    without_handles();
    not_filled_in();
    from_another_thread();
    close_when_ready();
    load_when_done();
    the_place();
    return 0;
}

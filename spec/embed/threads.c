/* threads.c: hosts on threads: side by side, handed over, asked from outside. */
#include <pthread.h>
#include <stdatomic.h>

#include "kit.h"

static const char work[] =
    "local total = 0\n"
    "@map({ 1, 2, 3, 4, 5, 6, 7, 8 }, function(n) @sleep(0.001) total = total + n end)\n"
    "local db = @db.open(':memory:') db.exec('create table t (a)') db.exec('insert into t values "
    "(?)', total)\n"
    "assert(db.one('select a from t').a == 36)\n"
    "assert(@process.run({ 'cat' }, { stdin = 'x' }).stdout == 'x')\n"
    "assert(@hash.sha256(('x'):rep(1e6)) ~= '')\n"
    "@log.info('done')\n";

static void count_line(void *ud, tusk_level level, const char *plugin, const char *line, size_t n)
{
    (void)level, (void)plugin, (void)n;
    *(int *)ud += strstr(line, "done") != NULL;
}

static tusk_host *open_counting(int *done)
{
    tusk_config c;
    tusk_config_init(&c);
    c.ud = done;
    c.log = count_line;
    return must_open(&c);
}

static void *run_one(void *done)
{
    for (int i = 0; i < 3; i++) {
        tusk_host *h = open_counting(done);
        must_load(h, work);
        step_until(h, TUSK_STEP_IDLE, 100000);
        tusk_close(h);
    }
    return NULL;
}

static void side_by_side(void)
{
    pthread_t threads[2];
    int done[2] = {0};
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, run_one, &done[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    SAY("two threads with a host each", done[0] == 3 && done[1] == 3);
}

static void *take_over(void *host)
{
    int wrong = tusk_step(host, 1000) != TUSK_STEP_ERROR ||
                tusk_load_dir(host, "x") != TUSK_E_THREAD ||
                tusk_unload(host, "x") != TUSK_E_THREAD || tusk_gc_idle(host, 1) != 0 ||
                tusk_shutdown(host, 1) != TUSK_E_THREAD;
    tusk_adopt(host);
    return step_until(host, TUSK_STEP_IDLE, 100000) && !wrong ? host : NULL;
}

static void handed_over(void)
{
    pthread_t thread;
    int done = 0;
    void *ok;
    tusk_host *h = open_counting(&done);
    must_load(h, work);
    tusk_step(h, 1000);
    pthread_create(&thread, NULL, take_over, h);
    pthread_join(thread, &ok);
    SAY("one that is handed over in the middle", ok && done == 1);
    SAY("is no longer the first one's", tusk_close(h) == TUSK_E_THREAD);
    tusk_adopt(h);
    tusk_close(h);
}

static atomic_int quiet;

static void *ask(void *host)
{
    for (int i = 0; i < 200; i++) {
        tusk_wakeup(host);
        tusk_dump(host);
    }
    tusk_stop(host);
    atomic_store(&quiet, 1);
    return NULL;
}

static void asked(void)
{
    pthread_t threads[4];
    int done = 0;
    tusk_host *h = open_counting(&done);
    must_load(h, "while true do @sleep(0.001) end");
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, ask, h);
    SAY("asked to stop from four threads at once", tusk_run(h) == TUSK_OK);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    SAY("by all of them", atomic_load(&quiet));
    tusk_close(h);
}

int main(void)
{
    side_by_side();
    handed_over();
    asked();
    return 0;
}

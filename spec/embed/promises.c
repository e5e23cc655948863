/* promises.c: what a host does to its process: nothing. */
#include <dirent.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "kit.h"

#define SIGNALS 64

/* All that a library could change. */
struct process {
    struct sigaction actions[SIGNALS + 1];
    sigset_t mask;
    char folder[4096], locale[256];
    int descriptors;
};

static int count_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    int n = 0;
    while (readdir(folder))
        n++;
    closedir(folder);
    return n;
}

static void look(struct process *p)
{
    memset(p, 0, sizeof *p);
    for (int i = 1; i <= SIGNALS; i++)
        sigaction(i, NULL, &p->actions[i]);
    pthread_sigmask(SIG_SETMASK, NULL, &p->mask);
    if (!getcwd(p->folder, sizeof p->folder))
        exit(1);
    snprintf(p->locale, sizeof p->locale, "%s", setlocale(LC_ALL, NULL));
    p->descriptors = count_descriptors();
}

static int same_actions(const struct process *a, const struct process *b)
{
    for (int i = 1; i <= SIGNALS; i++)
        if (a->actions[i].sa_handler != b->actions[i].sa_handler ||
            a->actions[i].sa_flags != b->actions[i].sa_flags)
            return 0;
    return 1;
}

static int same_mask(const struct process *a, const struct process *b)
{
    for (int i = 1; i <= SIGNALS; i++)
        if (sigismember(&a->mask, i) != sigismember(&b->mask, i))
            return 0;
    return 1;
}

static void compare(const char *when, const struct process *a, const struct process *b)
{
    printf("%s: dispositions %d, mask %d, folder %d, locale %d\n", when, same_actions(a, b),
           same_mask(a, b), !strcmp(a->folder, b->folder), !strcmp(a->locale, b->locale));
}

/* A bit of everything that has descriptors, threads, timers; and what fails. */
static const char busy[] =
    "@spawn(function() error('told of, if anybody wants to know') end)\n"
    "@log.error('and this')\n"
    "local db = @db.open('promises.db') db.exec('create table if not exists t (a)')\n"
    "@file.write('promises.txt', 'x') assert(@file.read('promises.txt') == 'x')\n"
    "assert(@process.run({ 'cat' }, { stdin = 'y' }).stdout == 'y')\n"
    "local ok = pcall(@http.get, 'http://127.0.0.1:1/')\n"
    "assert(not ok and #@random.bytes(8) == 8)\n"
    "@hash.sha256('x')\n"
    "local server = require('luv').new_tcp() server:bind('127.0.0.1', 0) server:listen(1, "
    "function() end)\n"
    "@spawn(function() @sleep('1h') end)\n"
    "finished = true\n";

static volatile sig_atomic_t rung;

static void on_pipe(int number)
{
    (void)number;
    rung++;
}

static int in_step;

static void look_at_mask(void *ud, tusk_level level, const char *plugin, const char *line, size_t n)
{
    sigset_t mask;
    (void)ud, (void)level, (void)plugin, (void)line, (void)n;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    in_step = sigismember(&mask, SIGPIPE) ? 1 : -1;
}

/* Writing to what nobody reads is an error for the script, nothing for the process. */
static void broken_pipe(void)
{
    struct sigaction mine = {.sa_handler = on_pipe};
    tusk_config c;
    sigset_t mask;
    sigaction(SIGPIPE, &mine, NULL);
    tusk_config_init(&c);
    c.log = look_at_mask;
    tusk_host *h = must_open(&c);
    must_load(h,
              "@yield() local uv = require 'luv' local r, w = uv.new_pipe(), uv.new_pipe()\n"
              "local fds = uv.pipe() r:open(fds.read) w:open(fds.write) r:close() @sleep(0.001)\n"
              "w:write('x') @sleep(0.001) @log.info('written')");
    step_until(h, TUSK_STEP_IDLE, 1000);
    tusk_close(h);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    printf("SIGPIPE: blocked in a step %d, outside %d, rung %d\n", in_step,
           sigismember(&mask, SIGPIPE), (int)rung);
    signal(SIGPIPE, SIG_DFL);
}

static void use(int how)
{
    tusk_host *h = must_open(NULL);
    must_load(h, busy);
    for (int i = 0; i < 2000 && tusk_step(h, 1000) != TUSK_STEP_DONE; i++) {
        struct pollfd fd = {.fd = tusk_wait_fd(h), .events = POLLIN};
        int ms = tusk_wait_ms(h);
        if (ms > 1000 && how == 1)
            tusk_shutdown(h, 100);
        else if (ms > 1000)
            break;
        else
            poll(&fd, 1, ms);
    }
    tusk_close(h);
}

int main(void)
{
    struct process before, after;
    use(0); // what libraries keep for good is there now
    look(&before);
    use(0);
    look(&after);
    compare("closed", &before, &after);
    use(1);
    look(&after);
    compare("shut down", &before, &after);
    printf("descriptors left: %d\n", after.descriptors - before.descriptors);
    broken_pipe();
    return 0;
}

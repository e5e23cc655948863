/* process_hosts.c: an embedder with two hosts on two threads, children and a SIGCHLD of its own. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <tusk.h>
#include <unistd.h>

static const char *const code = "local list = {} for i = 1, 40 do list[i] = tostring(i) end\n"
                                "@map(list, function(s)\n"
                                "  assert(@process.run({ 'cat' }, { stdin = s }).stdout == s)\n"
                                "end, { concurrency = 10 })\n"
                                "finished = true\n"
                                "@process.spawn { 'sleep', '1000' }\n";

static atomic_int seen; // any thread may be the one that is told

static void on_child(int number)
{
    (void)number;
    seen = 1;
}

static void *run(void *result)
{
    tusk_host *host;
    int *ok = result;
    if (tusk_open(NULL, &host) || tusk_load_source(host, "=hosts", code, strlen(code)))
        return NULL;
    *ok = tusk_run(host) == TUSK_OK;
    tusk_close(host);
    return NULL;
}

int main(void)
{
    struct sigaction mine = {.sa_handler = on_child, .sa_flags = SA_RESTART}, after;
    pthread_t threads[2];
    int ok[2] = {0}, status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(7);
    sigaction(SIGCHLD, &mine, NULL);
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, run, &ok[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    sigaction(SIGCHLD, NULL, &after);
    printf("both ran: %d %d\n", ok[0], ok[1]);
    printf("the handler is the embedder's: %d, called: %d\n", after.sa_handler == on_child,
           atomic_load(&seen));
    pid_t waited = waitpid(child, &status, 0);
    printf("so is its child: %d %d\n", waited == child, WEXITSTATUS(status));
    printf("there are no others: %d\n", waitpid(-1, &status, 0));
    return 0;
}

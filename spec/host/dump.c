/* dump.c: tusk_dump, asked for by another thread, comes through the embedder's log; once for each
 * time. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <tusk.h>

static const char code[] = "@spawn({ name = 'child' }, @(@sleep('1h')))\n@sleep('1h')";

static int lines;

static void log_line(void *ud, tusk_level level, const char *plugin, const char *line,
                     size_t length)
{
    (void)ud;
    (void)plugin;
    lines++;
    if (level == TUSK_LOG_INFO && memmem(line, length, "2 tasks\n", 8) &&
        memmem(line, length, "in @sleep at dump:2", 19) && memmem(line, length, "\"child\"", 7))
        puts("the tree");
}

static void *ask(void *host)
{
    tusk_dump(host);
    return NULL;
}

int main(void)
{
    tusk_config config;
    tusk_host *host;
    pthread_t thread;
    tusk_config_init(&config);
    config.log = log_line;
    if (tusk_open(&config, &host) || tusk_load_source(host, "=dump", code, strlen(code)))
        return 1;
    tusk_step(host, 1000);
    pthread_create(&thread, NULL, ask, host);
    pthread_join(thread, NULL);
    for (int i = 0; i < 3; i++)
        tusk_step(host, 1000);
    printf("told %d time\n", lines);
    tusk_close(host);
    return 0;
}

/*
 * tool.c: a program with a poll loop of its own: commands come in on standard input, each is a call
 * of a function in Lua, answers go out as they are ready.
 *
 *   tool [DIR]        DIR: a folder of plugins, one of which is `commands`
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tusk.h>
#include <unistd.h>

#define STEP_US 5000

struct tool {
    tusk_host *host;
    unsigned asked, open; /* commands: so far; without an answer */
    int ended;            /* standard input has */
    size_t length;
    char text[4096]; /* what was read and is no line yet */
};

struct job {
    struct tool *tool;
    unsigned number;
};

static void log_line(void *ud, tusk_level level, const char *plugin, const char *line,
                     size_t length)
{
    (void)ud, (void)level, (void)plugin;
    fprintf(stderr, "%.*s\n", (int)length, line);
}

/* ---- answers ---- */

static void print_answer(unsigned number, const tusk_future *f)
{
    uint32_t n = 0;
    const tusk_failure *failure = tusk_future_failure(f);
    const tusk_val *values = tusk_future_values(f, &n);
    if (failure)
        printf("%u! %s\n", number, failure->message);
    else if (n && values->type == TUSK_STR)
        printf("%u: %.*s\n", number, (int)values->u.s.len, values->u.s.p);
    else
        printf("%u: done\n", number);
    fflush(stdout);
}

static void on_done(void *ud, tusk_future *f)
{
    struct job *job = ud;
    print_answer(job->number, f);
    job->tool->open--;
    free(job);
}

/* ---- commands: a word, which names a function, and the rest of the line ---- */

static void start(struct tool *t, char *line)
{
    char function[80], *rest = strchr(line, ' ');
    if (rest)
        *rest++ = 0;
    struct job *job = malloc(sizeof *job);
    if (!*line || !job) {
        free(job);
        return;
    }
    *job = (struct job){t, ++t->asked};
    tusk_val argument = rest ? tusk_str(rest) : tusk_nil();
    snprintf(function, sizeof function, "commands.%.60s", line);
    tusk_rc rc = tusk_call(t->host, "commands", function, &argument, 1, 30000, on_done, job, NULL);
    if (!rc) {
        t->open++;
        return;
    }
    printf("%u! %s\n", job->number, tusk_errmsg(t->host));
    fflush(stdout);
    free(job);
}

static void start_lines(struct tool *t)
{
    char *line = t->text, *end;
    t->text[t->length] = 0;
    while ((end = strchr(line, '\n'))) {
        *end = 0;
        start(t, line);
        line = end + 1;
    }
    t->length -= (size_t)(line - t->text);
    memmove(t->text, line, t->length);
}

static void read_commands(struct tool *t)
{
    ssize_t n = read(STDIN_FILENO, t->text + t->length, sizeof t->text - 2 - t->length);
    t->ended = n <= 0;
    t->length += n > 0 ? (size_t)n : 0;
    if (t->ended || t->length == sizeof t->text - 2)
        t->text[t->length++] = '\n'; // the last line, or one that is too long
    start_lines(t);
}

/* ---- the loop ---- */

static void loop(struct tool *t)
{
    while (!t->ended || t->open) {
        tusk_step_state state = tusk_step(t->host, STEP_US);
        if (t->ended && !t->open)
            return;
        struct pollfd fds[] = {{tusk_wait_fd(t->host), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
        poll(fds, t->ended ? 1 : 2, state == TUSK_STEP_MORE ? 0 : tusk_wait_ms(t->host));
        if (!t->ended && fds[1].revents)
            read_commands(t);
    }
}

int main(int argc, char **argv)
{
    static struct tool tool;
    tusk_config config;
    tusk_config_init(&config);
    config.log = log_line;
    if (tusk_open(&config, &tool.host))
        return 1;
    tusk_rc rc = tusk_load_dir(tool.host, argc > 1 ? argv[1] : "examples/tool/commands");
    if (!rc)
        rc = tusk_run(tool.host); // until all is loaded, and only waits to be called
    if (rc)
        fprintf(stderr, "tool: %s\n", tusk_errmsg(tool.host));
    else
        loop(&tool);
    tusk_close(tool.host);
    return rc != TUSK_OK;
}

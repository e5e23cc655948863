/* kit.h: what the C programs of spec/embed have in common. */
#ifndef KIT_H
#define KIT_H 1

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tusk.h>

#define SAY(what, ok) printf("%s: %s\n", (what), (ok) ? "yes" : "NO")

/* What the host has told, newest last. */
static struct {
    char log[4096], failures[4096];
    tusk_failure last;
    char kind[64], plugin[64], message[512];
    int logged, failed;
} told;

__attribute__((unused)) static void on_log(void *ud, tusk_level level, const char *plugin,
                                           const char *line, size_t n)
{
    size_t used = strlen(told.log);
    (void)ud, (void)level;
    told.logged++;
    snprintf(told.log + used, sizeof told.log - used, "[%s] %.*s\n", plugin ? plugin : "", (int)n,
             line);
}

__attribute__((unused)) static void on_failure(void *ud, const tusk_failure *f)
{
    (void)ud;
    told.failed++;
    told.last = *f;
    snprintf(told.kind, sizeof told.kind, "%s", f->kind);
    snprintf(told.plugin, sizeof told.plugin, "%s", f->plugin ? f->plugin : "");
    snprintf(told.message, sizeof told.message, "%s", f->message);
}

__attribute__((unused)) static void configure(tusk_config *c, tusk_limits *l)
{
    memset(&told, 0, sizeof told);
    tusk_config_init(c);
    tusk_limits_init(l);
    c->log = on_log;
    c->error = on_failure;
    c->limits = l;
}

__attribute__((unused)) static tusk_host *must_open(const tusk_config *c)
{
    tusk_host *h = NULL;
    tusk_rc rc = tusk_open(c, &h);
    if (rc) {
        printf("not opened: %s\n", tusk_strerror(rc));
        exit(1);
    }
    return h;
}

__attribute__((unused)) static tusk_rc load(tusk_host *h, const char *code)
{
    return tusk_load_source(h, "test", code, strlen(code));
}

__attribute__((unused)) static void must_load(tusk_host *h, const char *code)
{
    if (load(h, code)) {
        printf("not loaded: %s\n", tusk_errmsg(h));
        exit(1);
    }
}

/* Steps until a state comes, at most so often -> whether it came. Waits as the host says. */
__attribute__((unused)) static int step_until(tusk_host *h, tusk_step_state state, int most)
{
    for (int i = 0; i < most; i++) {
        struct pollfd fd = {.fd = tusk_wait_fd(h), .events = POLLIN};
        if (tusk_step(h, 1000) == state)
            return 1;
        poll(&fd, 1, tusk_wait_ms(h));
    }
    return 0;
}

#endif

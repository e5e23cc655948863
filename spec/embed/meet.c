/* meet.c: how a program and the library meet: versions, sizes of structs, threads, callbacks. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <tusk.h>

static tusk_host *host;

/* A config of a later tusk.h, which has one field more. */
struct later {
    tusk_config config;
    uint64_t more;
};

static void versions(void)
{
    struct later c;
    tusk_host *h = NULL;
    printf("abi %u, version %s\n", tusk_abi(), tusk_version());
    tusk_config_init_sized(&c.config, sizeof c, TUSK_ABI + 1);
    printf("another abi: %d\n", tusk_open(&c.config, &h) == TUSK_E_ABI && !h);
    tusk_config_init_sized(&c.config, sizeof c, TUSK_ABI);
    printf("a later, larger struct: %d\n", tusk_open(&c.config, &h) == TUSK_OK);
    tusk_close(h);
    c.more = 1;
    printf("that asks for more: %d\n", tusk_open(&c.config, &h) == TUSK_E_ABI && !h);
    memset(&c, 0xff, sizeof c);
    tusk_config_init_sized(&c.config, offsetof(tusk_config, error), TUSK_ABI);
    printf("an older, smaller one: %d\n", tusk_open(&c.config, &h) == TUSK_OK);
    tusk_close(h);
    tusk_config_init_sized(&c.config, 4, TUSK_ABI);
    c.config.abi = TUSK_ABI;
    printf("none at all: %d\n", tusk_open(&c.config, &h) == TUSK_E_ABI && !h);
}

static void limits(void)
{
    tusk_config c;
    tusk_limits l = {0};
    tusk_host *h = NULL;
    tusk_config_init(&c);
    c.limits = &l;
    printf("limits without a size: %d\n", tusk_open(&c, &h) == TUSK_E_ABI && !h);
    tusk_limits_init(&l);
    printf("with one: %d\n", tusk_open(&c, &h) == TUSK_OK);
    tusk_close(h);
    c.flags = 1u << 31;
    printf("an unknown flag: %d\n", tusk_open(&c, &h) == TUSK_E_ARG && !h);
}

static void texts(void)
{
    int distinct = 1;
    for (int i = 0; i <= TUSK_E_NOTFOUND; i++)
        for (int j = 0; j < i; j++)
            distinct = distinct && strcmp(tusk_strerror((tusk_rc)i), tusk_strerror((tusk_rc)j));
    printf("each code has a text: %d, others have one too: %s\n", distinct,
           tusk_strerror((tusk_rc)999));
    printf("no host: %d %d %d\n", tusk_adopt(NULL) == TUSK_E_ARG, tusk_run(NULL) == TUSK_E_ARG,
           tusk_step(NULL, 1) == TUSK_STEP_ERROR);
    tusk_close(NULL);
}

static void *elsewhere(void *unused)
{
    (void)unused;
    printf("another thread: load %d, run %d, step %d, close %d, errmsg: %s\n",
           tusk_load_source(host, "x", "", 0) == TUSK_E_THREAD, tusk_run(host) == TUSK_E_THREAD,
           tusk_step(host, 1) == TUSK_STEP_ERROR, tusk_close(host) == TUSK_E_THREAD,
           tusk_errmsg(host));
    tusk_wakeup(host); // any thread may
    printf("once it has adopted the host: %d", tusk_adopt(host) == TUSK_OK);
    printf(" %d\n", tusk_step(host, 1) == TUSK_STEP_WAITING);
    return NULL;
}

static void threads(void)
{
    static const char code[] = "@sleep('1h')";
    pthread_t thread;
    tusk_open(NULL, &host);
    tusk_load_source(host, "=meet", code, strlen(code));
    pthread_create(&thread, NULL, elsewhere, NULL);
    pthread_join(thread, NULL);
    printf("the first one now: %d %d\n", tusk_step(host, 1) == TUSK_STEP_ERROR,
           tusk_close(host) == TUSK_E_THREAD);
    tusk_adopt(host);
    printf("and again: %d\n", tusk_close(host) == TUSK_OK);
}

static void from_log(void *ud, tusk_level level, const char *plugin, const char *line, size_t n)
{
    (void)ud, (void)level, (void)plugin, (void)line, (void)n;
    printf("in a callback: step %d, run %d, close %d, adopt %d: %s\n",
           tusk_step(host, 1) == TUSK_STEP_ERROR, tusk_run(host) == TUSK_E_STATE,
           tusk_close(host) == TUSK_E_STATE, tusk_adopt(host) == TUSK_E_STATE, tusk_errmsg(host));
}

static void callbacks(void)
{
    static const char code[] = "@yield() @log.info 'here'";
    tusk_config c;
    tusk_config_init(&c);
    c.log = from_log;
    tusk_open(&c, &host);
    tusk_load_source(host, "=meet", code, strlen(code));
    tusk_run(host);
    tusk_close(host);
}

int main(void)
{
    versions();
    limits();
    texts();
    threads();
    callbacks();
    return 0;
}

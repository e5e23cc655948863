/* short.c: every n-th allocation of the host fails while operators are defined, functions called,
 * events told: the call says so, or its future; then the host goes on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tusk.h>

static size_t calls, fail_at;

static void *allocate(void *ud, void *p, size_t old, size_t size)
{
    (void)ud;
    if (size > old && fail_at && ++calls == fail_at)
        return NULL;
    if (size)
        return realloc(p, size);
    free(p);
    return NULL;
}

static tusk_op *kept[64];
static int keeps;

static void keep(void *ud, tusk_op *op, const tusk_val *args, uint32_t n)
{
    (void)ud, (void)args, (void)n;
    kept[keeps++] = op;
}

static tusk_rc echo(void *ud, const tusk_val *args, uint32_t n, tusk_val *result)
{
    static char text[100];
    (void)ud;
    if (n != 1 || args->type != TUSK_STR || args->u.s.len >= sizeof text)
        return TUSK_E_ARG;
    memcpy(text, args->u.s.p, args->u.s.len);
    *result = tusk_bytes(text, args->u.s.len);
    return TUSK_OK;
}

static const char code[] = "function run(t) return @c.echo(t[1]), { t.name, { @c.keep(t) } } end\n"
                           "@on('event', function(t) got = (got or 0) + #t end)";

static int counts[3]; /* done, failed for want of memory, in another way */
static tusk_rc wrong;

static void count(tusk_rc rc)
{
    counts[rc == TUSK_OK ? 0 : rc == TUSK_E_NOMEM ? 1 : 2]++;
    if (rc != TUSK_OK && rc != TUSK_E_NOMEM)
        wrong = rc;
}

static void answer_all(void)
{
    tusk_val one = tusk_int(1), list = tusk_list(&one, 1);
    while (keeps) {
        tusk_op *op = kept[--keeps];
        count(tusk_op_done(op, &list, 1));
        tusk_op_free(op);
    }
}

/* The calls of one round; with nothing refused all of them must do. */
static void work(tusk_host *h)
{
    tusk_val pairs[] = {tusk_int(1), tusk_str("text"), tusk_str("name"), tusk_str("n")};
    tusk_val map = tusk_map(pairs, 2);
    tusk_future *f = NULL;
    count(tusk_emit(h, "event", &map, 1));
    tusk_rc rc = tusk_call(h, NULL, "run", &map, 1, 60000, NULL, NULL, &f);
    for (int i = 0; i < 100 && !rc && tusk_future_poll(f) == TUSK_E_STATE; i++) {
        tusk_step(h, 1000000);
        answer_all();
    }
    count(rc ? rc : tusk_future_poll(f));
    tusk_future_free(f);
}

/* -> whether fewer allocations than n were made. */
static int attempt(size_t n)
{
    tusk_host *h;
    tusk_config config;
    tusk_config_init(&config);
    config.alloc = allocate;
    calls = fail_at = 0;
    if (tusk_open(&config, &h) || tusk_load_source(h, "script", code, sizeof code - 1))
        exit(1);
    fail_at = n;
    int defined = !tusk_def(h, "c.echo", echo, NULL);
    count(defined ? TUSK_OK : TUSK_E_NOMEM);
    int kept_defined = !tusk_def_async(h, "c.keep", keep, NULL, NULL);
    count(kept_defined ? TUSK_OK : TUSK_E_NOMEM);
    if (defined && kept_defined)
        work(h);
    int is_over = calls < n;
    fail_at = 0; // and now all goes well
    if ((!defined && tusk_def(h, "c.echo", echo, NULL)) ||
        (!kept_defined && tusk_def_async(h, "c.keep", keep, NULL, NULL))) {
        printf("%zu: not defined: %s\n", n, tusk_errmsg(h));
        exit(1);
    }
    int before = counts[0];
    work(h);
    answer_all();
    if (counts[0] != before + 3) {
        printf("%zu: it does not go on: %s\n", n, tusk_errmsg(h));
        exit(1);
    }
    tusk_close(h);
    return is_over;
}

int main(void)
{
    size_t n = 1;
    while (!attempt(n))
        n += n < 500 ? 1 : 7;
    printf("%s, failed %s, otherwise %d (%s)\n", n > 100 ? "many" : "few",
           counts[1] > 50 ? "often" : "seldom", counts[2], tusk_strerror(wrong));
    return 0;
}

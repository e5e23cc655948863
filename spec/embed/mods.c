/* mods.c DIR: an embedder whose Lua is plugins: called, told of events, unloaded; one of them in C.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tusk.h>

static void log_line(void *ud, tusk_level level, const char *plugin, const char *line,
                     size_t length)
{
    (void)ud, (void)level;
    if (strstr(line, "physics.so:"))
        line = strstr(line, "physics.so:"); // without a folder that has another name each time
    printf("log of %s: %.*s\n", plugin ? plugin : "nobody", (int)strcspn(line, "\n"), line);
    (void)length;
}

static void check(tusk_host *h, tusk_rc rc)
{
    if (!rc)
        return;
    printf("%s: %s\n", tusk_strerror(rc), tusk_errmsg(h));
    exit(1);
}

static void step(tusk_host *h, const tusk_future *f)
{
    struct timespec little = {0, 1000000};
    for (int i = 0; i < 20000 && (f ? tusk_future_poll(f) == TUSK_E_STATE : i < 5); i++) {
        tusk_step(h, 100000);
        if (tusk_wait_ms(h))
            nanosleep(&little, NULL);
    }
}

/* Steps until that function of the plugin can be called, or the plugin is not there any more. */
static void step_until(tusk_host *h, const char *plugin, const char *function, int is_there)
{
    for (int i = 0; i < 20000; i++) {
        tusk_future *f = NULL;
        tusk_rc rc = tusk_call(h, plugin, function, NULL, 0, 0, NULL, NULL, &f);
        tusk_future_cancel(f);
        tusk_future_free(f);
        if (is_there ? !rc : rc == TUSK_E_NOTFOUND)
            return;
        tusk_step(h, 100000);
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    printf("%s: it takes too long\n", plugin);
}

static void call(tusk_host *h, const char *plugin, const char *function)
{
    tusk_future *f;
    uint32_t n;
    tusk_val seven = tusk_int(7);
    tusk_rc rc = tusk_call(h, plugin, function, &seven, 1, 0, NULL, NULL, &f);
    printf("%s %s: ", plugin, function);
    if (rc) {
        printf("%s, %s\n", tusk_strerror(rc), tusk_errmsg(h));
        return;
    }
    step(h, f);
    const tusk_val *v = tusk_future_values(f, &n);
    const tusk_failure *e = tusk_future_failure(f);
    if (e)
        printf("%s, %s, by %s\n", tusk_strerror(e->rc), e->kind, e->plugin);
    else
        printf("%.*s\n", n ? (int)v->u.s.len : 0, n ? v->u.s.p : "");
    tusk_future_free(f);
}

static void who(void *ud, tusk_op *op, const tusk_val *args, uint32_t n)
{
    (void)ud, (void)args, (void)n;
    tusk_val v = tusk_str(tusk_op_plugin(op) ? tusk_op_plugin(op) : "nobody");
    tusk_op_done(op, &v, 1);
    tusk_op_free(op);
}

static int said; /* lines */

/* Steps until that many lines more have been said. */
static void step_for(tusk_host *h, int lines)
{
    for (int i = 0, until = said + lines; i < 20000 && said < until; i++) {
        tusk_step(h, 100000);
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
}

static tusk_rc say(void *ud, const tusk_val *args, uint32_t n, tusk_val *result)
{
    (void)ud, (void)result;
    for (uint32_t i = 0; i < n; i++)
        if (args[i].type == TUSK_STR)
            printf("%s%.*s", i ? " " : "", (int)args[i].u.s.len, args[i].u.s.p);
        else
            printf("%s%g", i ? " " : "", (double)args[i].u.i);
    printf("\n");
    said++;
    return TUSK_OK;
}

static void calls(tusk_host *h)
{
    call(h, "users", "users.find");
    call(h, "users", "find");
    call(h, "users", "asks");
    call(h, "users", "broken");
    call(h, "users", "both");
    call(h, "users", "groups.both");
    call(h, "users", "fnd");
    call(h, "users", "users.fnd");
    call(h, "user", "find");
    call(h, "late", "late");
}

static void events(tusk_host *h, int handlers)
{
    tusk_val args[] = {tusk_str("door"), tusk_int(3)};
    check(h, tusk_emit(h, "opened", args, 2));
    printf("told\n");
    step_for(h, handlers);
}

static void unloading(tusk_host *h)
{
    tusk_future *f;
    check(h, tusk_call(h, "users", "users.wait", NULL, 0, 0, NULL, NULL, &f));
    step(h, NULL);
    check(h, tusk_unload(h, "users"));
    step(h, f);
    step_until(h, "users", "find", 0);
    printf("waiting: %s\n", tusk_strerror(tusk_future_poll(f)));
    tusk_future_free(f);
    call(h, "users", "find");
    events(h, 2);
}

static void in_c(tusk_host *h, const char *dir)
{
    char path[500];
    const char *code = "local own = require('tusk').physics\n"
                       "held = { own.fall, own.who, own.settle }\n"
                       "@say(@physics.fall(2) * 16) @say(@physics.who()) @physics.settle()";
    const char *late = "for _, fn in ipairs(held) do @say(select(2, pcall(fn, 1)).kind) end";
    snprintf(path, sizeof path, "%s/native/physics.so", dir);
    check(h, tusk_load_plugin(h, "physics", path));
    step_until(h, "physics", "fall", 1);
    call(h, "physics", "who");
    check(h, tusk_load_source(h, "fan", code, strlen(code)));
    step_for(h, 1); // the first is said at once, the second when a thread has answered
    check(h, tusk_unload(h, "physics"));
    step_until(h, "physics", "fall", 0);
    call(h, "physics", "who");
    check(h, tusk_load_source(h, "late", late, strlen(late)));
    check(h, tusk_load_plugin(h, "physics", path));
    step_until(h, "physics", "fall", 1);
    printf("in use: %s, %s\n", tusk_strerror(tusk_def_async(h, "physics.new", who, NULL, NULL)),
           tusk_errmsg(h));
    call(h, "physics", "who");
    check(h, tusk_unload(h, "physics"));
    step_until(h, "physics", "fall", 0);
    printf("free: %s\n", tusk_strerror(tusk_def_async(h, "physics.who", who, NULL, NULL)));
    printf("in use: %s\n", tusk_strerror(tusk_load_plugin(h, "physics", path)));
}

int main(int argc, char **argv)
{
    tusk_host *h;
    tusk_config config;
    char path[500];
    if (argc < 2)
        return 1;
    setvbuf(stdout, NULL, _IONBF, 0);
    tusk_config_init(&config);
    config.log = log_line;
    config.flags = getenv("TUSK_STRESS") ? TUSK_STRESS : 0;
    if (tusk_open(&config, &h))
        return 1;
    check(h, tusk_def_async(h, "who", who, NULL, NULL));
    check(h, tusk_def(h, "say", say, NULL));
    snprintf(path, sizeof path, "%s/mods", argv[1]);
    check(h, tusk_load_dir(h, path));
    step_until(h, "late", "late", 1);
    step_until(h, "users", "find", 1);
    calls(h);
    events(h, 3);
    unloading(h);
    in_c(h, argv[1]);
    tusk_shutdown(h, 1000);
    call(h, "late", "late");
    for (int i = 0; i < 2000 && tusk_step(h, 1000) != TUSK_STEP_DONE; i++)
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    call(h, "late", "late");
    tusk_close(h);
    return 0;
}

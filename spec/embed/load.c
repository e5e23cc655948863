/* load.c: sources, plugins and directories: loading, failing, unloading, the end. */
#include <sys/stat.h>
#include <unistd.h>

#include "kit.h"

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    fputs(text, f);
    fclose(f);
}

static int logged(tusk_host *h, const char *code, const char *text)
{
    memset(told.log, 0, sizeof told.log);
    must_load(h, code);
    return strstr(told.log, text) != NULL;
}

static int is_there(tusk_host *h, const char *name)
{
    tusk_stats s;
    tusk_stats_init(&s);
    return tusk_get_stats(h, name, &s) == TUSK_OK;
}

static tusk_host *open_host(void)
{
    tusk_config c;
    tusk_limits l;
    configure(&c, &l);
    return must_open(&c);
}

static int fails(tusk_host *h, tusk_rc got, tusk_rc rc, const char *text)
{
    int ok = got == rc && strstr(tusk_errmsg(h), text);
    if (!ok)
        printf("%d: %s\n", got, tusk_errmsg(h));
    return ok;
}

static void sources(void)
{
    tusk_host *h = open_host();
    SAY("syntax", fails(h, tusk_load_source(h, "a.lua", "x = = 1", 7), TUSK_E_SYNTAX, "a.lua:1"));
    SAY("bytecode", fails(h, load(h, "\33LJ"), TUSK_E_SYNTAX, "bytecode is refused"));
    SAY("an error at once is the call's", fails(h, load(h, "error('no')"), TUSK_E_LUA, "no"));
    SAY("and is told", told.failed == 1 && !strcmp(told.plugin, "test") &&
                           strstr(told.message, "test:1: no") && told.last.task_id);
    SAY("kinds have codes",
        fails(h, load(h, "@json.decode('{')"), TUSK_E_SYNTAX, "") &&
            fails(h, load(h, "error({ kind = 'file.not_found', message = 'nowhere' })"),
                  TUSK_E_NOTFOUND, "nowhere"));
    load(h, "error({ kind = 'http.reset', message = 'sent', sent = true })");
    SAY("that it may have been done is one", told.last.rc == TUSK_E_UNKNOWN_OUTCOME);
    SAY("an error later is told only",
        load(h, "@yield() error({ kind = 'x.timeout' })") == TUSK_OK &&
            step_until(h, TUSK_STEP_IDLE, 1000) && told.last.rc == TUSK_E_TIMEOUT);
    told.failed = 0;
    must_load(
        h,
        "@spawn(function() @yield() error('child') end) for i = 1, 5 do @yield() end ended = true");
    step_until(h, TUSK_STEP_IDLE, 1000);
    SAY("a child that fails is told of, its siblings go on",
        told.failed == 1 && logged(h, "@log.info(tostring(ended))", "\"true\""));
    SAY("whose line of the log it is", logged(h, "@log.info('here')", "[test] {"));
    must_load(h, "@sleep('1h')");
    must_load(h, "@sleep('1h')");
    SAY("two of one name", is_there(h, "test") && tusk_step(h, 1000) == TUSK_STEP_WAITING);
    SAY("unload ends both",
        !tusk_unload(h, "test") && step_until(h, TUSK_STEP_IDLE, 1000) && !is_there(h, "test"));
    SAY("again: not found", fails(h, tusk_unload(h, "test"), TUSK_E_NOTFOUND, "\"test\""));
    tusk_close(h);
}

static void plugins(void)
{
    tusk_host *h = open_host();
    mkdir("mods", 0777), mkdir("mods/door", 0777);
    put("mods/counter.lua",
        "local n = 0 return { name = 'counter', operators = { counter = { up = function() "
        "n = n + 1 return n end } }, teardown = function() torn = (torn or 0) + 1 end }");
    put("mods/door/init.lua",
        "package.path = 'mods/door/?.lua;' .. package.path\nlocal hinge = require 'hinge'\n"
        "return { name = 'door', requires = { '@counter' }, operators = { door = { state = "
        "function() return hinge end } },\n  setup = function(ctx) @spawn(function() @sleep('1h') "
        "end) end }");
    put("mods/door/hinge.lua", "return 'old'");
    put("mods/bad.lua", "return { name = 'bad', setup = function() error('broken') end }");
    put("mods/late.lua", "return { name = 'late', setup = function() @yield() error('late') end }");
    SAY("a plugin without what it requires",
        fails(h, tusk_load_plugin(h, "door", "mods/door"), TUSK_E_LUA, "requires @counter"));
    SAY("one that is not there",
        fails(h, tusk_load_plugin(h, "x", "mods/x.lua"), TUSK_E_NOTFOUND, "mods/x.lua"));
    SAY("another name than its own",
        fails(h, tusk_load_plugin(h, "x", "mods/counter.lua"), TUSK_E_ARG, "called \"counter\""));
    SAY("one by one", !tusk_load_plugin(h, "counter", "mods/counter.lua") &&
                          !tusk_load_plugin(h, "door", "mods/door"));
    step_until(h, TUSK_STEP_WAITING, 1000);
    tusk_stats stats;
    tusk_stats_init(&stats);
    SAY("figures of one",
        !tusk_get_stats(h, "door", &stats) && stats.tasks == 1 && stats.ready == 0 && !stats.ops);
    SAY("their operators",
        logged(h, "function state() return @door.state() end @log.info(@counter.up() .. state())",
               "1old"));
    SAY("twice",
        fails(h, tusk_load_plugin(h, "door", "mods/door"), TUSK_E_STATE, "loaded already"));
    told.failed = 0;
    SAY("a failing setup is a code, a text and told",
        fails(h, tusk_load_plugin(h, "bad", "mods/bad.lua"), TUSK_E_LUA, "broken") &&
            told.failed == 1 && !strcmp(told.plugin, "bad") && !is_there(h, "bad"));
    told.failed = 0;
    SAY("later: told", !tusk_load_plugin(h, "late", "mods/late.lua") &&
                           step_until(h, TUSK_STEP_WAITING, 1000) && told.failed == 1);
    SAY("what others need stays",
        fails(h, tusk_unload(h, "counter"), TUSK_E_STATE, "required by \"door\""));
    put("mods/door/hinge.lua", "return 'new'");
    SAY("unloaded and loaded again at once",
        !tusk_unload(h, "door") && !tusk_load_plugin(h, "door", "mods/door"));
    int fresh = 0;
    for (int i = 0; i < 500 && !fresh; i++) {
        tusk_step(h, 1000), usleep(1000);
        memset(told.log, 0, sizeof told.log);
        load(h, "@log.info(state())"); // fails while it is not there
        fresh = strstr(told.log, "new") != NULL;
    }
    SAY("it is new, where it was used before too", fresh);
    SAY("unloaded",
        !tusk_unload(h, "door") && step_until(h, TUSK_STEP_IDLE, 1000) && !is_there(h, "door"));
    told.failed = 0;
    load(h, "state()");
    for (int i = 0; i < 500 && !told.failed; i++)
        tusk_step(h, 1000), usleep(1000);
    SAY("nothing of it is left", told.failed == 1 && strstr(told.message, "@door"));
    SAY("a plugin that only stands by lets a run end",
        tusk_run(h) == TUSK_OK && is_there(h, "counter"));
    SAY("torn down", !tusk_unload(h, "counter") && step_until(h, TUSK_STEP_IDLE, 1000) &&
                         logged(h, "@log.info(torn)", "\"1\""));
    tusk_close(h);
}

static void directories(void)
{
    tusk_host *h = open_host();
    mkdir("app", 0777), mkdir("app/plugins", 0777), mkdir("app/lib", 0777);
    put("app/plugins/greet.lua",
        "return { name = 'greet', config = { word = { type = 'string' } }, setup = function(ctx, "
        "cfg) "
        "word = cfg.word end, operators = { greet = function() return word end } }");
    put("app/tusk.lua", "return { plugins = { greet = { word = 'hello' } } }");
    put("app/lib/more.lua", "return 'more'");
    put("app/main.lua", "@log.info(@greet() .. require 'more') @sleep('1h')");
    SAY("no such directory", fails(h, tusk_load_dir(h, "nowhere"), TUSK_E_NOTFOUND, "nowhere"));
    mkdir("empty", 0777);
    tusk_load_dir(h, "empty");
    SAY("an empty one", step_until(h, TUSK_STEP_IDLE, 1000) && strstr(told.message, "neither"));
    SAY("a script directory", !tusk_load_dir(h, "app"));
    for (int i = 0; i < 2000 && !strstr(told.log, "hellomore"); i++)
        tusk_step(h, 1000), usleep(1000);
    SAY("its main.lua has its plugins, configuration and modules",
        strstr(told.log, "[main] {") && strstr(told.log, "hellomore"));
    told.failed = 0;
    tusk_load_dir(h, "mods");
    for (int i = 0; i < 2000 && (!told.failed || is_there(h, "counter")); i++)
        tusk_step(h, 1000), usleep(1000);
    SAY("a folder of plugins fails as a whole", told.failed >= 1 && !is_there(h, "counter"));
    unlink("mods/bad.lua"), unlink("mods/late.lua");
    put("mods/door/init.lua", "return { name = 'door', requires = { '@counter' } }");
    tusk_load_dir(h, "mods");
    for (int i = 0; i < 2000 && !is_there(h, "door"); i++)
        tusk_step(h, 1000), usleep(1000);
    SAY("or stands", is_there(h, "counter") && is_there(h, "door"));
    tusk_close(h);
}

static void endings(void)
{
    tusk_host *h = open_host();
    put("stop.lua",
        "return { name = 'stop', on = { shutdown = function() @log.info('hook') end }, "
        "setup = function() @spawn(function() @scope(function(s) s:defer(function() @sleep(0.001) "
        "@log.info('cleaned') end) "
        "@sleep('1h') end) end) end, teardown = function() @log.info('torn down') end }");
    tusk_load_plugin(h, "stop", "stop.lua");
    must_load(h, "@sleep('1h')");
    SAY("a shutdown begins", tusk_shutdown(h, 1000) == TUSK_OK);
    SAY("once", tusk_shutdown(h, 1000) == TUSK_E_STATE);
    SAY("nothing is loaded any more", load(h, "x = 1") == TUSK_E_CLOSED);
    SAY("it ends", step_until(h, TUSK_STEP_DONE, 1000));
    const char *hook = strstr(told.log, "hook"), *clean = strstr(told.log, "cleaned"),
               *torn = strstr(told.log, "torn down");
    SAY("hook, tasks, teardown, in this order",
        hook && clean && torn && hook < clean && clean < torn);
    tusk_close(h);
    h = open_host();
    must_load(h, "@scope({ shield = true }, function() @sleep(0.02) end)");
    must_load(h, "pcall(@sleep, '1h') for i = 1, 5 do pcall(@sleep, 0.001) end");
    tusk_shutdown(h, 0);
    SAY("what is shielded is waited for", tusk_step(h, 1000) == TUSK_STEP_WAITING);
    tusk_close(h);
    h = open_host();
    tusk_load_plugin(h, "stop", "stop.lua");
    tusk_stop(h);
    SAY("a stop with plugins is a shutdown",
        step_until(h, TUSK_STEP_DONE, 1000) && strstr(told.log, "torn down"));
    tusk_close(h);
    h = open_host();
    must_load(h, "@sleep('1h')");
    tusk_stop(h);
    SAY("without, the end of sources", step_until(h, TUSK_STEP_IDLE, 1000));
    tusk_close(h);
}

static tusk_host *inner;

static void load_more(void *ud, tusk_level level, const char *plugin, const char *line, size_t n)
{
    (void)ud, (void)level, (void)plugin, (void)n;
    if (strstr(line, "load")) {
        SAY("a load inside a callback",
            tusk_load_source(inner, "inner", "@log.info('inside')", 19) == TUSK_OK);
    } else {
        SAY("begins in the next step", strstr(line, "inside") != NULL);
    }
}

static void nested(void)
{
    tusk_config c;
    tusk_limits l;
    configure(&c, &l);
    c.log = load_more;
    inner = must_open(&c);
    must_load(inner, "@log.info('load')");
    tusk_step(inner, 1000);
    tusk_close(inner);
}

int main(void)
{
    sources();
    plugins();
    directories();
    endings();
    nested();
    return 0;
}

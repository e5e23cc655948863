/* nth.c: every n-th allocation of opening, loading and stepping fails, for all n (or some): the
 * call says so or the task does, nothing is lost, and the host goes on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tusk.h>

static const char code[] = "local ch = @channel(2)\n"
                           "@scope(function(s)\n"
                           "  s:spawn(function()\n"
                           "    for i = 1, 20 do ch:send({ i = i, text = ('x'):rep(i * 10) }) end\n"
                           "    ch:close()\n"
                           "  end)\n"
                           "  for v in ch do assert(#v.text == v.i * 10) end\n"
                           "end)\n"
                           "local ok, e = pcall(error, { 'caught' })\n"
                           "assert(not ok)\n"
                           "@timeout('1s', function() @sleep(0.0001) end)\n"
                           "@map({ 1, 2, 3 }, function(n) @yield() return n * 2 end)\n"
                           "@scope(function(s)\n"
                           "  s:defer(function() done = true end)\n"
                           "  s:spawn(function() @sleep(0.0001) end)\n"
                           "end)\n";

static struct {
    size_t live, blocks, calls, fail_at, failed;
} memory;
static size_t counted; /* up to here calls may fail */
static int for_good;   /* the n-th and all after it, until the tasks have ended */

/* Each block knows its size. LuaJIT may think of less, after an allocation has failed. */
static void *allocate(void *ud, void *p, size_t old, size_t size)
{
    size_t *block = p ? (size_t *)p - 2 : NULL;
    (void)ud;
    if (block && (*block < old || (!memory.failed && *block != old)))
        abort();
    memory.calls += size > old;
    if (size > old && memory.fail_at && memory.calls >= memory.fail_at &&
        (for_good || memory.calls == memory.fail_at)) {
        memory.failed++;
        return NULL;
    }
    memory.live += size - (p ? *block : 0);
    memory.blocks += (size != 0) - (p != NULL);
    if (!size) {
        free(block);
        return NULL;
    }
    block = realloc(block, size + 2 * sizeof *block);
    *block = size;
    return block + 2;
}

static void drop(void *ud, tusk_level level, const char *plugin, const char *line, size_t n)
{
    (void)ud, (void)level, (void)plugin, (void)line, (void)n;
}

static void settle(tusk_host *h)
{
    for (int i = 0; i < 60 && tusk_step(h, 1000) != TUSK_STEP_IDLE; i++)
        ;
}

static void load(tusk_host *h, const char *text)
{
    tusk_load_source(h, "=nth", text, strlen(text));
}

static void write_plugin(void)
{
    FILE *f = fopen("counter.lua", "w");
    fputs("local n = 0\nreturn { name = 'counter', operators = { counter = function() n = n + 1 "
          "end },\n"
          "  setup = function(ctx) ctx.scope:defer(function() n = 0 end) @spawn(function() "
          "@yield() end) "
          "end }\n",
          f);
    fclose(f);
}

/* -> how far it came: 0 it was not opened, 1 not loaded, 2 it ran */
static int attempt(size_t fail_at)
{
    tusk_config c;
    tusk_host *h = NULL;
    int reached = 0;
    tusk_config_init(&c);
    c.alloc = allocate;
    c.log = drop;
    memset(&memory, 0, sizeof memory);
    memory.fail_at = fail_at;
    tusk_rc rc = tusk_open(&c, &h);
    if (!rc) {
        reached = 1 + !tusk_load_source(h, "=nth", code, strlen(code));
        settle(h);
        if (!tusk_load_plugin(h, "counter", "counter.lua"))
            load(h, "for i = 1, 3 do @counter() end");
        settle(h);
        tusk_unload(h, "counter");
        settle(h);
        counted = memory.calls;
        memory.fail_at = 0; // there is memory again
        rc = tusk_run(h);   // a task may have failed without any memory to say so
        if (!rc || (rc == TUSK_E_NOMEM && for_good))
            rc = tusk_load_source(h, "=after", "after = true", 12);
        if (rc || (rc = tusk_run(h))) {
            printf("after the %zuth: %s: %s\n", fail_at, tusk_strerror(rc), tusk_errmsg(h));
            exit(1);
        }
        tusk_close(h);
    } else if (rc != TUSK_E_NOMEM || h) {
        printf("the %zuth: %s\n", fail_at, tusk_strerror(rc));
        exit(1);
    }
    if (memory.live || memory.blocks) {
        printf("after the %zuth: %zu bytes in %zu blocks are left\n", fail_at, memory.live,
               memory.blocks);
        exit(1);
    }
    return reached;
}

static void all(const char *what, size_t rounds)
{
    size_t last, reached[3] = {0};
    attempt(0);
    last = counted;
    size_t stride = rounds && rounds < last ? last / rounds : 1;
    for (size_t n = 1; n <= last; n += n < 100 ? 1 : stride)
        reached[attempt(n)]++;
    printf("%s: not opened %s, ran %s\n", what, reached[0] ? "some" : "never",
           reached[2] ? "some" : "never");
}

/* nth [how many, spread over all that there are] */
int main(int argc, char **argv)
{
    size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
    write_plugin();
    all("one fails", rounds);
    for_good = 1;
    all("all from one on fail", rounds);
    return 0;
}

/* lua_op.c: an embedder whose operators are written against lua_State: tusk_lua.h. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tusk.h>
#include <tusk_lua.h>

/* @slow.upper(text): the text in capitals, made by a thread. The record is Lua's; what the thread
 * works on is its own, for the record goes with a dropped wait. */
struct job {
    struct upper *record; /* NULL: nobody waits any more */
    pthread_t thread;
    char text[32];
};

struct upper {
    struct tusk_wait wait;
    struct job *job;
};

static atomic_int cancels;
static int finishes;

static void *work(void *ud)
{
    struct job *job = ud;
    while (!strcmp(job->text, "late") && cancels < 2)
        sched_yield(); // until it is told of its cancellation
    for (char *c = job->text; *c; c++)
        *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c);
    tusk_post(&job->record->wait);
    return NULL;
}

static int upper_finish(lua_State *L, struct tusk_wait *w)
{
    struct job *job = ((struct upper *)w)->job;
    finishes++;
    pthread_join(job->thread, NULL);
    char text[32];
    memcpy(text, job->text, sizeof text);
    free(job);
    if (w->cancelled)
        return tusk_fail_cancelled(L, 0);
    if (!*text)
        return tusk_fail(L, "slow.empty", "there is nothing to make larger");
    lua_pushstring(L, text);
    return 1;
}

static void upper_cancel(struct tusk_wait *w)
{
    (void)w; // the thread is not hurried: it ends soon, and posts
    cancels++;
}

static int upper(lua_State *L)
{
    static const struct tusk_wait_ops ops = {upper_finish, upper_cancel};
    size_t n;
    const char *text = lua_tolstring(L, 1, &n); // validate
    if (!text || n >= sizeof((struct job *)0)->text)
        return tusk_fail(L, "argument", "text: a string of less than 32 bytes is needed");
    struct upper *u = tusk_wait_new(L, sizeof *u, &ops); // allocate
    u->job = calloc(1, sizeof *u->job);
    if (!u->job)
        return luaL_error(L, "not enough memory");
    u->job->record = u;
    memcpy(u->job->text, text, n);
    if (pthread_create(&u->job->thread, NULL, work, u->job)) { // start
        free(u->job);
        return luaL_error(L, "no thread");
    }
    return tusk_park(L, &u->wait);
}

/* @slow.now(text): an answer without waiting */
static int now(lua_State *L)
{
    tusk_checkpoint(L);
    lua_pushfstring(L, "%s, %s", luaL_checkstring(L, 1),
                    tusk_deadline(L) == UINT64_MAX ? "no hurry" : "in a hurry");
    return tusk_inline(L, 1);
}

/* @stop(n): waits until it is cancelled, which ends it at once */
static void stop_cancel(struct tusk_wait *w)
{
    cancels++;
    tusk_drop(w);
}

static int stop(lua_State *L)
{
    static const struct tusk_wait_ops ops = {NULL, stop_cancel};
    struct tusk_wait *w = tusk_wait_new(L, sizeof *w, &ops);
    return tusk_park(L, w);
}

/* @add(a, b): never waits */
static int add(lua_State *L)
{
    lua_pushnumber(L, luaL_checknumber(L, 1) + luaL_checknumber(L, 2));
    return 1;
}

static int define(lua_State *L)
{
    lua_pushcfunction(L, upper);
    tusk_lua_def(L, "slow.upper", 1);
    lua_pushcfunction(L, now);
    tusk_lua_def(L, "slow.now", 1);
    lua_pushcfunction(L, stop);
    tusk_lua_def(L, "stop", 1);
    lua_pushcfunction(L, add);
    tusk_lua_def(L, "add", 0);
    return 0;
}

static int define_twice(lua_State *L)
{
    lua_pushcfunction(L, add);
    tusk_lua_def(L, "slow.upper", 0);
    return 0;
}

int main(void)
{
    static const char code[] =
        "io.stdout:setvbuf('no')\n"
        "print(@slow.upper('abc'), @slow.now('text'), @add(1, 2))\n"
        "local a, b = @async(@slow.upper, 'one'), @async(@slow.upper, 'two')\n"
        "print(a:await(), b:await())\n"
        "print(@timeout('1h', @slow.now, 'soon'))\n"
        "local function fails(fn, ...)\n"
        "  local ok, e = pcall(fn, ...) print(ok, e.kind or e, e.message, e.site and e.site.line)\n"
        "end\n"
        "fails(function() @slow.upper('') end)\n"
        "fails(function() @slow.upper(nil) end)\n"
        "fails(function() @slow.uper('x') end)\n"
        "fails(table.sort, { 2, 1 }, function() return @slow.upper('x') end)\n"
        "for _, op in ipairs { @stop, function() @slow.upper('late') end } do\n"
        "  local t = @spawn(op) t:cancel() print(select(2, pcall(t.await, t)).kind)\n"
        "end\n";
    tusk_host *h;
    if (tusk_open(NULL, &h) || lua_cpcall(tusk_unstable_lua(h), define, NULL))
        return 1;
    lua_State *L = tusk_unstable_lua(h);
    printf("%d\n", lua_cpcall(L, define_twice, NULL));
    lua_getfield(L, -1, "message");
    printf("%s\n", lua_tostring(L, -1));
    lua_settop(L, 0);
    fflush(stdout);
    if (tusk_load_source(h, "=script", code, sizeof code - 1))
        return 1;
    tusk_run(h);
    tusk_close(h);
    printf("%d cancels, %d finished\n", (int)cancels, finishes);
    return 0;
}

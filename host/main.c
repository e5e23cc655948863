/* main.c: the program `tusk`, a small embedder of libtusk: arguments, signals, exit status. */
#include <fcntl.h>
#include <lauxlib.h>
#include <limits.h>
#include <lua.h>
#include <luajit.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>
#include <uv.h>

#include "cli.h"
#include "tusk.h"
#include "tusk_lua.h"

#define START "require('tusk.cli').main()"

static tusk_host *volatile host;       /* what a signal stops */
static volatile sig_atomic_t received; /* the first INT or TERM */
static volatile sig_atomic_t polls;    /* the loop does, rather than run Lua */
static volatile sig_atomic_t turned;   /* since the alarm last rang */
static volatile sig_atomic_t left;     /* how often it may ring before the end */
static sig_atomic_t patience;          /* the same for as long as tasks have to end, and a moment */
static pthread_t thread;               /* of the host */
static int status = EXIT_FAILURE;      /* until Lua has said what it is */

#define RINGS 20 /* a second */

static void set_alarm(void)
{
    static const struct itimerval often = {{0, 1000000 / RINGS}, {0, 1000000 / RINGS}};
    turned = 0;
    left = patience;
    if (left)
        setitimer(ITIMER_REAL, &often, NULL);
}

static void on_signal(int number)
{
    if (!pthread_equal(pthread_self(), thread)) {
        pthread_kill(thread, number);
        return;
    }
    if (received)
        _exit(128 + number);
    received = number;
    if (!host) // it is closed, or not open yet
        return;
    tusk_interrupt(host);
    set_alarm();
}

/*
 * A hook that was set while LuaJIT went over its own table of hooks may be lost: what computes is
 * told again. What was compiled into a loop that nothing interrupts ends with the process; what
 * waits has been left behind by then.
 */
static void on_alarm(int number)
{
    static const char text[] = "tusk: a task computes and does not end\n";
    if (!pthread_equal(pthread_self(), thread)) {
        pthread_kill(thread, number);
        return;
    }
    if (polls || turned || !host) {
        turned = 0;
        left = patience;
        return;
    }
    if (--left > 0) {
        tusk_interrupt(host);
        return;
    }
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
        _exit(EXIT_FAILURE);
    _exit(128 + received);
}

/* What every task is doing, on stderr. */
static void on_usr1(int number)
{
    (void)number;
    if (host)
        tusk_dump(host);
}

static void handle_signals(void)
{
    struct sigaction stop = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};
    struct sigaction look = {.sa_handler = on_usr1, .sa_flags = SA_RESTART};
    struct sigaction late = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    thread = pthread_self();
    sigaction(SIGALRM, &late, NULL);
    sigaction(SIGUSR1, &look, NULL);
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
}

static void log_line(void *ud, tusk_level level, const char *plugin, const char *line,
                     size_t length)
{
    (void)ud;
    (void)plugin;
    (void)level;
    cli_log_line(line, length);
}

/* What a script has printed into a pipe or a file is not held back while the script waits. */
static void before_poll(uv_prepare_t *prepare)
{
    (void)prepare;
    fflush(stdout);
    polls = turned = 1;
}

static void after_poll(uv_check_t *check)
{
    (void)check;
    polls = 0;
}

static void watch_loop(uv_loop_t *loop)
{
    static uv_prepare_t before; // closed with the loop
    static uv_check_t after;
    uv_prepare_init(loop, &before);
    uv_prepare_start(&before, before_poll);
    uv_unref((uv_handle_t *)&before);
    uv_check_init(loop, &after);
    uv_check_start(&after, after_poll);
    uv_unref((uv_handle_t *)&after);
}

/* ---- what the Lua half of the command line needs ---- */

/* exit(status): kept for the end of the run */
static int set_status(lua_State *L)
{
    status = (int)luaL_checkinteger(L, 1);
    return 0;
}

/* abandon(status): ends the process now, with tasks that would not stop left behind */
static int abandon(lua_State *L)
{
    int now = (int)luaL_checkinteger(L, 1);
    cli_log_close();
    fflush(stdout);
    _exit(received ? 128 + received : now);
}

/* patience(seconds): how long tasks have to end after the first INT or TERM */
static int set_patience(lua_State *L)
{
    double seconds = luaL_checknumber(L, 1) + 0.5;
    patience = seconds < 1e8 ? (sig_atomic_t)(seconds * RINGS) : INT_MAX;
    return 0;
}

static int plain(void)
{
    const char *term = getenv("TERM"), *no = getenv("NO_COLOR");
    return !isatty(STDERR_FILENO) || (no && *no) || (term && !strcmp(term, "dumb"));
}

static void push_call(lua_State *L, const struct cli_call *call)
{ // { command =, flags = { { name, value } … }, [0] …: operands }
    lua_newtable(L);
    lua_pushstring(L, call->command->name);
    lua_setfield(L, -2, "command");
    lua_newtable(L);
    for (int i = 0; i < call->flag_count; i++) {
        lua_newtable(L);
        lua_pushstring(L, call->flags[i].name);
        lua_setfield(L, -2, "name");
        if (call->flags[i].value)
            lua_pushstring(L, call->flags[i].value);
        else
            lua_pushboolean(L, 1);
        lua_setfield(L, -2, "value");
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "flags");
    for (int i = 0; i < call->operand_count; i++) {
        lua_pushstring(L, call->operands[i]);
        lua_rawseti(L, -2, i + 1);
    }
}

static int give_program(lua_State *L)
{
    const struct cli_call *call = lua_touserdata(L, 1);
    lua_settop(L, 0);
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "loaded");
    push_call(L, call);
    lua_pushcfunction(L, set_status);
    lua_setfield(L, -2, "exit");
    lua_pushcfunction(L, abandon);
    lua_setfield(L, -2, "abandon");
    lua_pushcfunction(L, set_patience);
    lua_setfield(L, -2, "patience");
    lua_pushboolean(L, !plain());
    lua_setfield(L, -2, "terminal");
    lua_pushboolean(L, isatty(STDIN_FILENO));
    lua_setfield(L, -2, "input_terminal");
    lua_setfield(L, -2, "tusk.program");
    return 0;
}

/* Its task is the host's own, no source of the user's. */
static int start_program(lua_State *L)
{
    give_program(L);
    lua_settop(L, 0);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "tusk.kernel");
    lua_call(L, 1, 1);
    lua_getfield(L, 1, "spawn_root");
    if (luaL_loadbuffer(L, START, sizeof START - 1, "=[tusk]"))
        return lua_error(L);
    lua_call(L, 1, 0);
    return 0;
}

static int run(const struct cli_call *call)
{
    tusk_config config;
    tusk_config_init(&config);
    config.log = log_line;
    if (getenv("TUSK_STRESS"))
        config.flags |= TUSK_STRESS;
    tusk_host *h;
    tusk_rc rc = tusk_open(&config, &h);
    if (rc) {
        fprintf(stderr, "tusk: cannot start: %s\n", tusk_strerror(rc));
        return 1;
    }
    host = h;
    handle_signals();
    atexit(cli_log_close); // a script may call os.exit
    watch_loop(tusk_loop(tusk_unstable_lua(h)));
    if (!strcmp(call->command->name, "run"))
        cli_ps_open(h);
    lua_State *L = tusk_unstable_lua(h);
    if (lua_cpcall(L, start_program, (void *)call)) {
        fprintf(stderr, "tusk: cannot start: %s\n", lua_tostring(L, -1));
        status = 1;
    }
    if (tusk_run(h) && !status)
        status = 1;
    host = NULL;
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    tusk_close(h);
    fflush(stdout);
    return received ? 128 + received : status;
}

static int version(void)
{
    printf("tusk %s (%s, libuv %s)\n", tusk_version(), LUAJIT_VERSION, uv_version_string());
    return 0;
}

/* A standard stream that is closed becomes /dev/null: no file or socket may get its number. */
static void keep_standard_streams(void)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO) {
        fcntl(fd, F_SETFD, 0);
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    }
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    struct cli_call call;
    keep_standard_streams();
    int rc = cli_parse(argc, argv, &call);
    if (rc)
        return rc;
    if (!strcmp(call.command->name, "help"))
        return cli_help(call.operands[0]);
    if (!strcmp(call.command->name, "version"))
        return version();
    if (!strcmp(call.command->name, "ps"))
        return cli_ps(call.operands[0]);
    return run(&call);
}

/* main.c: the program `tusk`, a small embedder of libtusk: arguments, signals, exit status. */
#include <fcntl.h>
#include <lauxlib.h>
#include <lua.h>
#include <luajit.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "cli.h"
#include "tusk.h"
#include "tusk_lua.h"

#define START "require('tusk.cli').main()"

static tusk_host *volatile host;       /* what a signal stops */
static volatile sig_atomic_t received; /* the first INT or TERM */
static int status;                     /* what Lua said the exit status is */

static void on_signal(int number)
{
    if (received)
        _exit(128 + number);
    received = number;
    if (host) // before it is closed
        tusk_shutdown(host);
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
    sigaction(SIGUSR1, &look, NULL);
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
}

static void log_line(void *ud, tusk_level level, const char *line, size_t length)
{
    (void)ud;
    (void)level;
    cli_log_line(line, length);
}

static void flush_stdout(uv_prepare_t *before_poll)
{
    (void)before_poll;
    fflush(stdout);
}

/* What a script has printed into a pipe or a file is not held back while the script waits. */
static void print_without_delay(void)
{
    static uv_prepare_t before_poll; // closed with the loop
    uv_prepare_init(tusk_loop(tusk_unstable_lua(host)), &before_poll);
    uv_prepare_start(&before_poll, flush_stdout);
    uv_unref((uv_handle_t *)&before_poll);
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
    lua_pushboolean(L, !plain());
    lua_setfield(L, -2, "terminal");
    lua_setfield(L, -2, "tusk.program");
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
    print_without_delay();
    if (!strcmp(call->command->name, "run"))
        cli_ps_open(h);
    if (lua_cpcall(tusk_unstable_lua(h), give_program, (void *)call) ||
        tusk_load_source(h, "=[tusk]", START, sizeof START - 1)) {
        fprintf(stderr, "tusk: cannot start: %s\n", tusk_errmsg(h));
        status = 1;
    }
    if (tusk_run(h) && !status)
        status = 1;
    host = NULL;
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

/*
 * cli_ps.c: `tusk ps PID`: the tree of tasks of a running program. The program listens on an
 * abstract socket (Linux: no file, gone with the process); each side looks at who the other one is.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "cli.h"
#include "tusk.h"
#include "tusk_lua.h"

#define PATIENCE 5 /* seconds for an answer: the program may compute */

/* "@tusk-PID" -> the length of the address */
static socklen_t name_of(pid_t pid, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(address->sun_path + 1, sizeof address->sun_path - 1, "tusk-%ld", (long)pid);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

static int peer_of(int fd, struct ucred *peer)
{
    socklen_t n = sizeof *peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &n);
}

/* ---- the program that is looked at ---- */

static int push_text(lua_State *L)
{
    lua_settop(L, 0);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "tusk.inspect");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "text");
    lua_call(L, 0, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, "tusk.ps");
    return 0;
}

/* The text is at most 64 KiB: it fits into the socket, and nobody waits for its reader. */
static void answer(int fd, lua_State *L)
{
    size_t n;
    if (lua_cpcall(L, push_text, NULL)) {
        lua_pop(L, 1);
        return;
    }
    lua_getfield(L, LUA_REGISTRYINDEX, "tusk.ps");
    const char *text = lua_tolstring(L, -1, &n);
    while (n) {
        ssize_t sent = send(fd, text, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent <= 0)
            break;
        text += sent;
        n -= (size_t)sent;
    }
    lua_pop(L, 1);
}

struct listening {
    uv_poll_t poll;
    struct tusk_hook at_turn; /* where the host's clock is right */
    struct tusk *host;
};

static void answer_one(struct tusk_hook *hook)
{
    struct listening *l = (struct listening *)((char *)hook - offsetof(struct listening, at_turn));
    struct ucred peer;
    int listener;
    if (uv_fileno((uv_handle_t *)&l->poll, &listener))
        return;
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    if (!peer_of(fd, &peer) && (peer.uid == geteuid() || peer.uid == 0))
        answer(fd, tusk_main_state(l->host));
    close(fd);
}

static void on_asked(uv_poll_t *poll, int status, int events)
{
    struct listening *l = (struct listening *)poll;
    (void)events;
    if (!status)
        tusk_before_poll(l->host, &l->at_turn);
}

void cli_ps_open(struct tusk *h)
{
    static struct listening l; // closed with the loop
    struct sockaddr_un address;
    socklen_t length = name_of(getpid(), &address);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    if (bind(fd, (struct sockaddr *)&address, length) || listen(fd, 8) ||
        uv_poll_init(tusk_loop(tusk_main_state(h)), &l.poll, fd)) {
        close(fd);
        return;
    }
    l.host = h;
    l.at_turn.run = answer_one;
    uv_poll_start(&l.poll, UV_READABLE, on_asked);
    uv_unref((uv_handle_t *)&l.poll);
}

/* ---- the one who looks ---- */

static int say(const char *pid, const char *what)
{
    fprintf(stderr, "tusk: process %s %s\n", pid, what);
    return 1;
}

/* -> a connected socket, or -1: nobody is there; -2: somebody else is */
static int reach(pid_t pid)
{
    struct sockaddr_un address;
    struct timeval patience = {.tv_sec = PATIENCE};
    struct ucred peer;
    socklen_t length = name_of(pid, &address);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    int rc = connect(fd, (struct sockaddr *)&address, length) ? -1 : fd;
    if (rc == fd && (peer_of(fd, &peer) || peer.pid != pid)) // the name is anybody's to take
        rc = -2;
    if (rc < 0)
        close(fd);
    return rc;
}

/* Copies what is said to stdout -> how many bytes, or -1 when it took too long. */
static long print_all(int fd)
{
    char buffer[4096];
    long total = 0;
    for (;;) {
        ssize_t n = recv(fd, buffer, sizeof buffer, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == ECONNRESET ? total : -1;
        if (n == 0)
            return total;
        fwrite(buffer, 1, (size_t)n, stdout);
        total += n;
    }
}

int cli_ps(const char *pid)
{
    char *end = NULL;
    long number = pid ? strtol(pid, &end, 10) : 0;
    if (number <= 0 || *end || number > 0x7fffffff) {
        fprintf(stderr, "tusk: ps needs the number of a process: tusk ps PID\n");
        return 2;
    }
    int fd = reach((pid_t)number);
    if (fd == -1)
        return say(pid, "cannot be asked: there is no `tusk run` of that number");
    if (fd == -2)
        return say(pid, "cannot be asked: another process has its name");
    long n = print_all(fd);
    close(fd);
    if (n < 0)
        return say(pid, "does not answer: it computes");
    if (n == 0)
        return say(pid, "does not answer: it belongs to another user");
    putchar('\n');
    return 0;
}

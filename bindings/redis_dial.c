/* redis_dial.c: from a name to a connected socket. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "redis.h"

#define KEEPALIVE 15 /* seconds */

static void dial_next(struct conn *c, int error);

/* A peer that has vanished is noticed, also by those who wait for ever. */
static void set_options(int fd)
{
    int on = 1, seconds = KEEPALIVE, times = 3;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof seconds);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &seconds, sizeof seconds);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof times);
}

/* 0: on its way, or a negative errno. */
static int dial_address(struct conn *c, const struct sockaddr *address, socklen_t length)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (address->sa_family != AF_UNIX)
        set_options(fd);
    int error = connect(fd, address, length) && errno != EINPROGRESS ? -errno : io_open(c, fd);
    if (error)
        close(fd);
    return error;
}

static void dial_unix(struct conn *c)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, c->path, sizeof address.sun_path - 1); // its length was checked
    int error = dial_address(c, (struct sockaddr *)&address, sizeof address);
    if (error)
        conn_break(c, FAULT_CONNECT, FAULT_CONNECT, strerror(-error));
    else
        io_watch(c);
}

/* An address that needs no look-up. */
static int dial_literal(struct conn *c)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    int error;
    if (!uv_ip4_addr(c->host, c->port, &v4))
        error = dial_address(c, (struct sockaddr *)&v4, sizeof v4);
    else if (!uv_ip6_addr(c->host, c->port, &v6))
        error = dial_address(c, (struct sockaddr *)&v6, sizeof v6);
    else
        return 0;
    if (error)
        conn_break(c, FAULT_CONNECT, FAULT_CONNECT, strerror(-error));
    else
        io_watch(c);
    return 1;
}

static void looked_up(uv_getaddrinfo_t *request, int status, struct addrinfo *addresses)
{
    struct conn *c = request->data;
    int current = c->lookup == request;
    free(request);
    if (!current) {
        uv_freeaddrinfo(addresses);
    } else {
        c->lookup = NULL;
        c->addresses = c->address = addresses;
        if (status)
            conn_break(c, FAULT_CONNECT, FAULT_CONNECT, uv_strerror(status));
        else
            dial_next(c, -EADDRNOTAVAIL);
    }
    conn_release(c);
}

static void dial_name(struct conn *c)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    char port[16];
    snprintf(port, sizeof port, "%d", c->port);
    uv_getaddrinfo_t *request = malloc(sizeof *request);
    int error = request ? uv_getaddrinfo(c->redis->loop, request, looked_up, c->host, port, &hints)
                        : UV_ENOMEM;
    if (error) {
        free(request);
        conn_break(c, FAULT_CONNECT, FAULT_CONNECT, uv_strerror(error));
        return;
    }
    request->data = c;
    c->lookup = request;
    c->refs++;
}

/* The next address of the name; error: what was wrong with the last one. */
static void dial_next(struct conn *c, int error)
{
    while (c->address) {
        struct addrinfo *a = c->address;
        c->address = a->ai_next;
        error = dial_address(c, a->ai_addr, a->ai_addrlen);
        if (!error) {
            io_watch(c);
            return;
        }
    }
    conn_break(c, FAULT_CONNECT, FAULT_CONNECT, strerror(-error));
}

void dial(struct conn *c)
{
    c->state = STATE_DIALING;
    c->answered = 0;
    c->greeting_sent = 0;
    c->due = uv_now(c->redis->loop) + c->connect_ms;
    conn_set_timer(c);
    if (c->path)
        dial_unix(c);
    else if (!dial_literal(c))
        dial_name(c);
}

void dial_end(struct conn *c)
{
    if (c->lookup)
        uv_cancel((uv_req_t *)c->lookup); // looked_up runs all the same
    c->lookup = NULL;
    if (c->addresses)
        uv_freeaddrinfo(c->addresses);
    c->addresses = c->address = NULL;
}

void dial_connected(struct conn *c)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size))
        error = errno;
    if (error) {
        io_close(c);
        dial_next(c, -error);
        return;
    }
    dial_end(c);
    c->reader = redisReaderCreateWithFunctions(&reply_functions);
    if (!c->reader) {
        conn_break(c, FAULT_CONNECT, FAULT_CONNECT, "not enough memory");
        return;
    }
    c->reader->privdata = c;
    c->state = STATE_GREETING;
    c->greeting_left = c->greeting_replies;
    if (!c->greeting_left)
        conn_ready(c);
    else
        io_flush(c);
    io_watch(c);
}

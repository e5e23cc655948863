/* curl_watch.c: which sockets the loop watches for libcurl. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/socket.h>

#include "curl_mail.h"

/*
 * libcurl stops watching a socket after every answer and starts again with the next request. Doing
 * as it says costs six calls of the kernel a request; so the watch of a connection that has served
 * stays as it is, uncounted, until an event comes that nobody wants or the socket is closed.
 *
 * libcurl closes a connection that was made by socket_close, but one that was not yet by itself,
 * and only then says that it needs no watch; by then another socket may have the number.
 */
struct watch { /* malloc'ed, freed when its handle is closed */
    uv_poll_t poll;
    struct http *http;
    struct mail *mail; /* who is told, instead of libcurl */
    curl_socket_t fd;
    int wanted; /* libuv's events that libcurl waits for, or 0 */
    int active; /* those the loop watches for */
};

static void watch_closed(uv_handle_t *handle)
{
    struct watch *w = handle->data;
    http_release(w->http);
    free(w);
}

static struct watch *watch_of(struct http *http, curl_socket_t fd)
{
    return fd < http->watch_size ? http->watches[fd] : NULL;
}

static void watch_end(struct watch *w)
{
    w->http->watches[w->fd] = NULL;
    uv_poll_stop(&w->poll); // now, not with the handle: the descriptor is closed next
    uv_close((uv_handle_t *)&w->poll, watch_closed);
}

void watch_end_all(struct http *http)
{
    for (int fd = 0; fd < http->watch_size; fd++)
        if (http->watches[fd])
            watch_end(http->watches[fd]);
    free(http->watches);
    http->watches = NULL;
    http->watch_size = 0;
}

static int make_room(struct http *http, curl_socket_t fd)
{
    if (fd < http->watch_size)
        return 0;
    int size = fd + 64;
    struct watch **watches = realloc(http->watches, (size_t)size * sizeof *watches);
    if (!watches)
        return -1;
    for (int i = http->watch_size; i < size; i++)
        watches[i] = NULL;
    http->watches = watches;
    http->watch_size = size;
    return 0;
}

/* 0, or a negative errno. */
static int watch_new(struct http *http, curl_socket_t fd)
{
    struct watch *w = make_room(http, fd) ? NULL : calloc(1, sizeof *w);
    if (!w)
        return -ENOMEM;
    int error = uv_poll_init_socket(http->loop, &w->poll, fd);
    if (error) {
        free(w);
        return error;
    }
    w->poll.data = w;
    w->http = http;
    w->fd = fd;
    http->handles++;
    http->watches[fd] = w;
    return 0;
}

static void socket_ready(uv_poll_t *poll, int status, int events);

/* 0, or a negative errno. */
static int watch_start(struct watch *w)
{
    if (w->active == w->wanted)
        return 0;
    w->active = 0;
    int error = uv_poll_start(&w->poll, w->wanted, socket_ready);
    if (!error)
        w->active = w->wanted;
    return error;
}

static void socket_ready(uv_poll_t *poll, int status, int events)
{
    struct watch *w = poll->data;
    int flags = (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
                (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0);
    if (status < 0) // libuv has stopped watching
        w->active = 0;
    if (!w->wanted) {
        uv_poll_stop(poll);
        w->active = 0;
        return;
    }
    if (w->mail) {
        mail_ready(w->mail, status);
        return;
    }
    // After an error there may still be bytes to read: libcurl looks for itself (flags 0).
    if (watch_start(w))
        flags = CURL_CSELECT_ERR;
    http_drive(w->http, w->fd, flags);
}

static struct request *request_of(CURL *easy)
{
    struct handle *h = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&h);
    return h ? h->request : NULL;
}

static int watch_want(struct watch *w, int what, int connected)
{
    if (!connected)
        w->active = 0; // perhaps of an older socket: register it again
    w->wanted = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    uv_ref((uv_handle_t *)&w->poll);
    return watch_start(w);
}

static void watch_rest(struct watch *w, int connected)
{
    if (!connected) {
        watch_end(w);
        return;
    }
    w->wanted = 0;
    uv_unref((uv_handle_t *)&w->poll);
}

int watch_set(CURL *easy, curl_socket_t fd, int what, void *ud, void *socket_ud)
{
    (void)socket_ud;
    struct http *http = ud;
    struct request *r = request_of(easy);
    struct watch *w = watch_of(http, fd);
    int connected = r && r->started && !r->connecting; // it may have started on another before
    if (what == CURL_POLL_REMOVE) {
        if (w)
            watch_rest(w, connected);
        return 0;
    }
    int error = w ? 0 : watch_new(http, fd);
    if (!error)
        error = watch_want(watch_of(http, fd), what, connected);
    if (error && r) { // returned, it would end every transfer of the multi
        r->unwatched = http->unwatched = 1;
        r->os_error = -error;
        http->again = 1;
    }
    return 0;
}

int watch_writes(struct http *http, curl_socket_t fd)
{
    struct watch *w = fd == CURL_SOCKET_BAD ? NULL : watch_of(http, fd);
    return w && (w->wanted & UV_WRITABLE);
}

int watch_mail(struct http *http, curl_socket_t fd, int events, struct mail *m)
{
    struct watch *w = watch_of(http, fd);
    if (!events) {
        if (w)
            watch_rest(w, 1);
        return 0;
    }
    int error = w ? 0 : watch_new(http, fd);
    if (error)
        return error;
    w = watch_of(http, fd);
    w->mail = m;
    w->wanted = events;
    uv_ref((uv_handle_t *)&w->poll);
    return watch_start(w);
}

/* ---- sockets ---- */

curl_socket_t socket_open(void *ud, curlsocktype purpose, struct curl_sockaddr *a)
{
    (void)purpose;
    struct handle *h = ud;
    struct request *r = h->request;
    h->special |= r->started; // tries again: see before_send
    int fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
    if (fd < 0) {
        r->os_error = errno;
        return CURL_SOCKET_BAD;
    }
    r->connecting = 1;
    struct watch *stale = watch_of(r->http, fd);
    if (stale)
        watch_end(stale);
    return fd;
}

int socket_close(void *ud, curl_socket_t fd)
{
    struct watch *w = watch_of(ud, fd);
    if (w)
        watch_end(w);
    return close(fd);
}

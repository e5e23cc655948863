/* curl_http.h: what the files of the curl binding share. */
#ifndef CURL_HTTP_H
#define CURL_HTTP_H 1

#include <curl/curl.h>

#include "tusk_lua.h"

#define HEAD_MAX  (64 * 1024) /* bytes of all header lines of one answer, interim ones included */
#define SPARE_MAX 64          /* easy handles kept for the next request */

#define BODY_AHEAD (64 * 1024) /* a streamed body is paused when so much waits for a reader */

#define REQUEST "tusk.curl.request" /* the metatable of requests */

struct reader;
struct request;
struct stall;
struct watch;

struct http { /* one per host, malloc'ed: lives until the last of its uv handles is closed */
    CURLM *multi;
    struct tusk *host;
    uv_loop_t *loop;
    uv_timer_t timer;
    struct tusk_hook at_close;
    struct tusk_hook kick;  /* drives libcurl before the loop polls, after requests were started */
    struct request *active; /* all that are not over: their transfer, or what it has left unread */
    struct watch **watches; /* by descriptor */
    int watch_size;
    CURL *spare[SPARE_MAX];
    int spares;
    int handles; /* uv handles not closed yet */
    int inside;  /* libcurl is running: nothing may be removed from the multi now */
    int again;   /* libcurl asked to be called again at once */
    int closing;
};

struct buffer {
    char *data;
    size_t length, size;
};

/*
 * One request. Its environment is the table it was made from, so the strings in it stay where they
 * are while libcurl reads them. Not streamed, it lives from park to wake, and the easy handle
 * leaves it before the wake. Streamed, it is woken at the end of the head; from then on it is what
 * Lua reads the body from, and the scope that it was made in owns it.
 */
struct request {
    struct tusk_wait wait;
    struct http *http;
    struct request *next, *prev; /* among the active */
    CURL *easy;                  /* until the transfer is over */
    struct curl_slist *headers;
    struct buffer head, body;
    struct tusk_owned owned;
    struct reader *reader;  /* the parked call that waits for bytes of the body */
    struct stall *stall;    /* its timer, once there was one */
    double stall_after;     /* seconds that a reader waits for bytes */
    const char *label;      /* the URL, as errors may show it */
    const char *peer;       /* host:port */
    double after;           /* seconds the caller allowed in all */
    double connect_timeout; /* seconds */
    curl_off_t limit;       /* of the body, bytes */
    curl_off_t received;    /* bytes of the body so far */
    size_t head_total;      /* header bytes received, interim answers included */
    double elapsed;         /* seconds */
    long status, version, os_error;
    curl_off_t expected; /* Content-Length, or -1 */
    CURLcode code;
    uint8_t idempotent;
    uint8_t stream;    /* the body is to be read in pieces */
    uint8_t follow;    /* but not that of a redirect */
    uint8_t active;    /* among http's */
    uint8_t handed;    /* woken with the head */
    uint8_t paused;    /* libcurl holds back what follows */
    uint8_t ended;     /* nothing follows */
    uint8_t closed;    /* what follows is not wanted */
    uint8_t started;   /* given to a connection that was made */
    uint8_t sent;      /* bytes of it may have left */
    uint8_t head_done; /* the final answer's header block is complete */
    uint8_t too_large, head_too_large, no_memory, repeated;
    uint8_t abandoned; /* cancelled after bytes had left */
    uint8_t unwatched; /* its socket could not be watched */
    uint8_t special;   /* it has credentials or TLS settings, which the next must not see */
    char detail[CURL_ERROR_SIZE];
};

/* curl.c */

/* Lets libcurl act on what happened to fd (or on the time), and ends the requests that are
 * complete. */
void http_drive(struct http *http, curl_socket_t fd, int events);
/* One uv handle is closed; with the last of them http is freed. */
void http_release(struct http *http);
/* Ends r's transfer; its connection closes unless the answer is complete. No effect on one that is
 * over. */
void transfer_end(struct request *r);
/* Ends r's transfer with a result, and wakes who waits for r. */
void request_done(struct request *r, CURLcode code);
/* Takes r from among the active, and from its scope. */
void request_leave(struct request *r);
/* Whether bytes of it may have left. */
int request_left(struct request *r);
/* Reads what is known of the answer once its head is complete. */
void answer_read(struct request *r);

/* curl_watch.c */

/* libcurl's CURLMOPT_SOCKETFUNCTION: watch fd for `what` from now on. */
int watch_set(CURL *easy, curl_socket_t fd, int what, void *ud, void *socket_ud);
/* Closes every watch that is left. */
void watch_end_all(struct http *http);
/* Sockets that no child process inherits, and the reason when there are none to be had. */
curl_socket_t socket_open(void *ud, curlsocktype purpose, struct curl_sockaddr *a);
int socket_close(void *ud, curl_socket_t fd);

/* curl_request.c */

/* Sets what every request has in common. 0, or -1: out of memory. */
int easy_prepare(CURL *easy, struct http *http);
/* Points e at r, as a plain GET without a body; with NULL at nothing. */
void easy_bind(CURL *easy, struct request *r);
/* Reads the table at stack index 1 into r. May raise. */
void request_read(lua_State *L, struct request *r);
/* Sets what is r's own, from the table at index 1, on a prepared r->easy. 0, or -1: out of memory.
 * Never raises. */
int request_configure(lua_State *L, struct request *r);
/* Frees the memory a request holds outside Lua. */
void request_free(struct request *r);

/* Appends. 0, or -1: out of memory. */
int buffer_add(struct buffer *b, const char *data, size_t n);

/* curl_body.c: streamed bodies */

/* libcurl has received the head: wakes the task, which returns with it. */
void body_open(struct request *r);
/* libcurl's: the next bytes of it -> how many were taken, or what makes it stop or pause. */
size_t body_arrived(struct request *r, const char *data, size_t n);
/* Nothing follows: wakes the reader. */
void body_ended(struct request *r);
/* Ends it early: what is left cannot be read any more, and the connection is closed. */
void body_close(struct request *r);
/* From finish: gives it to the scope around the task. */
void body_own(lua_State *L, struct request *r);
/* read(body) -> the next bytes, or nothing at the end. */
int op_body_read(lua_State *L);
/* close(body), also its __gc */
int op_body_close(lua_State *L);

/* curl_error.c: raises what r ended with. */
int request_fail(lua_State *L, struct request *r);

/* curl_url.c */

/* url(text [, base]) -> {url, scheme, host, port, user, password}, or nil and why not. */
int op_url(lua_State *L);
/* Registers the metatable op_url needs. */
void url_open(lua_State *L);

#endif

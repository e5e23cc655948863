/* curl_http.h: what the files of the curl binding share. */
#ifndef CURL_HTTP_H
#define CURL_HTTP_H 1

#include <curl/curl.h>

#include "tusk_lua.h"

#define HEAD_MAX   (64 * 1024) /* bytes of all header lines of one answer, interim ones included */
#define BODY_AHEAD (64 * 1024) /* a streamed body is paused when so much waits for a reader */

#define REQUEST "tusk.curl.request" /* the metatable of streamed requests */
#define SPEC    "tusk.curl.spec"    /* of what they are made from */

struct gate;
struct mail;
struct reader;
struct request;
struct stall;
struct upload;
struct watch;

struct http { /* one per host, malloc'ed: lives until the last of its uv handles is closed */
    CURLM *multi;
    struct tusk *host;
    uv_loop_t *loop;
    uv_timer_t timer;
    struct tusk_hook at_close;
    struct tusk_hook kick;  /* drives libcurl before the loop polls, after requests were started */
    struct handle *in_use;  /* by requests that are not over */
    struct handle *spare;   /* kept for the next requests */
    int spares;             /* how many */
    struct mail *mails;     /* connections to SMTP servers */
    struct watch **watches; /* by descriptor */
    int watch_size;
    uint64_t specs; /* how many there were */
    int handles;    /* uv handles not closed yet */
    int inside;     /* libcurl is running: nothing may be removed from the multi now */
    int again;      /* libcurl asked to be called again at once */
    int unwatched;  /* a request is, perhaps more: they are to be ended */
    int early;      /* a request has its answer, perhaps before its body was sent */
    int closing;
    const char *encodings; /* that answers may be compressed by */
};

struct buffer {
    char *data;
    size_t length, size;
};

struct part { /* of a body of several; the strings are Lua's */
    const char *name, *data;
    const char *filename, *type; /* or NULL */
    size_t length;
    struct upload *upload; /* instead of data: it is made while it is sent */
    curl_off_t size;       /* that has; -1: not known */
};

/*
 * What a request asks for: userdata, used for any number of requests. Its environment is the table
 * it was made from, so the strings in it stay where they are, and it with them.
 */
struct spec {
    uint64_t id; /* counted from 1 */
    const char *method, *url;
    const char *label; /* the URL, as errors may show it */
    const char *peer;  /* host:port */
    const char *body;  /* or NULL */
    size_t body_length;
    const struct part *parts; /* instead of a body */
    int part_count;
    struct upload *upload;                         /* or it is made while it is sent */
    curl_off_t upload_size;                        /* that has; -1: not known */
    const char *user, *password, *ca, *cert, *key; /* or NULL */
    const char *proxy, *unix_path;                 /* or NULL */
    CURLSH *jar;                                   /* its cookies, or NULL */
    const char *cookie;                            /* sent besides those, or NULL */
    struct curl_slist *headers;
    double after;           /* seconds the caller allowed in all */
    double connect_timeout; /* seconds */
    double stall;           /* seconds that a reader waits for bytes */
    curl_off_t limit;       /* of the body, bytes */
    uint8_t idempotent, insecure;
    uint8_t env_proxy; /* as the environment says */
    uint8_t stream;    /* the body is to be read in pieces */
    uint8_t follow;    /* but not that of a redirect */
    uint8_t host;      /* the headers name one */
};

/* An easy handle and what goes with it, malloc'ed and used again and again. */
struct handle {
    CURL *easy;
    struct http *http;
    struct request *request; /* whose it is now; NULL: it has its result */
    struct handle *next, *prev;
    uint64_t spec;   /* the id of that it is set up for, or 0 */
    long timeout;    /* milliseconds, as it is set up */
    uint8_t running; /* in the multi */
    uint8_t special; /* set up with what the next must not see */
    uint8_t tainted; /* and no reset makes it forget */
    uint8_t mail;    /* it belongs to a struct mail, as its first member */
    struct buffer head, body;
    curl_mime *mime; /* what it sends, or NULL */
    char detail[CURL_ERROR_SIZE];
};

/*
 * One request. Not streamed, it lives from park to its result. Streamed, it is woken at the end of
 * the head; from then on it is what Lua reads the body from, and the scope that it was made in owns
 * it. The environment is its spec's.
 */
struct request {
    struct tusk_wait wait;
    const struct spec *spec;
    struct http *http;
    struct handle *handle; /* NULL once it is over */
    struct tusk_owned owned;
    struct reader *reader; /* the parked call that waits for bytes of the body */
    struct stall *stall;   /* its timer, once there was one */
    struct gate *gate;     /* in which the body takes a place, or NULL */
    char *detail;          /* libcurl's words, malloc'ed, once a streamed body has failed */
    curl_off_t received;   /* bytes of the body so far */
    curl_off_t expected;   /* Content-Length, or -1 */
    size_t head_total;     /* header bytes received, interim answers included */
    double elapsed;        /* seconds */
    long status, version, os_error;
    CURLcode code;
    uint8_t handed;     /* woken with the head */
    uint8_t given;      /* the task has returned with it, or never will */
    uint8_t paused;     /* libcurl holds back what follows */
    uint8_t starved;    /* libcurl waits for more to send */
    uint8_t uploads;    /* it sends what is made meanwhile */
    uint8_t refused;    /* and that is not wanted */
    uint8_t ended;      /* nothing follows */
    uint8_t closed;     /* what follows is not wanted */
    uint8_t started;    /* given to a connection that was made */
    uint8_t connecting; /* a socket of its own is not yet connected */
    uint8_t sent;       /* bytes of it may have left */
    uint8_t head_done;  /* the final answer's header block is complete */
    uint8_t too_large, head_too_large, no_memory, repeated;
    uint8_t abandoned; /* cancelled after bytes had left */
    uint8_t unwatched; /* its socket could not be watched */
    uint8_t early;     /* perhaps answered before its body was sent */
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
/* It is over: gives back its handle, and takes it from its scope. Again: no effect. */
void request_leave(struct request *r);
/* Whether bytes of it may have left. */
int request_left(struct request *r);

/* curl_answer.c */

/* Reads what is known of the answer once its head is complete. */
void answer_read(struct request *r);
/* Pushes what perform returns of r, at index 1 -> how many values. */
int answer_push(lua_State *L, struct request *r);

/* curl_handle.c */

/* A handle set up for r. NULL: out of memory. */
struct handle *handle_take(struct request *r);
/* It is kept for the next. */
void handle_give(struct handle *h);
/* Sets what it is given in all: milliseconds; 0: no end. */
void handle_timeout(struct handle *h, long ms);
/* Frees all that there are. */
void handle_free_all(struct http *http);

/* curl_spec.c */

/* prepare{method, address, label, peer, lines, body, parts, upload, length, user, password,
 * timeout, connect_timeout, max_body, redirects, idempotent, stream, stall, tls = {ca, cert, key,
 * insecure}, proxy = url | true (the environment's), unix, jar, cookie} -> spec. Everything in the
 * table has been checked; the spec keeps it, and it the spec. */
int op_prepare(lua_State *L);
/* Registers the metatable of specs. */
void spec_open(lua_State *L);

/* curl_mime.c */

/* Sets up h to send the parts of s. 0, or not: out of memory. */
int mime_set(struct handle *h, const struct spec *s);
/* Frees what mime_set has made, once h has ended; without it no effect. */
void mime_end(struct handle *h);

/* curl_route.c */

/* jar() -> where the cookies of a client are kept */
int op_jar(lua_State *L);
/* What libcurl shares of the jar at index; NULL: there is nil. Raises if it is no jar. */
CURLSH *jar_at(lua_State *L, int index);
/* Registers the metatable of jars. */
void jar_open(lua_State *L);
/* Sets the proxy, socket and cookies of s. 0, or not: out of memory. */
int route_set(struct handle *h, const struct spec *s);
/* Lets go of the cookies, before a reset; without route_set no effect. */
void route_end(struct handle *h);

/* curl_upload.c: bodies that are sent while they are made */

/* Sets up h to send s->upload. */
void upload_set(struct handle *h, const struct spec *s);
/* The same for a part of a body of several. 0, or what libcurl says. */
int upload_part(struct handle *h, curl_mimepart *part, const struct part *p);
/* r sends what its spec has of them. */
void upload_begin(struct request *r);
/* Its transfer is over: they want nothing more. */
void upload_over(struct request *r);
/* libcurl's: the answer is that the body is not wanted. */
void upload_refused(struct request *r);
/* What is at index; NULL: there is nil. Raises if it is no upload. */
struct upload *upload_at(lua_State *L, int index);
/* Registers the metatable of uploads. */
void upload_open(lua_State *L);
/* upload() -> one, for one request */
int op_upload(lua_State *L);
/* upload_room(upload) -> whether more is wanted; waits until it is, or the transfer is over; after
 * upload_end for the latter. */
int op_upload_room(lua_State *L);
/* upload_give(upload, bytes): adds them, however many. Never waits. */
int op_upload_give(lua_State *L);
/* upload_end(upload): that was all. */
int op_upload_end(lua_State *L);
/* upload_fail(upload): there will not be more: ends the request. */
int op_upload_fail(lua_State *L);

/* curl_early.c */

/* The head of r's answer is here: more of its body may be sent, or not. */
void early_expect(struct request *r);
/* What r ended with, having ended with code: that the rest of its body was refused is no failure.
 */
CURLcode early_code(const struct request *r, CURLcode code);
/* Ends those whose answer is whole and whose body is not sent any further. */
void early_take(struct http *http);

/* curl_watch.c */

/* Whether libcurl waits to write to fd. */
int watch_writes(struct http *http, curl_socket_t fd);

/* libcurl's CURLMOPT_SOCKETFUNCTION: watch fd for `what` from now on. */
int watch_set(CURL *easy, curl_socket_t fd, int what, void *ud, void *socket_ud);
/* Closes every watch that is left. */
void watch_end_all(struct http *http);
/* Watches the socket of a connection to an SMTP server for libuv's events, which are told to
 * mail_ready; 0: no more for now. 0, or a negative errno. */
int watch_mail(struct http *http, curl_socket_t fd, int events, struct mail *m);
/* Sockets that no child process inherits, and the reason when there are none to be had. */
curl_socket_t socket_open(void *ud, curlsocktype purpose, struct curl_sockaddr *a);
int socket_close(void *ud, curl_socket_t fd);

/* curl_request.c: what libcurl calls while it works; ud is the handle */

size_t head_line(char *data, size_t size, size_t count, void *ud);
size_t body_part(char *data, size_t size, size_t count, void *ud);
int before_send(void *ud, char *ip, char *local_ip, int port, int local_port);
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
/* Tells libcurl what of r is held back now; it may call body_arrived at once. */
void request_flow(struct request *r);
/* From finish: gives it to the scope around the task. */
void body_own(lua_State *L, struct request *r);
/* read(body) -> the next bytes, or nothing at the end. */
int op_body_read(lua_State *L);
/* close(body), also its __gc */
int op_body_close(lua_State *L);

/* curl_gate.c */

/* gate(n) -> one that n may have entered at a time */
int op_gate(lua_State *L);
/* gate_try(gate) -> whether there was room: then the caller has entered. Never waits. */
int op_gate_try(lua_State *L);
/* gate_enter(gate): waits for room, in line. */
int op_gate_enter(lua_State *L);
/* gate_leave(gate): the place is the next one's. */
int op_gate_leave(lua_State *L);
/* gate_hold(gate, body) -> whether the body is still on its way: then it has the caller's place
 * until it has ended. */
int op_gate_hold(lua_State *L);
/* Gives up the place that r's body has, if it has one. */
void gate_body_ended(struct request *r);
/* Registers the metatable of gates. */
void gate_open(lua_State *L);

/* curl_error.c: raises what r ended with; that is then over. */
int request_fail(lua_State *L, struct request *r);

/* curl_head.c */

/* headers(block) -> { lower-case name = first value }, { name = list } of those with several, or
 * nil. Lines that are none, such as the status, are passed over; folded ones are joined. */
int op_headers(lua_State *L);

/* curl_url.c */

/* url(text [, base]) -> {url, scheme, host, port, user, password}, or nil and why not. */
int op_url(lua_State *L);
/* Registers the metatable op_url needs. */
void url_open(lua_State *L);

/* curl_mail*.c: see curl_mail.h */

/* Adds the functions of SMTP to the table on top. */
void mail_open_functions(lua_State *L, struct http *http);
/* libcurl has done its part for the struct mail that h belongs to. */
void mail_connected(struct handle *h, CURLcode code);
/* Ends the connections whose sockets could not be watched while libcurl made them. */
void mail_take_unwatched(struct http *http);
/* Closes all there are. */
void mail_shut_all(struct http *http);

#endif

/* curl_mail.h: what the files of SMTP connections share. */
#ifndef CURL_MAIL_H
#define CURL_MAIL_H 1

#include "curl_http.h"

#define MAIL "tusk.curl.mail" /* the metatable of connections */

#define REPLY_MAX (64 * 1024) /* bytes of one reply */

/*
 * A connection to an SMTP server: userdata, anchored by a call that is parked, and by Lua in
 * between. Its environment is the table it was made from, which keeps the strings.
 *
 * libcurl resolves, connects, speaks TLS and authenticates, in the same multi as HTTP. From there
 * on it only carries bytes (CONNECT_ONLY): in its own SMTP transfers the wait for the last reply
 * blocks the thread.
 */
struct mail {
    struct handle handle;   /* head: all replies up to the end of AUTH; body: the reply to come */
    struct request request; /* what curl_watch.c looks at */
    struct mail *next, **link;
    struct mail_call *call; /* the parked one, or NULL */
    const char *peer;       /* host:port, as errors show it */
    double connect_timeout; /* seconds */
    const char *out;        /* what is being sent; the call's environment keeps it */
    size_t length, at;      /* of it, and how much has left */
    size_t reply;           /* how long the reply is that was heard, or 0 */
    curl_socket_t fd;
    CURLcode code;
    uint8_t hears;     /* a reply is waited for */
    uint8_t final;     /* what is sent ends a message: the server may have taken it */
    uint8_t ready;     /* libcurl has done its part */
    uint8_t cut;       /* the server has closed the connection */
    uint8_t malformed; /* what came is no reply, or comes unasked */
    uint8_t too_long, no_memory;
};

struct mail_call { /* a parked open or talk; the environment keeps the connection */
    struct tusk_wait wait;
    struct mail *mail;
    uint8_t abandoned; /* cancelled when the server may have taken a message */
};

/* curl_mail.c */

/* Closes it, at once and without a word. Again: no effect. */
void mail_shut(struct mail *m);
/* From curl_watch.c: the socket is ready, or cannot be watched any more (status < 0). */
void mail_ready(struct mail *m, int status);

/* curl_mail_open.c */

/* mail_open{address, peer, user, password, bearer, starttls, connect_timeout, tls = {…}} -> a
 * connection, and all that the server has said. Everything in the table has been checked. */
int op_mail_open(lua_State *L);

/* curl_mail_error.c: raises what m has failed with, and closes it. */
int mail_fail(lua_State *L, struct mail *m);

#endif

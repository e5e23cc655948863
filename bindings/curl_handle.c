/* curl_handle.c: easy handles, set up once and used again. */
#include <stdlib.h>
#include <string.h>

#include "curl_http.h"

#define SPARE_MAX  128         /* handles kept */
#define BUFFER_MAX (16 * 1024) /* bytes of a buffer that is kept with one */
#define WINDOW     65535       /* bytes that may be sent of a body before the server says so */
#define PART_HEAD  512         /* what comes before each part, at most, or nearly so */

static int set(CURL *easy, CURLoption option, const char *value)
{
    return value ? (int)curl_easy_setopt(easy, option, value) : 0;
}

/* What every request has in common; set once, for it is most of the work. */
static int prepare(struct handle *h)
{
    CURL *e = h->easy;
    curl_easy_setopt(e, CURLOPT_PRIVATE, h);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, h->detail);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, head_line);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, h);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, body_part);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, h);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, socket_open);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, h);
    curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, socket_close);
    curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, h->http);
    curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, before_send);
    curl_easy_setopt(e, CURLOPT_PREREQDATA, h);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L); // giving up does not wait for a name lookup
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_HTTP09_ALLOWED, 0L);
    curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    return set(e, CURLOPT_PROTOCOLS_STR, "http,https") | set(e, CURLOPT_PROXY, "") |
           set(e, CURLOPT_NOPROXY, "*") | set(e, CURLOPT_ACCEPT_ENCODING, h->http->encodings);
}

/* ---- for one spec ---- */

static long milliseconds(double seconds)
{
    double ms = seconds * 1000;
    return ms < 1 ? 1 : ms > 2e9 ? 2000000000L : (long)(ms + 0.5);
}

/* 0, or -1: out of memory. */
static int set_method(struct handle *h, const struct spec *s)
{
    CURL *e = h->easy;
    curl_easy_setopt(e, CURLOPT_POSTFIELDS, NULL);
    curl_easy_setopt(e, CURLOPT_HTTPGET, 1L);
    if (!strcmp(s->method, "HEAD")) {
        curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
    } else if (s->part_count) {
        if (mime_set(h, s))
            return -1;
    } else if (s->upload) {
        upload_set(h, s);
    } else if (s->body) {
        curl_easy_setopt(e, CURLOPT_POST, 1L);
        curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)s->body_length);
        curl_easy_setopt(e, CURLOPT_POSTFIELDS, s->body);
    }
    int plain = !s->body && !s->part_count && !s->upload && !strcmp(s->method, "GET");
    return (int)curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, plain ? NULL : s->method);
}

static int set_credentials(struct handle *h, const struct spec *s)
{
    if (!s->user)
        return 0;
    h->special = 1;
    curl_easy_setopt(h->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
    return set(h->easy, CURLOPT_USERNAME, s->user) | set(h->easy, CURLOPT_PASSWORD, s->password);
}

static int set_tls(struct handle *h, const struct spec *s)
{
    if (!s->ca && !s->cert && !s->key && !s->insecure)
        return 0;
    h->special = 1;
    curl_easy_setopt(h->easy, CURLOPT_SSL_VERIFYPEER, s->insecure ? 0L : 1L);
    curl_easy_setopt(h->easy, CURLOPT_SSL_VERIFYHOST, s->insecure ? 0L : 2L);
    return set(h->easy, CURLOPT_CAINFO, s->ca) | set(h->easy, CURLOPT_SSLCERT, s->cert) |
           set(h->easy, CURLOPT_SSLKEY, s->key);
}

/* Whether the body may have to wait for the server to take some of it. */
static int is_large(const struct spec *s)
{
    size_t size = s->body_length;
    for (int i = 0; i < s->part_count; i++)
        size += s->parts[i].length + PART_HEAD;
    return size > WINDOW;
}

/*
 * HTTP/1.1 for what this libcurl does badly over HTTP/2. It tells the server that it takes up to
 * 32 MiB of each stream, and buffers as much of one that is paused. And where the server answers
 * before it has taken a body that has to wait, it never sends the rest, and loses the answer or
 * waits for ever.
 */
static void set_version(struct handle *h, const struct spec *s)
{
    if (!s->stream && !is_large(s))
        return;
    h->special = 1;
    curl_easy_setopt(h->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
}

/* 0, or -1: out of memory. The handle keeps pointers into s, which are not followed any more once
 * it is set up for another. */
static int set_up(struct handle *h, const struct spec *s)
{
    if (h->spec == s->id)
        return 0;
    h->spec = 0;
    h->tainted |= s->host; // libcurl goes on choosing cookies by that name
    curl_easy_setopt(h->easy, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(s->connect_timeout));
    curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, s->headers);
    set_version(h, s);
    if (set(h->easy, CURLOPT_URL, s->url) | set_method(h, s) | set_credentials(h, s) |
        set_tls(h, s) | route_set(h, s))
        return -1;
    h->spec = s->id;
    return 0;
}

void handle_timeout(struct handle *h, long ms)
{
    if (h->timeout != ms)
        curl_easy_setopt(h->easy, CURLOPT_TIMEOUT_MS, ms);
    h->timeout = ms;
}

/* ---- their lives ---- */

static void handle_free(struct handle *h)
{
    route_end(h);
    curl_easy_cleanup(h->easy);
    mime_end(h);
    free(h->head.data);
    free(h->body.data);
    free(h);
}

static struct handle *handle_new(struct http *http)
{
    struct handle *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    h->http = http;
    h->easy = curl_easy_init();
    if (h->easy && !prepare(h))
        return h;
    handle_free(h);
    return NULL;
}

/* The one given back last is most likely set up for the same. */
static struct handle *spare_take(struct http *http)
{
    struct handle *h = http->spare;
    if (!h)
        return handle_new(http);
    http->spare = h->next;
    http->spares--;
    return h;
}

struct handle *handle_take(struct request *r)
{
    struct http *http = r->http;
    struct handle *h = spare_take(http);
    if (!h)
        return NULL;
    h->request = r;
    h->prev = NULL;
    h->next = http->in_use;
    if (h->next)
        h->next->prev = h;
    http->in_use = h;
    if (!set_up(h, r->spec))
        return h;
    handle_give(h);
    return NULL;
}

static void buffer_rest(struct buffer *b)
{
    b->length = 0;
    if (b->size <= BUFFER_MAX)
        return;
    free(b->data);
    *b = (struct buffer){0};
}

/* Forgets what the next must not see. 0, or -1: out of memory. */
static int cleanse(struct handle *h)
{
    if (!h->special)
        return 0;
    route_end(h);
    curl_easy_reset(h->easy);
    mime_end(h);
    h->special = 0;
    h->spec = 0;
    h->timeout = 0;
    return prepare(h);
}

void handle_give(struct handle *h)
{
    struct http *http = h->http;
    h->request = NULL;
    if (h->prev)
        h->prev->next = h->next;
    else
        http->in_use = h->next;
    if (h->next)
        h->next->prev = h->prev;
    if (http->spares == SPARE_MAX || h->tainted || cleanse(h)) {
        handle_free(h);
        return;
    }
    buffer_rest(&h->head);
    buffer_rest(&h->body);
    h->next = http->spare;
    http->spare = h;
    http->spares++;
}

void handle_free_all(struct http *http)
{
    for (struct handle *h; (h = http->in_use);) {
        http->in_use = h->next;
        handle_free(h);
    }
    for (struct handle *h; (h = http->spare);) {
        http->spare = h->next;
        handle_free(h);
    }
}

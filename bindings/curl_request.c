/* curl_request.c: what libcurl calls while it works on a request. */
#include <stdlib.h>
#include <string.h>

#include "curl_http.h"

int buffer_add(struct buffer *b, const char *data, size_t n)
{
    if (b->length + n > b->size) {
        size_t size = b->size ? b->size * 2 : 512;
        if (size < b->length + n)
            size = b->length + n;
        char *grown = realloc(b->data, size);
        if (!grown)
            return -1;
        b->data = grown;
        b->size = size;
    }
    memcpy(b->data + b->length, data, n);
    b->length += n;
    return 0;
}

/* The status in a line "HTTP/1.1 200 OK", or 0. */
static int status_of(const char *line, size_t n)
{
    if (n < 5 || memcmp(line, "HTTP/", 5))
        return 0;
    const char *space = memchr(line, ' ', n);
    if (!space || (size_t)(space - line) + 4 > n)
        return 0;
    return (space[1] - '0') * 100 + (space[2] - '0') * 10 + (space[3] - '0');
}

static int is_redirect(int status)
{
    return (status >= 301 && status <= 303) || status == 307 || status == 308;
}

/* A blank line ends the block; an interim answer's block is forgotten. */
static void head_end(struct request *r)
{
    struct buffer *head = &r->handle->head;
    int status = status_of(head->data, head->length);
    if (status >= 100 && status < 200) {
        head->length = 0;
        return;
    }
    r->head_done = 1;
    early_expect(r);
    if (status >= 300)
        upload_refused(r);
    if (r->spec->stream && !(r->spec->follow && is_redirect(status)))
        body_open(r);
}

size_t head_line(char *data, size_t size, size_t count, void *ud)
{
    struct request *r = ((struct handle *)ud)->request;
    size_t n = size * count;
    r->head_total += n;
    if (r->head_total > HEAD_MAX) {
        r->head_too_large = 1;
        return 0;
    }
    if (r->head_done) // trailers
        return n;
    if (n <= 2 && (data[0] == '\r' || data[0] == '\n') && r->handle->head.length) {
        head_end(r);
        return n;
    }
    if (buffer_add(&r->handle->head, data, n)) {
        r->no_memory = 1;
        return 0;
    }
    return n;
}

/* Whether the body announced is over the limit; makes room for it if not. */
static int body_begin(struct request *r)
{
    struct buffer *body = &r->handle->body;
    curl_off_t length = -1;
    curl_easy_getinfo(r->handle->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (length > r->spec->limit)
        return -1;
    if (length <= (curl_off_t)body->size)
        return 0;
    free(body->data);
    body->data = malloc((size_t)length);
    body->size = body->data ? (size_t)length : 0;
    return 0;
}

size_t body_part(char *data, size_t size, size_t count, void *ud)
{
    struct request *r = ((struct handle *)ud)->request;
    size_t n = size * count;
    if (r->handed)
        return body_arrived(r, data, n);
    if ((!r->received && n && body_begin(r)) || r->received + (curl_off_t)n > r->spec->limit) {
        r->too_large = 1;
        return n + 1; // not n: libcurl gives up
    }
    if (buffer_add(&r->handle->body, data, n)) {
        r->no_memory = 1;
        return n + 1;
    }
    r->received += (curl_off_t)n;
    return n;
}

/*
 * Before each attempt on a connection. libcurl tries again by itself when a kept connection turns
 * out to be dead; a request that may have been carried out must not be sent twice.
 */
int before_send(void *ud, char *ip, char *local_ip, int port, int local_port)
{
    (void)ip, (void)local_ip, (void)port, (void)local_port;
    struct handle *h = ud;
    struct request *r = h->request;
    long size = 0;
    h->special |= r->started; // it counts how often it tried again, and only a reset ends that
    curl_easy_getinfo(h->easy, CURLINFO_REQUEST_SIZE, &size);
    if (r->started && size > 0 && !r->spec->idempotent) {
        r->repeated = 1;
        return CURL_PREREQFUNC_ABORT;
    }
    r->started = 1;
    r->connecting = 0;
    return CURL_PREREQFUNC_OK;
}

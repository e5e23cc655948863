/* curl_mime.c: bodies of several parts (multipart/form-data), by libcurl's MIME functions. */
#include <stdlib.h>
#include <string.h>

#include "curl_http.h"

/* Where libcurl is in a part; the bytes are the spec's, and not copied. */
struct cursor {
    const char *data;
    size_t length, at;
};

static size_t cursor_read(char *to, size_t size, size_t count, void *ud)
{
    struct cursor *c = ud;
    size_t n = size * count, left = c->length - c->at;
    if (n > left)
        n = left;
    memcpy(to, c->data + c->at, n);
    c->at += n;
    return n;
}

/* It is sent from the beginning when a kept connection turned out to be dead. */
static int cursor_seek(void *ud, curl_off_t offset, int origin)
{
    struct cursor *c = ud;
    if (origin != SEEK_SET || offset < 0 || (size_t)offset > c->length)
        return CURL_SEEKFUNC_CANTSEEK;
    c->at = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

/* 0, or what libcurl says. */
static int set_data(curl_mimepart *part, const struct part *p)
{
    struct cursor *c = malloc(sizeof *c);
    if (!c)
        return CURLE_OUT_OF_MEMORY;
    *c = (struct cursor){.data = p->data, .length = p->length};
    CURLcode code =
        curl_mime_data_cb(part, (curl_off_t)p->length, cursor_read, cursor_seek, free, c);
    if (code)
        free(c);
    return (int)code;
}

static int add_part(struct handle *h, const struct part *p)
{
    curl_mimepart *part = curl_mime_addpart(h->mime);
    if (!part)
        return CURLE_OUT_OF_MEMORY;
    int failed =
        (p->upload ? upload_part(h, part, p) : set_data(part, p)) || curl_mime_name(part, p->name);
    if (!failed && p->filename)
        failed = curl_mime_filename(part, p->filename) != CURLE_OK;
    if (!failed && p->type)
        failed = curl_mime_type(part, p->type) != CURLE_OK;
    return failed;
}

int mime_set(struct handle *h, const struct spec *s)
{
    h->special = 1;
    h->mime = curl_mime_init(h->easy);
    int failed = !h->mime;
    for (int i = 0; !failed && i < s->part_count; i++)
        failed = add_part(h, &s->parts[i]);
    return failed || curl_easy_setopt(h->easy, CURLOPT_MIMEPOST, h->mime);
}

void mime_end(struct handle *h)
{
    curl_mime_free(h->mime);
    h->mime = NULL;
}

/*
 * curl_early.c: answers that are whole before the body of their request has been sent, over HTTP/2.
 *
 * For such a request this libcurl reads nothing more. So it never learns that there is room for
 * more of the body, nor that the server has closed the stream because it wants none, and waits for
 * ever. What it waits for is of no use to anybody: the answer is here.
 */
#include <string.h>

#include "curl_http.h"

void early_expect(struct request *r)
{
    long version = 0;
    if (!r->spec->body_length && !r->spec->part_count)
        return;
    curl_easy_getinfo(r->handle->easy, CURLINFO_HTTP_VERSION, &version);
    if (version != CURL_HTTP_VERSION_2_0)
        return;
    r->early = 1;
    r->http->early = 1;
}

/* One whose length is not told ends when the server says so, which libcurl keeps to itself. */
static int is_whole(const struct request *r)
{
    curl_off_t expected = -1, received = 0;
    long status = 0;
    CURL *e = r->handle->easy;
    curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, &status);
    if (status == 204 || status == 304 || !strcmp(r->spec->method, "HEAD"))
        return 1;
    curl_easy_getinfo(e, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &expected);
    curl_easy_getinfo(e, CURLINFO_SIZE_DOWNLOAD_T, &received);
    return expected >= 0 && received >= expected;
}

/* While it waits to write to the connection, there is room. */
static int is_sending(const struct request *r)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    curl_easy_getinfo(r->handle->easy, CURLINFO_ACTIVESOCKET, &fd);
    return watch_writes(r->http, fd);
}

CURLcode early_code(const struct request *r, CURLcode code)
{
    return code == CURLE_HTTP2_STREAM && r->early && is_whole(r) ? CURLE_OK : code;
}

void early_take(struct http *http)
{
    http->early = 0;
    for (struct handle *h = http->in_use, *next; h; h = next) {
        struct request *r = h->request;
        next = h->next;
        if (!r || !h->running || !r->early)
            continue;
        if (is_whole(r) && !is_sending(r))
            request_done(r, CURLE_OK);
        else
            http->early = 1;
    }
}

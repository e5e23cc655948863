/* curl_request.c: one request: reading its table, libcurl's options, what libcurl calls meanwhile.
 */
#include <stdlib.h>
#include <string.h>

#include "curl_http.h"

void request_free(struct request *r)
{
    curl_slist_free_all(r->headers);
    free(r->head.data);
    free(r->body.data);
    r->headers = NULL;
    r->head = r->body = (struct buffer){0};
}

/* ---- reading the table at index 1 ---- */

static const char *text_field(lua_State *L, const char *name)
{ // the table keeps the string
    lua_getfield(L, 1, name);
    const char *s = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    lua_pop(L, 1);
    return s;
}

static double number_field(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    double v = lua_tonumber(L, -1);
    lua_pop(L, 1);
    return v;
}

static int flag_field(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    int v = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return v;
}

static void add_header(lua_State *L, struct request *r, const char *line)
{
    struct curl_slist *list = curl_slist_append(r->headers, line);
    if (!list)
        luaL_error(L, "not enough memory");
    r->headers = list;
}

static void read_headers(lua_State *L, struct request *r)
{
    lua_getfield(L, 1, "headers");
    int n = lua_istable(L, -1) ? (int)lua_objlen(L, -1) : 0;
    for (int i = 1; i <= n; i++) {
        lua_rawgeti(L, -1, i);
        add_header(L, r, luaL_checkstring(L, -1));
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

void request_read(lua_State *L, struct request *r)
{
    luaL_checkstack(L, 6, "a request");
    r->label = text_field(L, "label");
    r->peer = text_field(L, "peer");
    r->after = number_field(L, "after");
    r->connect_timeout = number_field(L, "connect_timeout");
    r->limit = (curl_off_t)number_field(L, "max_body");
    r->idempotent = (uint8_t)flag_field(L, "idempotent");
    r->expected = -1;
    r->stream = (uint8_t)flag_field(L, "stream");
    r->follow = (uint8_t)flag_field(L, "follow");
    r->stall_after = number_field(L, "stall");
    if (!r->label || !r->peer || !text_field(L, "url") || !text_field(L, "method"))
        luaL_error(L, "perform: url, method, label and peer are needed");
    read_headers(L, r);
}

/* ---- what libcurl calls while it works ---- */

int buffer_add(struct buffer *b, const char *data, size_t n)
{
    if (b->length + n > b->size) {
        size_t size = b->size ? b->size * 2 : 4096;
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
    int status = status_of(r->head.data, r->head.length);
    if (status >= 100 && status < 200) {
        r->head.length = 0;
        return;
    }
    r->head_done = 1;
    if (r->stream && !(r->follow && is_redirect(status)))
        body_open(r);
}

static size_t head_line(char *data, size_t size, size_t count, void *ud)
{
    struct request *r = ud;
    size_t n = size * count;
    r->head_total += n;
    if (r->head_total > HEAD_MAX) {
        r->head_too_large = 1;
        return 0;
    }
    if (r->head_done) // trailers
        return n;
    if (n <= 2 && (data[0] == '\r' || data[0] == '\n') && r->head.length) {
        head_end(r);
        return n;
    }
    if (buffer_add(&r->head, data, n)) {
        r->no_memory = 1;
        return 0;
    }
    return n;
}

/* Whether the body announced is over the limit; makes room for it if not. */
static int body_begin(struct request *r)
{
    curl_off_t length = -1;
    curl_easy_getinfo(r->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    if (length > r->limit)
        return -1;
    if (length > 0 && (r->body.data = malloc((size_t)length)))
        r->body.size = (size_t)length;
    return 0;
}

static size_t body_part(char *data, size_t size, size_t count, void *ud)
{
    struct request *r = ud;
    size_t n = size * count;
    if (r->handed)
        return body_arrived(r, data, n);
    if ((!r->body.length && n && !r->body.data && body_begin(r)) ||
        r->body.length + n > (size_t)r->limit) {
        r->too_large = 1;
        return n + 1; // not n: libcurl gives up
    }
    if (buffer_add(&r->body, data, n)) {
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
static int before_send(void *ud, char *ip, char *local_ip, int port, int local_port)
{
    (void)ip, (void)local_ip, (void)port, (void)local_port;
    struct request *r = ud;
    long size = 0;
    curl_easy_getinfo(r->easy, CURLINFO_REQUEST_SIZE, &size);
    if (r->started && size > 0 && !r->idempotent) {
        r->repeated = 1;
        return CURL_PREREQFUNC_ABORT;
    }
    r->started = 1;
    return CURL_PREREQFUNC_OK;
}

/* ---- libcurl's options ---- */

/* What every request has in common; set once, for it is most of the work. */
int easy_prepare(CURL *e, struct http *http)
{
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, head_line);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, body_part);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, socket_open);
    curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, socket_close);
    curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, http);
    curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, before_send);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L); // giving up does not wait for a name lookup
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_HTTP09_ALLOWED, 0L);
    curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    int failed = (int)curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https") |
                 (int)curl_easy_setopt(e, CURLOPT_PROXY, "") |
                 (int)curl_easy_setopt(e, CURLOPT_NOPROXY, "*") |
                 (int)curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
    return failed ? -1 : 0;
}

static int set(CURL *easy, CURLoption option, const char *value)
{
    return value ? (int)curl_easy_setopt(easy, option, value) : 0;
}

void easy_bind(CURL *e, struct request *r)
{
    curl_easy_setopt(e, CURLOPT_PRIVATE, r);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, r ? r->detail : NULL);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, r);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, r);
    curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, r);
    curl_easy_setopt(e, CURLOPT_PREREQDATA, r);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, r ? r->headers : NULL);
    curl_easy_setopt(e, CURLOPT_POSTFIELDS, NULL);
    curl_easy_setopt(e, CURLOPT_HTTPGET, 1L);
}

static long milliseconds(double seconds)
{
    double ms = seconds * 1000;
    return ms < 1 ? 1 : ms > 2e9 ? 2000000000L : (long)(ms + 0.5);
}

static void set_timeouts(lua_State *L, struct request *r)
{
    curl_easy_setopt(r->easy, CURLOPT_TIMEOUT_MS, milliseconds(number_field(L, "timeout")));
    curl_easy_setopt(r->easy, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(r->connect_timeout));
}

static void set_body(lua_State *L, CURL *e)
{
    lua_getfield(L, 1, "body");
    if (lua_type(L, -1) == LUA_TSTRING) {
        curl_easy_setopt(e, CURLOPT_POST, 1L);
        curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)lua_objlen(L, -1));
        curl_easy_setopt(e, CURLOPT_POSTFIELDS, lua_tostring(L, -1)); // the table keeps it
    }
    lua_pop(L, 1);
}

static int set_method(lua_State *L, CURL *e)
{
    const char *method = text_field(L, "method");
    if (!strcmp(method, "HEAD"))
        curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
    else
        set_body(L, e);
    return (int)curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, method);
}

static int set_credentials(lua_State *L, struct request *r)
{
    const char *user = text_field(L, "user");
    if (!user)
        return 0;
    r->special = 1;
    curl_easy_setopt(r->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
    return set(r->easy, CURLOPT_USERNAME, user) |
           set(r->easy, CURLOPT_PASSWORD, text_field(L, "password"));
}

static int set_tls(lua_State *L, struct request *r)
{
    const char *ca = text_field(L, "ca"), *cert = text_field(L, "cert"),
               *key = text_field(L, "key");
    int insecure = flag_field(L, "insecure");
    if (!ca && !cert && !key && !insecure)
        return 0;
    r->special = 1;
    curl_easy_setopt(r->easy, CURLOPT_SSL_VERIFYPEER, insecure ? 0L : 1L);
    curl_easy_setopt(r->easy, CURLOPT_SSL_VERIFYHOST, insecure ? 0L : 2L);
    return set(r->easy, CURLOPT_CAINFO, ca) | set(r->easy, CURLOPT_SSLCERT, cert) |
           set(r->easy, CURLOPT_SSLKEY, key);
}

/*
 * libcurl 7.88 stops reading from a HTTP/2 connection while one of its streams is paused, so that
 * every other request on it would wait for the reader of this one.
 */
static void set_stream(struct request *r)
{
    if (!r->stream)
        return;
    r->special = 1;
    curl_easy_setopt(r->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
}

int request_configure(lua_State *L, struct request *r)
{
    easy_bind(r->easy, r);
    set_timeouts(L, r);
    set_stream(r);
    int failed = set(r->easy, CURLOPT_URL, text_field(L, "url")) | set_method(L, r->easy) |
                 set_credentials(L, r) | set_tls(L, r);
    return failed ? -1 : 0;
}

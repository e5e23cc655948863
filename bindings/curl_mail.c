/* curl_mail.c: bytes to and from an SMTP server, over a connection that libcurl has made. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "curl_mail.h"

void mail_shut(struct mail *m)
{
    struct handle *h = &m->handle;
    if (!h->easy)
        return;
    assert(!h->http->inside);
    *m->link = m->next;
    if (m->next)
        m->next->link = m->link;
    if (h->running)
        curl_multi_remove_handle(h->http->multi, h->easy);
    h->running = 0;
    curl_easy_cleanup(h->easy);
    h->easy = NULL;
}

void mail_shut_all(struct http *http)
{
    while (http->mails)
        mail_shut(http->mails);
}

/* ---- replies ---- */

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A line of a reply: "250-text" (1), "250 text" or "250" (2), something else (0). */
static int line_kind(const char *line, size_t n)
{
    if (n < 3 || line[0] < '2' || line[0] > '5' || !is_digit(line[1]) || !is_digit(line[2]))
        return 0;
    if (n == 3 || line[3] == ' ')
        return 2;
    return line[3] == '-';
}

/* How long the reply is that the bytes begin with; 0: it is not whole yet; -1: it is none. */
static long reply_length(const char *bytes, size_t n)
{
    const char *line = bytes, *end = bytes + n;
    for (const char *feed; line < end && (feed = memchr(line, '\n', (size_t)(end - line)));) {
        size_t length = (size_t)(feed - line);
        if (length && line[length - 1] == '\r')
            length--;
        int kind = line_kind(line, length);
        if (!kind || memcmp(line, bytes, 3))
            return -1;
        line = feed + 1;
        if (kind == 2)
            return line - bytes;
    }
    return 0;
}

/* ---- sending and hearing: 1: done; 0: it has to wait; -1: it has failed ---- */

static int send_some(struct mail *m)
{
    while (m->at < m->length) {
        size_t n = 0;
        CURLcode code = curl_easy_send(m->handle.easy, m->out + m->at, m->length - m->at, &n);
        if (code == CURLE_AGAIN)
            return 0;
        if (code) {
            m->code = code;
            return -1;
        }
        m->at += n;
    }
    return 1;
}

static int reply_read(struct mail *m)
{
    const struct buffer *b = &m->handle.body;
    long length = reply_length(b->data, b->length);
    if (length > 0)
        m->reply = (size_t)length;
    else if (length < 0)
        m->malformed = 1;
    else if (b->length >= REPLY_MAX)
        m->too_long = 1;
    return length > 0 ? 1 : m->malformed || m->too_long ? -1 : 0;
}

static int hear_some(struct mail *m)
{
    for (;;) {
        char piece[4096];
        size_t n = 0;
        CURLcode code = curl_easy_recv(m->handle.easy, piece, sizeof piece, &n);
        if (code == CURLE_AGAIN)
            return 0;
        if (code || !n) {
            m->code = code;
            m->cut = 1;
            return -1;
        }
        if (buffer_add(&m->handle.body, piece, n)) {
            m->no_memory = 1;
            return -1;
        }
        int whole = reply_read(m);
        if (whole)
            return whole;
    }
}

/* The server closes the connection; it may have said why before. */
static int last_words(struct mail *m)
{
    CURLcode code = m->code;
    if (hear_some(m) == 1) {
        m->final = 0;
        return 1;
    }
    m->code = code;
    m->cut = 1;
    return -1;
}

/* Goes on as far as it can. */
static int talk(struct mail *m)
{
    int sent = send_some(m);
    if (sent < 0)
        return last_words(m);
    int done = sent && m->hears ? hear_some(m) : sent;
    if (done)
        return done;
    int events = sent ? UV_READABLE : UV_WRITABLE;
    int error = watch_mail(m->handle.http, m->fd, events, m);
    if (!error)
        return 0;
    m->request.os_error = -error;
    m->code = CURLE_SEND_ERROR;
    return -1;
}

void mail_ready(struct mail *m, int status)
{
    struct mail_call *call = m->call;
    (void)status; // sending or hearing will say
    if (!talk(m))
        return;
    watch_mail(m->handle.http, m->fd, 0, m);
    m->call = NULL;
    tusk_wake(&call->wait);
}

/* ---- the operator ---- */

static int push_outcome(lua_State *L, struct mail *m)
{
    struct buffer *b = &m->handle.body;
    if (m->at < m->length ? !m->reply : m->hears && !m->reply)
        return mail_fail(L, m);
    if (!m->reply)
        return 0;
    lua_pushlstring(L, b->data, m->reply);
    b->length -= m->reply;
    memmove(b->data, b->data + m->reply, b->length);
    m->reply = 0;
    return 1;
}

static int talk_finish(lua_State *L, struct tusk_wait *wait)
{
    struct mail_call *call = (struct mail_call *)wait;
    if (call->abandoned)
        return tusk_fail_cancelled(L, 1);
    return push_outcome(L, call->mail);
}

static void talk_cancel(struct tusk_wait *wait)
{
    struct mail_call *call = (struct mail_call *)wait;
    struct mail *m = call->mail;
    m->call = NULL;
    call->abandoned = m->final && m->at > 0;
    mail_shut(m);
    if (call->abandoned)
        tusk_wake(wait);
    else
        tusk_drop(wait);
}

static const struct tusk_wait_ops talk_ops = {talk_finish, talk_cancel};

/*
 * mail_talk(mail, bytes, hears, final) -> the reply, if it hears; or one that has come instead of
 * room for the bytes, after which the connection is closed by the server.
 */
static int op_mail_talk(lua_State *L)
{
    struct mail *m = luaL_checkudata(L, 1, MAIL);
    size_t length;
    const char *out = luaL_checklstring(L, 2, &length);
    lua_settop(L, 4);
    struct mail_call *call = tusk_wait_new(L, sizeof *call, &talk_ops);
    lua_createtable(L, 2, 0);
    lua_pushvalue(L, 1);
    lua_rawseti(L, -2, 1);
    lua_pushvalue(L, 2);
    lua_rawseti(L, -2, 2);
    lua_setfenv(L, -2);
    call->mail = m;
    m->out = out;
    m->length = length;
    m->at = 0;
    m->hears = (uint8_t)lua_toboolean(L, 3);
    m->final = (uint8_t)lua_toboolean(L, 4);
    if (!m->handle.easy)
        m->cut = 1;
    else if (m->handle.body.length)
        m->malformed = 1;
    if (m->cut || m->malformed)
        return mail_fail(L, m);
    if (talk(m))
        return tusk_inline(L, push_outcome(L, m));
    m->call = call;
    return tusk_park(L, &call->wait);
}

/* mail_usable(mail) -> whether the server has said nothing since, and is there */
static int op_mail_usable(lua_State *L)
{
    struct mail *m = luaL_checkudata(L, 1, MAIL);
    char byte;
    size_t n;
    lua_pushboolean(L, m->handle.easy && !m->handle.body.length &&
                           curl_easy_recv(m->handle.easy, &byte, 1, &n) == CURLE_AGAIN);
    return 1;
}

/* mail_close(mail, last words | nil): as many of them as the socket takes at once. Also its __gc */
static int op_mail_close(lua_State *L)
{
    struct mail *m = luaL_checkudata(L, 1, MAIL);
    size_t length, n;
    const char *words = luaL_optlstring(L, 2, NULL, &length);
    if (words && m->handle.easy && m->ready)
        curl_easy_send(m->handle.easy, words, length, &n);
    mail_shut(m);
    free(m->handle.head.data);
    free(m->handle.body.data);
    m->handle.head = m->handle.body = (struct buffer){0};
    return 0;
}

void mail_open_functions(lua_State *L, struct http *http)
{
    static const luaL_Reg functions[] = {
        {"mail_open", op_mail_open},
        {"mail_talk", op_mail_talk},
        {"mail_usable", op_mail_usable},
        {"mail_close", op_mail_close},
        {NULL, NULL},
    };
    for (const luaL_Reg *f = functions; f->name; f++) {
        lua_pushlightuserdata(L, http);
        lua_pushcclosure(L, f->func, 1);
        lua_setfield(L, -2, f->name);
    }
    luaL_newmetatable(L, MAIL);
    lua_pushcfunction(L, op_mail_close);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}

/* curl_upload.c: bodies that are sent while they are made. */
#include <stdlib.h>
#include <string.h>

#include "curl_http.h"

#define UPLOAD "tusk.curl.upload"

/*
 * Whoever makes the body waits until libcurl has asked for bytes and less than BODY_AHEAD of them
 * lie here; libcurl pauses when it finds none. The first BODY_AHEAD are kept: a kept connection
 * that turns out to be dead does so early, and then they are sent again.
 */
struct upload {              /* userdata; the plan that the request is made from keeps it */
    struct request *request; /* that sends it, or NULL */
    struct feeder *feeder;   /* the parked call that waits for room */
    struct buffer given;
    size_t at;       /* how much of it libcurl has taken */
    uint8_t begun;   /* libcurl has asked */
    uint8_t cut;     /* what came before the buffer is gone */
    uint8_t ended;   /* nothing will be added */
    uint8_t dropped; /* nothing more is wanted */
};

struct feeder { /* a parked wait for room; the environment keeps the upload */
    struct tusk_wait wait;
    struct upload *upload;
};

static size_t unsent(const struct upload *u)
{
    return u->given.length - u->at;
}

static int has_room(const struct upload *u)
{
    return u->begun && !u->ended && unsent(u) < BODY_AHEAD;
}

static void feeder_wake(struct upload *u)
{
    if (u->feeder && !u->feeder->wait.woken)
        tusk_wake(&u->feeder->wait);
}

/* ---- libcurl's half ---- */

static size_t upload_read(char *to, size_t size, size_t count, void *ud)
{
    struct upload *u = ud;
    size_t n = size * count;
    u->begun = 1;
    if (!u->request || u->request->refused)
        return 0;
    if (n > unsent(u))
        n = unsent(u);
    if (n)
        memcpy(to, u->given.data + u->at, n);
    u->at += n;
    if (has_room(u))
        feeder_wake(u);
    if (n || u->ended)
        return n;
    u->request->starved = 1;
    return CURL_READFUNC_PAUSE;
}

/* It is sent from the beginning when a kept connection turned out to be dead. */
static int upload_seek(void *ud, curl_off_t offset, int origin)
{
    struct upload *u = ud;
    if (origin != SEEK_SET || offset || u->cut)
        return CURL_SEEKFUNC_CANTSEEK;
    u->at = 0;
    return CURL_SEEKFUNC_OK;
}

/* HTTP/1.1: what is paused over HTTP/2 holds up others on its connection in this libcurl. */
static void set_version(struct handle *h)
{
    h->special = 1;
    curl_easy_setopt(h->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
}

void upload_set(struct handle *h, const struct spec *s)
{
    CURL *e = h->easy;
    set_version(h);
    curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(e, CURLOPT_INFILESIZE_LARGE, s->upload_size);
    curl_easy_setopt(e, CURLOPT_READFUNCTION, upload_read);
    curl_easy_setopt(e, CURLOPT_READDATA, s->upload);
    curl_easy_setopt(e, CURLOPT_SEEKFUNCTION, upload_seek);
    curl_easy_setopt(e, CURLOPT_SEEKDATA, s->upload);
}

int upload_part(struct handle *h, curl_mimepart *part, const struct part *p)
{
    set_version(h);
    return (int)curl_mime_data_cb(part, p->size, upload_read, upload_seek, NULL, p->upload);
}

/* ---- with its request ---- */

static void begin(struct upload *u, struct request *r)
{
    if (!u)
        return;
    u->request = r;
    r->uploads = 1;
}

void upload_begin(struct request *r)
{
    begin(r->spec->upload, r);
    for (int i = 0; i < r->spec->part_count; i++)
        begin(r->spec->parts[i].upload, r);
}

static void forget(struct upload *u)
{
    free(u->given.data);
    u->given = (struct buffer){0};
    u->at = 0;
}

static void drop(struct upload *u)
{
    if (!u)
        return;
    u->request = NULL;
    u->dropped = 1;
    forget(u);
    feeder_wake(u);
}

void upload_over(struct request *r)
{
    drop(r->spec->upload);
    for (int i = 0; i < r->spec->part_count; i++)
        drop(r->spec->parts[i].upload);
}

// libcurl stops by itself, but not while it is paused, nor if the server says that it will close.
void upload_refused(struct request *r)
{
    if (!r->uploads)
        return;
    r->refused = 1;
    curl_easy_setopt(r->handle->easy, CURLOPT_FORBID_REUSE, 1L); // what was announced will not come
    if (!r->starved)
        return;
    r->starved = 0;
    curl_easy_pause(r->handle->easy, CURLPAUSE_CONT); // of the answer nothing is held back yet
}

/* ---- Lua's half ---- */

static struct upload *upload_check(lua_State *L)
{
    return luaL_checkudata(L, 1, UPLOAD);
}

struct upload *upload_at(lua_State *L, int index)
{
    return lua_isnil(L, index) ? NULL : luaL_checkudata(L, index, UPLOAD);
}

int op_upload(lua_State *L)
{
    struct upload *u = lua_newuserdata(L, sizeof *u);
    *u = (struct upload){0};
    luaL_getmetatable(L, UPLOAD);
    lua_setmetatable(L, -2);
    return 1;
}

static int op_upload_gc(lua_State *L)
{
    forget(lua_touserdata(L, 1));
    return 0;
}

static int feeder_finish(lua_State *L, struct tusk_wait *wait)
{
    struct upload *u = ((struct feeder *)wait)->upload;
    u->feeder = NULL;
    lua_pushboolean(L, !u->dropped);
    return 1;
}

static void feeder_cancel(struct tusk_wait *wait)
{
    ((struct feeder *)wait)->upload->feeder = NULL;
    tusk_drop(wait);
}

static const struct tusk_wait_ops feeder_ops = {feeder_finish, feeder_cancel};

int op_upload_room(lua_State *L)
{
    struct upload *u = upload_check(L);
    tusk_checkpoint(L);
    if (u->dropped || has_room(u)) {
        lua_pushboolean(L, !u->dropped);
        return tusk_inline(L, 1);
    }
    struct feeder *f = tusk_wait_new(L, sizeof *f, &feeder_ops);
    lua_createtable(L, 1, 0);
    lua_pushvalue(L, 1);
    lua_rawseti(L, -2, 1);
    lua_setfenv(L, -2);
    f->upload = u;
    u->feeder = f;
    return tusk_park(L, &f->wait);
}

static void go_on(struct upload *u)
{
    struct request *r = u->request;
    if (!r || !r->starved)
        return;
    r->starved = 0;
    request_flow(r);
}

/* Forgets what was sent, but not of the first bytes. */
static void tidy(struct upload *u)
{
    if (!u->at || (!u->cut && u->given.length < BODY_AHEAD))
        return;
    memmove(u->given.data, u->given.data + u->at, unsent(u));
    u->given.length -= u->at;
    u->at = 0;
    u->cut = 1;
}

int op_upload_give(lua_State *L)
{
    struct upload *u = upload_check(L);
    size_t n;
    const char *bytes = luaL_checklstring(L, 2, &n);
    if (u->dropped || !n)
        return 0;
    tidy(u);
    if (buffer_add(&u->given, bytes, n))
        return luaL_error(L, "not enough memory");
    go_on(u);
    return 0;
}

int op_upload_end(lua_State *L)
{
    struct upload *u = upload_check(L);
    u->ended = 1;
    go_on(u);
    return 0;
}

int op_upload_fail(lua_State *L)
{
    struct upload *u = upload_check(L);
    if (u->request)
        request_done(u->request, CURLE_ABORTED_BY_CALLBACK);
    return 0;
}

void upload_open(lua_State *L)
{
    luaL_newmetatable(L, UPLOAD);
    lua_pushcfunction(L, op_upload_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}

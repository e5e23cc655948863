/* curl_answer.c: what is known of an answer. */
#include "curl_http.h"

void answer_read(struct request *r)
{
    r->sent = (uint8_t)request_left(r);
    curl_easy_getinfo(r->handle->easy, CURLINFO_RESPONSE_CODE, &r->status);
    curl_easy_getinfo(r->handle->easy, CURLINFO_HTTP_VERSION, &r->version);
    curl_easy_getinfo(r->handle->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &r->expected);
}

static const char *version_name(long version)
{
    switch (version) {
    case CURL_HTTP_VERSION_1_0:
        return "1.0";
    case CURL_HTTP_VERSION_2_0:
        return "2";
    case CURL_HTTP_VERSION_3:
        return "3";
    default:
        return "1.1";
    }
}

static double seconds_at(CURL *e, CURLINFO which)
{
    double at = 0;
    curl_easy_getinfo(e, which, &at);
    return at;
}

/* When the first byte of the answer came; and how long the name, the connection and the handshake
 * took, each by itself, if a connection was made. -> how many values */
static int push_timings(lua_State *L, struct request *r)
{
    CURL *e = r->handle->easy;
    long made = 0;
    curl_easy_getinfo(e, CURLINFO_NUM_CONNECTS, &made);
    lua_pushnumber(L, seconds_at(e, CURLINFO_STARTTRANSFER_TIME));
    if (!made)
        return 1;
    double dns = seconds_at(e, CURLINFO_NAMELOOKUP_TIME);
    double connected = seconds_at(e, CURLINFO_CONNECT_TIME);
    double secured = seconds_at(e, CURLINFO_APPCONNECT_TIME);
    lua_pushnumber(L, dns);
    lua_pushnumber(L, connected > dns ? connected - dns : 0);
    lua_pushnumber(L, secured > connected ? secured - connected : 0);
    return 4;
}

int answer_push(lua_State *L, struct request *r)
{
    const struct buffer *head = &r->handle->head, *body = &r->handle->body;
    lua_pushinteger(L, r->status);
    lua_pushlstring(L, head->data ? head->data : "", head->length);
    if (r->handed)
        lua_pushvalue(L, 1); // itself
    else
        lua_pushlstring(L, body->data ? body->data : "", body->length);
    lua_pushstring(L, version_name(r->version));
    lua_pushnumber(L, r->elapsed);
    return 5 + push_timings(L, r);
}

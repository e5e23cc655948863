/* curl_url.c: taking URLs apart, by libcurl's own parser: what is checked is what is connected to.
 */
#include <string.h>

#include "curl_http.h"

enum { PART_SCHEME, PART_HOST, PART_PORT, PART_USER, PART_PASSWORD, PART_URL, PART_COUNT };

static const struct {
    const char *name;
    CURLUPart part;
    unsigned flags;
} parts[PART_COUNT] = {
    {"scheme", CURLUPART_SCHEME, 0},
    {"host", CURLUPART_HOST, 0},
    {"port", CURLUPART_PORT, CURLU_DEFAULT_PORT},
    {"user", CURLUPART_USER, CURLU_URLDECODE},
    {"password", CURLUPART_PASSWORD, CURLU_URLDECODE},
    {"url", CURLUPART_URL, 0},
};

struct url { /* userdata, so that running out of memory leaks nothing */
    CURLU *handle;
    char *text[PART_COUNT];
};

static int url_free(lua_State *L)
{
    struct url *u = lua_touserdata(L, 1);
    curl_url_cleanup(u->handle);
    u->handle = NULL;
    for (int i = 0; i < PART_COUNT; i++) {
        curl_free(u->text[i]);
        u->text[i] = NULL;
    }
    return 0;
}

static CURLUcode url_parse(struct url *u, const char *text, const char *base)
{
    CURLUcode rc = base ? curl_url_set(u->handle, CURLUPART_URL, base, 0) : CURLUE_OK;
    if (!rc)
        rc = curl_url_set(u->handle, CURLUPART_URL, text, CURLU_URLENCODE);
    for (int i = 0; !rc && i < PART_COUNT; i++) {
        if (i == PART_URL) { // the address alone: credentials travel apart, fragments not at all
            curl_url_set(u->handle, CURLUPART_USER, NULL, 0);
            curl_url_set(u->handle, CURLUPART_PASSWORD, NULL, 0);
            curl_url_set(u->handle, CURLUPART_FRAGMENT, NULL, 0);
        }
        CURLUcode got = curl_url_get(u->handle, parts[i].part, &u->text[i], parts[i].flags);
        if (got && got != CURLUE_NO_USER && got != CURLUE_NO_PASSWORD && got != CURLUE_NO_PORT)
            rc = got;
    }
    return rc;
}

int op_url(lua_State *L)
{
    const char *text = luaL_checkstring(L, 1), *base = luaL_optstring(L, 2, NULL);
    struct url *u = lua_newuserdata(L, sizeof *u);
    memset(u, 0, sizeof *u);
    luaL_getmetatable(L, "tusk.curl.url");
    lua_setmetatable(L, -2);
    u->handle = curl_url();
    if (!u->handle)
        return luaL_error(L, "not enough memory");
    CURLUcode rc = url_parse(u, text, base);
    if (rc) {
        lua_pushnil(L);
        lua_pushstring(L, curl_url_strerror(rc));
        return 2;
    }
    lua_createtable(L, 0, PART_COUNT);
    for (int i = 0; i < PART_COUNT; i++) {
        lua_pushstring(L, u->text[i]);
        lua_setfield(L, -2, parts[i].name);
    }
    lua_pushcfunction(L, url_free);
    lua_pushvalue(L, -3);
    lua_call(L, 1, 0);
    return 1;
}

void url_open(lua_State *L)
{
    luaL_newmetatable(L, "tusk.curl.url");
    lua_pushcfunction(L, url_free);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}

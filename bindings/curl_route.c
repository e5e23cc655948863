/* curl_route.c: the way to a server (proxies, local sockets), and the cookies that go along. */
#include "curl_http.h"

#define JAR "tusk.curl.jar"

/* ---- cookies ---- */

int op_jar(lua_State *L)
{
    CURLSH **jar = lua_newuserdata(L, sizeof *jar);
    *jar = NULL;
    luaL_getmetatable(L, JAR);
    lua_setmetatable(L, -2);
    *jar = curl_share_init();
    if (!*jar || curl_share_setopt(*jar, CURLSHOPT_SHARE, CURL_LOCK_DATA_COOKIE))
        return luaL_error(L, "not enough memory");
    return 1;
}

/* No request uses it any more: their specs keep it. */
static int op_jar_gc(lua_State *L)
{
    CURLSH **jar = lua_touserdata(L, 1);
    curl_share_cleanup(*jar);
    *jar = NULL;
    return 0;
}

CURLSH *jar_at(lua_State *L, int index)
{
    return lua_isnil(L, index) ? NULL : *(CURLSH **)luaL_checkudata(L, index, JAR);
}

void jar_open(lua_State *L)
{
    luaL_newmetatable(L, JAR);
    lua_pushcfunction(L, op_jar_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}

static int set_cookies(struct handle *h, const struct spec *s)
{
    if (!s->jar)
        return 0;
    h->special = 1;
    return curl_easy_setopt(h->easy, CURLOPT_SHARE, s->jar) ||
           curl_easy_setopt(h->easy, CURLOPT_COOKIEFILE, "") || // no file: cookies are on
           curl_easy_setopt(h->easy, CURLOPT_COOKIE, s->cookie);
}

/* ---- the way ---- */

/* A proxy's answers to CONNECT are none of the server's. */
static int set_proxy(struct handle *h, const struct spec *s)
{
    if (!s->proxy && !s->env_proxy)
        return 0;
    h->special = 1;
    curl_easy_setopt(h->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    return curl_easy_setopt(h->easy, CURLOPT_PROXY, s->proxy) || // NULL: the environment's
           curl_easy_setopt(h->easy, CURLOPT_NOPROXY, s->proxy ? "" : NULL);
}

static int set_unix(struct handle *h, const struct spec *s)
{
    if (!s->unix_path)
        return 0;
    h->special = 1;
    return (int)curl_easy_setopt(h->easy, CURLOPT_UNIX_SOCKET_PATH, s->unix_path);
}

int route_set(struct handle *h, const struct spec *s)
{
    return set_proxy(h, s) || set_unix(h, s) || set_cookies(h, s);
}

void route_end(struct handle *h)
{
    curl_easy_setopt(h->easy, CURLOPT_COOKIEFILE, NULL); // a reset loses its list
    curl_easy_setopt(h->easy, CURLOPT_SHARE, NULL);      // and keeps this
}

/* hash.c: digests and HMACs, at once or in pieces. */
/* link: -lcrypto */
#include "hash.h"

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <string.h>

static const char *const names[HASH_ALGORITHMS + 1] = {"md5",    "sha1",   "sha224",  "sha256",
                                                       "sha384", "sha512", "blake2b", NULL};

/* As libcrypto calls them. */
static const char *const foreign[HASH_ALGORITHMS] = {"MD5",    "SHA1",   "SHA224",    "SHA256",
                                                     "SHA384", "SHA512", "BLAKE2B512"};

static struct hash_state *state_of(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

EVP_MD *hash_algorithm(lua_State *L, int arg)
{
    struct hash_state *st = state_of(L);
    int i = luaL_checkoption(L, arg, NULL, names);
    if (!st->md[i])
        st->md[i] = EVP_MD_fetch(NULL, foreign[i], NULL);
    if (!st->md[i])
        tusk_fail(L, "hash.unavailable", "the system's libcrypto has no %s", names[i]);
    return st->md[i];
}

static EVP_MAC *hmac_of(lua_State *L)
{
    struct hash_state *st = state_of(L);
    if (!st->hmac)
        st->hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    if (!st->hmac)
        tusk_fail(L, "hash.unavailable", "the system's libcrypto has no HMAC");
    return st->hmac;
}

/* ---- in pieces ---- */

int hasher_update(struct hasher *h, const void *data, size_t n)
{
    int ok = h->mac ? EVP_MAC_update(h->mac, data, n) : EVP_DigestUpdate(h->md, data, n);
    return ok == 1 ? 0 : -1;
}

size_t hasher_finish(struct hasher *h, unsigned char *out)
{
    size_t n = 0;
    unsigned length = 0;
    if (h->mac)
        return EVP_MAC_final(h->mac, out, &n, EVP_MAX_MD_SIZE) == 1 ? n : 0;
    return EVP_DigestFinal_ex(h->md, out, &length) == 1 ? length : 0;
}

void hasher_free(struct hasher *h)
{
    EVP_MD_CTX_free(h->md);
    EVP_MAC_CTX_free(h->mac);
    h->md = NULL;
    h->mac = NULL;
}

static int hasher_gc(lua_State *L)
{
    hasher_free(lua_touserdata(L, 1));
    return 0;
}

static int begin_hmac(struct hasher *h, EVP_MAC *mac, const EVP_MD *md, const char *key, size_t n)
{
    char digest[32];
    OSSL_PARAM params[2] = {OSSL_PARAM_END, OSSL_PARAM_END};
    strncpy(digest, EVP_MD_get0_name(md), sizeof digest - 1);
    digest[sizeof digest - 1] = 0;
    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0);
    h->mac = EVP_MAC_CTX_new(mac);
    // no bytes are a key too, but NULL would mean that there is none
    return h->mac && EVP_MAC_init(h->mac, (const unsigned char *)(n ? key : ""), n, params) == 1;
}

static int begin(struct hasher *h, const EVP_MD *md)
{
    h->md = EVP_MD_CTX_new();
    return h->md && EVP_DigestInit_ex2(h->md, md, NULL) == 1;
}

/* new(algorithm, key | nil) -> hasher */
static int op_new(lua_State *L)
{
    size_t n;
    EVP_MD *md = hash_algorithm(L, 1);
    const char *key = luaL_optlstring(L, 2, NULL, &n);
    EVP_MAC *mac = key ? hmac_of(L) : NULL;
    struct hasher *h = lua_newuserdata(L, sizeof *h);
    memset(h, 0, sizeof *h);
    luaL_getmetatable(L, HASHER);
    lua_setmetatable(L, -2);
    if (!(key ? begin_hmac(h, mac, md, key, n) : begin(h, md)))
        return luaL_error(L, "not enough memory");
    return 1;
}

struct hasher *hash_check(lua_State *L)
{
    struct hasher *h = luaL_checkudata(L, 1, HASHER);
    if (!h->md && !h->mac)
        tusk_fail(L, "closed", "the digest has been made: begin a new one");
    if (h->busy)
        tusk_fail(L, "hash.busy", "another task is adding to it");
    return h;
}

/* update(hasher, data) */
static int op_update(lua_State *L)
{
    struct hasher *h = hash_check(L);
    size_t n;
    const char *data = luaL_checklstring(L, 2, &n);
    if (hasher_update(h, data, n))
        return luaL_error(L, "not enough memory");
    return 0;
}

/* finish(hasher) -> digest: bytes; there is no more to be had of it */
static int op_finish(lua_State *L)
{
    unsigned char out[EVP_MAX_MD_SIZE];
    struct hasher *h = hash_check(L);
    size_t n = hasher_finish(h, out);
    hasher_free(h);
    if (!n)
        return luaL_error(L, "not enough memory");
    lua_pushlstring(L, (const char *)out, n);
    return 1;
}

/* digest(algorithm, data) -> bytes */
static int op_digest(lua_State *L)
{
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    size_t n;
    EVP_MD *md = hash_algorithm(L, 1);
    const char *data = luaL_checklstring(L, 2, &n);
    if (EVP_Digest(data, n, out, &length, md, NULL) != 1)
        return luaL_error(L, "not enough memory");
    lua_pushlstring(L, (const char *)out, length);
    return 1;
}

/* ---- the table ---- */

static int state_gc(lua_State *L)
{
    struct hash_state *st = lua_touserdata(L, 1);
    for (int i = 0; i < HASH_ALGORITHMS; i++)
        EVP_MD_free(st->md[i]);
    EVP_MAC_free(st->hmac);
    memset(st, 0, sizeof *st);
    return 0;
}

static const luaL_Reg verbs[] = {
    {"new", op_new},           {"update", op_update},         {"finish", op_finish},
    {"digest", op_digest},     {"update_far", op_update_far}, {"file", op_file},
    {"hex", op_hex},           {"unhex", op_unhex},           {"base64", op_base64},
    {"unbase64", op_unbase64}, {"equal", op_equal},           {NULL, NULL},
};

static void set_gc(lua_State *L, lua_CFunction gc)
{
    lua_pushcfunction(L, gc);
    lua_setfield(L, -2, "__gc");
}

TUSK_LUA_EXPORT int luaopen_tusk_binding_hash(lua_State *L);

int luaopen_tusk_binding_hash(lua_State *L)
{
    luaL_newmetatable(L, HASHER);
    set_gc(L, hasher_gc);
    lua_pop(L, 1);
    lua_newtable(L);
    struct hash_state *st = lua_newuserdata(L, sizeof *st);
    memset(st, 0, sizeof *st);
    lua_newtable(L);
    set_gc(L, state_gc);
    lua_setmetatable(L, -2);
    luaL_setfuncs(L, verbs, 1);
    return 1;
}

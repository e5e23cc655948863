/* hash_code.c: bytes as text (RFC 4648), read back strictly; a comparison that tells nothing. */
#include "hash.h"

#include <openssl/crypto.h>
#include <string.h>

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char for_urls[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Room for n bytes, which is Lua's: it stays on the stack. */
static unsigned char *push_room(lua_State *L, size_t n)
{
    return lua_newuserdata(L, n ? n : 1);
}

static int push_made(lua_State *L, const unsigned char *made, size_t n)
{
    lua_pushlstring(L, (const char *)made, n);
    return 1;
}

/* nil, and which byte of the text is wrong: from 1 */
static int push_wrong(lua_State *L, size_t at)
{
    lua_pushnil(L);
    lua_pushnumber(L, (double)at + 1);
    return 2;
}

/* ---- hex ---- */

int op_hex(lua_State *L)
{
    static const char digits[] = "0123456789abcdef";
    size_t n;
    const unsigned char *data = (const unsigned char *)luaL_checklstring(L, 1, &n);
    unsigned char *out = push_room(L, 2 * n);
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = (unsigned char)digits[data[i] >> 4];
        out[2 * i + 1] = (unsigned char)digits[data[i] & 15];
    }
    return push_made(L, out, 2 * n);
}

static int nibble(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int op_unhex(lua_State *L)
{
    size_t n;
    const unsigned char *text = (const unsigned char *)luaL_checklstring(L, 1, &n);
    unsigned char *out = push_room(L, (n + 1) / 2);
    for (size_t i = 0; i < n; i++) {
        int value = nibble(text[i]);
        if (value < 0)
            return push_wrong(L, i);
        out[i / 2] = (unsigned char)(i % 2 ? out[i / 2] | value : value << 4);
        if (i == n - 1 && n % 2)
            return push_wrong(L, n); // one is missing
    }
    return push_made(L, out, n / 2);
}

/* ---- base64 ---- */

static unsigned char *put_group(unsigned char *out, const char *alphabet, uint32_t bits, int chars)
{
    for (int i = 0; i < chars; i++)
        *out++ = (unsigned char)alphabet[bits >> (18 - 6 * i) & 63];
    return out;
}

static uint32_t group_at(const unsigned char *data, size_t n)
{
    return (uint32_t)data[0] << 16 | (n > 1 ? (uint32_t)data[1] << 8 : 0) | (n > 2 ? data[2] : 0);
}

int op_base64(lua_State *L)
{
    size_t n;
    const unsigned char *data = (const unsigned char *)luaL_checklstring(L, 1, &n);
    const char *alphabet = lua_toboolean(L, 2) ? for_urls : standard;
    int padded = lua_toboolean(L, 3);
    unsigned char *room = push_room(L, (n + 2) / 3 * 4), *out = room;
    for (; n >= 3; data += 3, n -= 3)
        out = put_group(out, alphabet, group_at(data, 3), 4);
    if (n)
        out = put_group(out, alphabet, group_at(data, n), (int)n + 1);
    for (size_t i = n; n && padded && i < 3; i++)
        *out++ = '=';
    return push_made(L, room, (size_t)(out - room));
}

static void fill_table(signed char table[256], const char *alphabet)
{
    memset(table, -1, 256);
    for (int i = 0; i < 64; i++)
        table[(unsigned char)alphabet[i]] = (signed char)i;
}

/* The length without the padding. */
static size_t bare_length(const unsigned char *text, size_t n)
{
    size_t bare = n;
    while (bare && n - bare < 2 && text[bare - 1] == '=')
        bare--;
    return bare;
}

/* The padding is whole, or may be left out. */
static int is_whole(size_t bare, size_t n, int may_lack)
{
    return bare % 4 != 1 && (n % 4 == 0 || (may_lack && bare == n));
}

int op_unbase64(lua_State *L)
{
    size_t n;
    signed char table[256];
    const unsigned char *text = (const unsigned char *)luaL_checklstring(L, 1, &n);
    int url = lua_toboolean(L, 2);
    fill_table(table, url ? for_urls : standard);
    size_t bare = bare_length(text, n), size = 0;
    unsigned char *out = push_room(L, n / 4 * 3 + 3);
    uint32_t bits = 0;
    for (size_t i = 0; i < bare; i++) {
        if (table[text[i]] < 0)
            return push_wrong(L, i);
        bits = bits << 6 | (uint32_t)table[text[i]];
        if (i % 4)
            out[size++] = (unsigned char)(bits >> (6 - 2 * (i % 4)));
    }
    if (!is_whole(bare, n, url))
        return push_wrong(L, n);
    // what is left of the last character belongs to no byte: there is one way to write each
    uint32_t rest = bare % 4 == 2 ? bits & 15 : bare % 4 == 3 ? bits & 3 : 0;
    return rest ? push_wrong(L, bare - 1) : push_made(L, out, size);
}

/* ---- comparing ---- */

int op_equal(lua_State *L)
{
    size_t n, m;
    const char *a = luaL_checklstring(L, 1, &n), *b = luaL_checklstring(L, 2, &m);
    lua_pushboolean(L, n == m && CRYPTO_memcmp(a, b, n) == 0);
    return 1;
}

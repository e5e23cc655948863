/*
 * json.h: what the files of the json binding share. Nothing in them throws, and nothing with a
 * destructor is alive where Lua may raise.
 */
#ifndef TUSK_JSON_H
#define TUSK_JSON_H 1

#ifdef __cplusplus
#include <lua.hpp> // the plain headers do not say extern "C"
#endif

#include "tusk_lua.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Upvalues of both verbs. */
enum {
    UP_BOX = 1, /* the working memory not in use, or nil */
    UP_META,    /* its metatable */
    UP_MARK,    /* the metatable that marks arrays */
    UP_NULL,    /* tusk.null */
    UP_INT,     /* decode: (high, low, unsigned) -> 64-bit cdata; encode: cdata -> digits or nil */
};

/* Working memory: taken from the upvalue for the length of a call, so that calls may nest. */
struct json_key {
    const char *text;
    size_t len;
};

struct json_box {
    void *parser; /* simdjson's */
    char *in;     /* a text with room behind it, as that wants it */
    size_t in_cap;
    char *out;
    size_t len, cap;
    struct json_key *keys;
    size_t nkeys, keys_cap;
};

/* Pushes the box, made if need be, and empties the upvalue. */
struct json_box *json_take(lua_State *L);
/* Puts the box at stack index `at` back. */
void json_give(lua_State *L, int at);

/* Where and why a text is not JSON. */
struct json_fault {
    const char *kind;
    const char *message;
    size_t offset; /* bytes before it */
};

/* Finds the first fault of a text nested at most `depth` deep; 0: there is none. */
int json_locate(const char *text, size_t len, unsigned depth, struct json_fault *fault);
/* The length of the UTF-8 sequence at s, 0 when it is not one. */
size_t json_utf8(const unsigned char *s, const unsigned char *end);

/* encode(value, pretty, sort, depth) -> string */
int op_encode(lua_State *L);

#ifdef __cplusplus
}
#endif
#endif

/*
 * hash.h: what the files of the hash binding share. The algorithms are libcrypto's, fetched once
 * for each host.
 */
#ifndef TUSK_HASH_H
#define TUSK_HASH_H 1

#include "tusk_lua.h"

#include <openssl/evp.h>

enum { HASH_ALGORITHMS = 7 };

/* Per host: an upvalue of every verb. */
struct hash_state {
    EVP_MD *md[HASH_ALGORITHMS]; /* NULL: not fetched yet */
    EVP_MAC *hmac;
};

/* A digest, or with a key an HMAC, in the making. */
struct hasher {
    EVP_MD_CTX *md; /* one of the two */
    EVP_MAC_CTX *mac;
    uint8_t busy; /* a pool thread has it */
};

#define HASHER "tusk.hasher"

/* hash.c */
/* The algorithm named at the argument; raises if this libcrypto does not have it. */
EVP_MD *hash_algorithm(lua_State *L, int arg);
/* 0, or -1: out of memory. Any thread. */
int hasher_update(struct hasher *h, const void *data, size_t n);
/* The length of the digest, written to out[EVP_MAX_MD_SIZE]; 0: failed. Any thread. */
size_t hasher_finish(struct hasher *h, unsigned char *out);
void hasher_free(struct hasher *h);
/* The hasher at argument 1; raises if it has been finished, or is busy. */
struct hasher *hash_check(lua_State *L);

/* hash_far.c */
/* update_far(hasher, data): on the pool */
int op_update_far(lua_State *L);
/* file(algorithm, path) -> digest: on the pool */
int op_file(lua_State *L);

/* hash_code.c */
/* hex(data) -> text */
int op_hex(lua_State *L);
/* unhex(text) -> data | nil, where it is none */
int op_unhex(lua_State *L);
/* base64(data, url, padded) -> text */
int op_base64(lua_State *L);
/* unbase64(text, url) -> data | nil, where it is none; padding is needed unless url */
int op_unbase64(lua_State *L);
/* equal(a, b): the time it takes tells nothing but the lengths */
int op_equal(lua_State *L);

#endif

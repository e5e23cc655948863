/* The `@` dialect: a lexical rewrite of source into plain Lua. Pure C: no Lua state, no loop, no
 * globals. */
#ifndef TUSK_DIALECT_H
#define TUSK_DIALECT_H

#include <stddef.h>
#include <stdint.h>

/* The place of one `@name`; it is number N (from 1) in `_at[N]` when it is sites[N - 1]. */
struct dialect_site {
    size_t name, name_length; // NAME's offset in the source, and its bytes
    uint32_t line, column; // of the '@', both from 1; columns count bytes, a byte order mark none
    uint32_t span;         // bytes of `@name.chain:chain` as written
};

struct dialect_error {
    uint32_t line, column;
    char message[200];
};

struct dialect {
    char *text; // the plain Lua, NUL after it; NULL unless rewritten
    size_t length;
    struct dialect_site *sites;
    size_t count;
    int rewritten;
    struct dialect_error error;
};

/* Rewrites source[0..length). 0: done; when nothing is to be rewritten (no '@' outside strings and
 * comments, or bytecode) `rewritten` is 0, `text` NULL, and the source is to be used as it is.
 * -1: a syntax error, told in d->error. -2: out of memory. Pass a d with any content; free it
 * always.
 *
 * A rewritten chunk is `local _at=... return(function(...) SOURCE end)`: run it once with the table
 * of site values, and it returns the function that stands for the file. Line numbers are kept. */
int dialect_expand(struct dialect *d, const char *source, size_t length);

/* Releases text and sites; the error stays readable. Harmless when repeated. */
void dialect_free(struct dialect *d);

#endif

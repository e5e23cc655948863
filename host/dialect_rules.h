/* The mistakes around '@' that plain Lua could not name, and whatever would escape the wrapper. */
#ifndef TUSK_DIALECT_RULES_H
#define TUSK_DIALECT_RULES_H

#include "dialect.h"
#include "dialect_lex.h"
#include "dialect_stack.h"

struct rules {
    const char *source;
    struct dialect_error *error; // the first mistake, when `failed`
    int failed, no_memory;
    struct token previous; // the token before, as rules_take left it
    struct stack open;
    int defers;       // open @(
    int in_label;     // between two ::
    int target_site;  // `previous` is an @name that a ',' would make a target
    int private_name; // `previous` is a bare _at
};

/* Zeroes r. Close it with rules_end, also when there was no memory (`no_memory` is set). */
void rules_begin(struct rules *r, const char *source, struct dialect_error *error);

/* Judges the next token, T_EOF included; the ')' that closes an @( becomes T_DEFER_END, a `goto`
 * that is none a T_NAME. Nothing more may be taken once `failed` or `no_memory`. */
void rules_take(struct rules *r, struct token *t);

void rules_end(struct rules *r);

#endif

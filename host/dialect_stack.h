/* What is open while the rules read: brackets, blocks, functions, deferred expressions. */
#ifndef TUSK_DIALECT_STACK_H
#define TUSK_DIALECT_STACK_H

#include "dialect_lex.h"

enum { T_PARAMETERS = T_DEFER_END + 1 };

/* Something open. The first frame is the chunk itself, with opener T_START. */
struct frame {
    int opener;
    uint32_t line, column;
    char deferred;  // an expression of @( ): no function or block in between
    char unstarted; // a function before its parameters, a loop before its `do`
    char declares;  // in the names after `local` or `for`
    char targets;   // in a statement's head, which may be the targets of an assignment
};

struct stack {
    struct frame *frames;
    size_t depth, room; // frames in use, frames allocated
};

/* Opens a frame at token t. 0 when out of memory. The first must be T_START, and stays. */
int stack_push(struct stack *s, const struct token *t, int opener);
struct frame *stack_top(const struct stack *s);

/* Whether a closing token (bracket, `end`, `until`) is the one for that opener. */
int stack_closes(int type, int opener);

/* How the two ends of a frame are written. */
const char *opener_text(int opener);
const char *closer_text(int opener);

/* A frame that holds statements, at a place where they may stand. */
int frame_holds_statements(const struct frame *f);

#endif

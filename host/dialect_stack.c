/* The stack of what is open. */
#include "dialect_stack.h"

#include <stdlib.h>

const char *opener_text(int opener)
{
    switch (opener) {
    case '(':
    case T_PARAMETERS:
        return "(";
    case '[':
        return "[";
    case '{':
        return "{";
    case T_DEFER:
        return "@(";
    case T_FUNCTION:
        return "function";
    case T_IF:
        return "if";
    case T_FOR:
        return "for";
    case T_WHILE:
        return "while";
    case T_REPEAT:
        return "repeat";
    default:
        return "do";
    }
}

const char *closer_text(int opener)
{
    switch (opener) {
    case '(':
    case T_PARAMETERS:
    case T_DEFER:
        return ")";
    case '[':
        return "]";
    case '{':
        return "}";
    case T_REPEAT:
        return "until";
    default:
        return "end";
    }
}

int stack_closes(int type, int opener)
{
    switch (type) {
    case ')':
        return opener == '(' || opener == T_PARAMETERS || opener == T_DEFER;
    case ']':
        return opener == '[';
    case '}':
        return opener == '{';
    case T_UNTIL:
        return opener == T_REPEAT;
    default:
        return opener == T_FUNCTION || opener == T_IF || opener == T_FOR || opener == T_WHILE ||
               opener == T_DO;
    }
}

static int is_bracket(int opener)
{
    return opener == '(' || opener == '[' || opener == '{';
}

int frame_holds_statements(const struct frame *f)
{
    return !f->deferred && !f->unstarted && !is_bracket(f->opener) && f->opener != T_PARAMETERS;
}

struct frame *stack_top(const struct stack *s)
{
    return &s->frames[s->depth - 1];
}

static struct frame *add_frame(struct stack *s)
{
    if (s->depth == s->room) {
        size_t room = s->room * 2 + 16;
        struct frame *frames = realloc(s->frames, room * sizeof *frames);
        if (frames == NULL)
            return NULL;
        s->frames = frames;
        s->room = room;
    }
    return &s->frames[s->depth++];
}

int stack_push(struct stack *s, const struct token *t, int opener)
{
    struct frame *f = add_frame(s);
    if (f == NULL)
        return 0;
    *f = (struct frame){.opener = opener, .line = t->line, .column = t->column};
    f->deferred = opener == T_DEFER || (is_bracket(opener) && f[-1].deferred);
    f->unstarted = opener == T_FUNCTION || opener == T_FOR || opener == T_WHILE;
    f->declares = opener == T_FOR;
    return 1;
}

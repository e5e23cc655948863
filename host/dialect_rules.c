/* The rules, followed with a stack of what is open and the token before. Source that closed more
 * than it opened would end the wrapper around it, so everything open must match exactly. */
#include "dialect_rules.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NESTED_DEFERS = 200 };

/* Errors */

__attribute__((format(printf, 4, 5))) static void fail(struct rules *r, uint32_t line,
                                                       uint32_t column, const char *format, ...)
{
    if (r->failed)
        return;
    r->failed = 1;
    r->error->line = line;
    r->error->column = column;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(r->error->message, sizeof r->error->message, format, arguments);
    va_end(arguments);
}

#define fail_at(r, t, ...) fail((r), (t)->line, (t)->column, __VA_ARGS__)

/* A token's text, as a precision and a pointer for "%.*s". */
#define TEXT(r, t) text_width(t), (r)->source + (t)->start

static int text_width(const struct token *t)
{
    size_t width = t->end - t->start;
    return width < 40 ? (int)width : 40;
}

static struct frame *top(struct rules *r)
{
    return stack_top(&r->open);
}

static void push(struct rules *r, const struct token *t, int opener)
{
    if (!stack_push(&r->open, t, opener))
        r->no_memory = 1;
}

static void pop(struct rules *r, const struct token *t)
{
    struct frame *f = top(r);
    if (f->opener == T_START)
        fail_at(r, t, "unexpected '%.*s': nothing is open here that it could close", TEXT(r, t));
    else if (!stack_closes(t->type, f->opener))
        fail_at(r, t, "unexpected '%.*s': the '%s' of line %u is still open", TEXT(r, t),
                opener_text(f->opener), (unsigned)f->line);
    else
        r->open.depth--;
}

static void check_all_closed(struct rules *r)
{
    const struct frame *f = top(r);
    if (f->opener != T_START)
        fail(r, f->line, f->column, "'%s' is never closed: the file ends and no '%s' has come",
             opener_text(f->opener), closer_text(f->opener));
}

/* What may follow what */

/* Whether an expression may begin after the previous token: an operand is still missing. */
static int awaits_expression(struct rules *r)
{
    int type = r->previous.type;
    switch (type) {
    case T_CONCAT:
    case T_COMPARE:
    case T_DEFER:
    case T_AND:
    case T_OR:
    case T_NOT:
    case T_RETURN:
    case T_IF:
    case T_ELSEIF:
    case T_WHILE:
    case T_UNTIL:
    case T_IN:
        return 1;
    case ';':
        return top(r)->opener == '{';
    default:
        return type < T_START && type > 0 && strchr("+-*/%^#<>=,([{", type) != NULL;
    }
}

/* Whether the token after the previous one, if a name or an '@', begins a statement. */
static int at_statement(struct rules *r)
{
    if (!frame_holds_statements(top(r)))
        return 0;
    switch (r->previous.type) {
    case T_START:
    case T_DO:
    case T_THEN:
    case T_ELSE:
    case T_REPEAT:
    case T_BREAK:
    case ';':
        return 1;
    case T_LABEL:
        return !r->in_label;
    default:
        return token_ends_expression(r->previous.type);
    }
}

/* Whether a name here would be a new one: a variable, a parameter, a function, a label. */
static int at_declaration(struct rules *r)
{
    const struct frame *f = top(r);
    switch (r->previous.type) {
    case T_LOCAL:
    case T_GOTO:
    case T_FUNCTION:
        return 1;
    case T_LABEL:
        return r->in_label;
    case T_FOR:
    case ',':
        if (f->declares)
            return 1;
        break;
    }
    return f->opener == T_PARAMETERS || (f->opener == T_FUNCTION && f->unstarted);
}

/* The forms of '@' */

/* What is wrong with any '@' form at this place. */
static void check_place(struct rules *r, const struct token *t)
{
    int previous = r->previous.type;
    if (previous == '.' || previous == ':')
        fail_at(r, t, "an operator cannot be a field: no '%c' comes before '@'", previous);
    else if (at_declaration(r))
        fail_at(r, t, "an operator cannot be declared: a plain name stands here, without '@'");
}

static void read_site(struct rules *r, const struct token *t)
{
    const char *name = r->source + t->start + 1;
    int statement = at_statement(r);
    if (lex_word_type(name, t->end - t->start - 1) != T_NAME)
        fail_at(r, t, "'%.*s' cannot be an operator: it is a keyword of Lua", text_width(t) - 1,
                name);
    check_place(r, t);
    if (statement)
        top(r)->targets = 1;
    r->target_site = statement || (r->previous.type == ',' && top(r)->targets);
}

static void read_defer(struct rules *r, const struct token *t)
{
    check_place(r, t);
    if (!awaits_expression(r))
        fail_at(r, t, "a deferred expression is a value: pass it to something, as in f(@(x))");
    if (++r->defers > MAX_NESTED_DEFERS)
        fail_at(r, t, "@( is nested more than %d deep", MAX_NESTED_DEFERS);
    push(r, t, T_DEFER);
}

static void close_defer(struct rules *r, struct token *t)
{
    if (r->previous.type == T_DEFER)
        fail_at(r, t, "@() needs an expression between its parentheses");
    else if (!token_ends_expression(r->previous.type))
        fail_at(r, t, "the expression in @( ) breaks off after '%.*s'", TEXT(r, &r->previous));
    t->type = T_DEFER_END;
    r->defers--;
    r->open.depth--;
}

/* Checks that need the token after */

/* Whether a call or an index goes on after a name with this token. */
static int is_suffix(int type)
{
    return type == T_STRING || (type < T_START && type > 0 && strchr("(.:[{", type) != NULL);
}

static void check_after_site(struct rules *r, const struct token *t)
{
    const struct token *site = &r->previous;
    if (t->type == '=' || (t->type == ',' && r->target_site))
        fail_at(r, site, "'%.*s' is an operator: nothing can be assigned to it", TEXT(r, site));
    else if (r->target_site && !is_suffix(t->type))
        fail_at(r, site, "'%.*s' alone is no statement: call it", TEXT(r, site));
}

static void check_after_defer(struct rules *r, const struct token *t)
{
    if (t->type == '(' && t->line != r->previous.line)
        fail_at(r, t, "'(' after a deferred expression reads as a call: put ';' before it");
    else if (is_suffix(t->type))
        fail_at(r, t, "a deferred expression is a value to pass, not to call or to index");
}

/* `_at` may be a field's name, or a key in a table constructor. */
static void check_after_private_name(struct rules *r, const struct token *t)
{
    if (t->type != '=' || top(r)->opener != '{')
        fail_at(r, &r->previous, "'_at' is taken in a file that uses '@': choose another name");
}

static void check_after_previous(struct rules *r, const struct token *t)
{
    if (r->private_name)
        check_after_private_name(r, t);
    if (r->previous.type == T_SITE)
        check_after_site(r, t);
    else if (r->previous.type == T_DEFER_END)
        check_after_defer(r, t);
}

/* Inside @( ), outside any function in it */

static void check_deferred(struct rules *r, const struct token *t)
{
    int directly = top(r)->opener == T_DEFER;
    if (t->type == T_RETURN)
        fail_at(r, t, "no 'return' in @( ): it returns its expression by itself");
    else if (token_is_statement_word(t->type))
        fail_at(r, t, "'%.*s' is no part of an expression, which is all that @( ) takes",
                TEXT(r, t));
    else if (t->type == T_DOTS)
        fail_at(r, t, "'...' does not reach into @( ): copy it to a local first");
    else if (directly && t->type == '=')
        fail_at(r, t, "an assignment is no expression, which is all that @( ) takes");
    else if (directly && (t->type == ';' || (token_begins_expression(t->type) &&
                                             token_ends_expression(r->previous.type))))
        fail_at(r, t, "')' was expected before '%.*s': @( ) takes one expression", TEXT(r, t));
}

/* Tokens of plain Lua */

static void read_name(struct rules *r, const struct token *t)
{
    struct frame *f = top(r);
    int previous = r->previous.type;
    if (at_statement(r)) {
        f->targets = 1;
        f->declares = 0;
    }
    r->private_name = t->end - t->start == 3 && previous != '.' && previous != ':' &&
                      memcmp(r->source + t->start, "_at", 3) == 0;
}

static void read_do(struct rules *r, const struct token *t)
{
    struct frame *f = top(r);
    if (f->unstarted && f->opener != T_FUNCTION)
        f->unstarted = 0;
    else
        push(r, t, T_DO);
}

static void read_open_paren(struct rules *r, const struct token *t)
{
    struct frame *f = top(r);
    int parameters = f->unstarted && f->opener == T_FUNCTION;
    f->unstarted = (char)(f->unstarted && !parameters);
    push(r, t, parameters ? T_PARAMETERS : '(');
}

static void read_close_paren(struct rules *r, struct token *t)
{
    if (top(r)->opener == T_DEFER)
        close_defer(r, t);
    else
        pop(r, t);
}

/* What any other token than a name or a comma means for the names before it. */
static void leave_names(struct rules *r, const struct token *t)
{
    struct frame *f = top(r);
    if (t->type == T_LOCAL)
        f->declares = 1;
    else if (t->type != ',')
        f->declares = 0;
    if (t->type == '=' || token_is_word(t->type))
        f->targets = 0;
}

static void read_plain(struct rules *r, struct token *t)
{
    leave_names(r, t);
    switch (t->type) {
    case '(':
        read_open_paren(r, t);
        break;
    case ')':
        read_close_paren(r, t);
        break;
    case ']':
    case '}':
    case T_END:
    case T_UNTIL:
        pop(r, t);
        break;
    case '[':
    case '{':
    case T_FUNCTION:
    case T_IF:
    case T_FOR:
    case T_WHILE:
    case T_REPEAT:
        push(r, t, t->type);
        break;
    case T_DO:
        read_do(r, t);
        break;
    case T_LABEL:
        r->in_label = !r->in_label;
        break;
    }
}

/* `goto` is a keyword only where a statement begins. */
static void settle_goto(struct rules *r, struct token *t)
{
    if (t->type == T_GOTO && !at_statement(r))
        t->type = T_NAME;
}

static void read_token(struct rules *r, struct token *t)
{
    switch (t->type) {
    case '@':
        fail_at(r, t, "write @name or @(expression): no space or anything else follows '@'");
        break;
    case T_SITE:
        read_site(r, t);
        break;
    case T_DEFER:
        read_defer(r, t);
        break;
    case T_NAME:
        read_name(r, t);
        break;
    case T_EOF:
        check_all_closed(r);
        break;
    default:
        read_plain(r, t);
    }
}

void rules_take(struct rules *r, struct token *t)
{
    settle_goto(r, t);
    check_after_previous(r, t);
    if (top(r)->deferred)
        check_deferred(r, t);
    r->private_name = 0;
    read_token(r, t);
    r->previous = *t;
}

void rules_begin(struct rules *r, const char *source, struct dialect_error *error)
{
    *r = (struct rules){.source = source, .error = error, .previous = {.type = T_START}};
    push(r, &r->previous, T_START);
}

void rules_end(struct rules *r)
{
    free(r->open.frames);
    r->open.frames = NULL;
}

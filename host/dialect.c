/* The rewrite: tokens in, plain Lua out. dialect_lex.c finds the tokens, dialect_rules.c the
 * mistakes; here is what is written in their place. A mistake counts only if there is an '@'
 * somewhere: without one the source is Lua's business alone, and nothing is written. */
#include "dialect.h"
#include "dialect_lex.h"
#include "dialect_rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROLOGUE "local _at=... return(function(...) "
#define EPILOGUE "\nend)"

struct expander {
    struct dialect *d;
    struct lexer lx;
    struct rules rules;
    size_t body;   // where the wrapper opens
    size_t copied; // source up to here is in the text
    size_t text_room, sites_room;
    int no_memory;
};

/* Room for `more` elements after `used`; the array, moved perhaps, or NULL. */
static void *reserve(void *array, size_t used, size_t more, size_t size, size_t *room)
{
    if (array != NULL && *room - used >= more)
        return array;
    size_t wanted = (used + more) * 2 + 16;
    void *moved = wanted > SIZE_MAX / 2 / size ? NULL : realloc(array, wanted * size);
    if (moved != NULL)
        *room = wanted;
    return moved;
}

static void put(struct expander *x, const char *bytes, size_t length)
{
    struct dialect *d = x->d;
    char *text = reserve(d->text, d->length, length + 1, 1, &x->text_room);
    if (text == NULL) {
        x->no_memory = 1;
        return;
    }
    memcpy(text + d->length, bytes, length);
    d->text = text;
    d->length += length;
    d->text[d->length] = '\0';
}

static void put_word(struct expander *x, const char *word)
{
    put(x, word, strlen(word));
}

static void put_source_until(struct expander *x, size_t end)
{
    put(x, x->lx.source + x->copied, end - x->copied);
    x->copied = end;
}

/* Puts what stands before an '@' form, and a blank where the two would run together. */
static void put_source_before(struct expander *x, const struct token *before, const struct token *t)
{
    put_source_until(x, t->start);
    x->copied = t->end;
    int word = token_is_word(before->type) || before->type == T_DEFER_END;
    if (word && before->end == t->start)
        put_word(x, " ");
}

/* Bytes of `@name.chain:chain` from `start`, NAME ending at `end`. */
static uint32_t chain_span(const struct lexer *lx, size_t start, size_t end)
{
    const unsigned char *s = (const unsigned char *)lx->source;
    while (end + 1 < lx->length && (s[end] == '.' || s[end] == ':') && lex_is_name_byte(s[end + 1]))
        for (end++; end < lx->length && lex_is_name_byte(s[end]);)
            end++;
    return (uint32_t)(end - start);
}

static struct dialect_site *add_site(struct expander *x)
{
    struct dialect *d = x->d;
    struct dialect_site *sites = reserve(d->sites, d->count, 1, sizeof *sites, &x->sites_room);
    if (sites == NULL) {
        x->no_memory = 1;
        return NULL;
    }
    d->sites = sites;
    return &sites[d->count++];
}

static void put_site(struct expander *x, const struct token *before, const struct token *t)
{
    struct dialect_site *site = add_site(x);
    if (site == NULL)
        return;
    *site = (struct dialect_site){.name = t->start + 1,
                                  .name_length = t->end - t->start - 1,
                                  .line = t->line,
                                  .column = t->column,
                                  .span = chain_span(&x->lx, t->start, t->end)};
    char handle[32];
    snprintf(handle, sizeof handle, "_at[%zu]", x->d->count);
    put_source_before(x, before, t);
    put_word(x, handle);
}

static void put_defer_end(struct expander *x, const struct token *t)
{
    put_source_until(x, t->start);
    put_word(x, " end");
    x->copied = t->end;
    if (t->end < x->lx.length && lex_is_name_byte((unsigned char)x->lx.source[t->end]))
        put_word(x, " ");
}

static void put_token(struct expander *x, const struct token *before, const struct token *t)
{
    switch (t->type) {
    case T_SITE:
        put_site(x, before, t);
        break;
    case T_DEFER:
        put_source_before(x, before, t);
        put_word(x, "function() return ");
        break;
    case T_DEFER_END:
        put_defer_end(x, t);
        break;
    }
}

static int is_at(int type)
{
    return type == '@' || type == T_SITE || type == T_DEFER;
}

static void open_wrapper(struct expander *x)
{
    x->d->rewritten = 1;
    put_source_until(x, x->body);
    put_word(x, PROLOGUE);
}

static void close_wrapper(struct expander *x)
{
    put_source_until(x, x->lx.length);
    put_word(x, EPILOGUE);
}

/* One token; 0 after the last, or when an '@' and a mistake have been seen. */
static int step(struct expander *x)
{
    struct token before = x->rules.previous, t = lex_next(&x->lx);
    if (is_at(t.type) && !x->d->rewritten)
        open_wrapper(x);
    if (t.type == T_BROKEN)
        return 0;
    if (!x->rules.failed)
        rules_take(&x->rules, &t);
    x->no_memory |= x->rules.no_memory;
    if (x->no_memory || (x->rules.failed && x->d->rewritten))
        return 0;
    if (!x->rules.failed)
        put_token(x, &before, &t);
    return t.type != T_EOF;
}

static int is_bytecode(const struct lexer *lx)
{
    return lx->at < lx->length && lx->source[lx->at] == '\x1b';
}

static void expand(struct expander *x)
{
    x->body = x->lx.at;
    rules_begin(&x->rules, x->lx.source, &x->d->error);
    x->no_memory = x->rules.no_memory;
    while (!x->no_memory && step(x))
        continue;
    rules_end(&x->rules);
    if (x->d->rewritten && !x->rules.failed)
        close_wrapper(x);
}

int dialect_expand(struct dialect *d, const char *source, size_t length)
{
    *d = (struct dialect){.text = NULL};
    struct expander x = {.d = d};
    lex_begin(&x.lx, source, length);
    if (is_bytecode(&x.lx))
        return 0;
    expand(&x);
    int failed = x.rules.failed && d->rewritten;
    if (failed || x.no_memory)
        dialect_free(d);
    return x.no_memory ? -2 : failed ? -1 : 0;
}

void dialect_free(struct dialect *d)
{
    free(d->text);
    free(d->sites);
    d->text = NULL;
    d->sites = NULL;
    d->length = d->count = 0;
    d->rewritten = 0;
}

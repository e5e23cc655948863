/* Tokens of LuaJIT's source language and of the two `@` forms, as dialect.c reads them. */
#ifndef TUSK_DIALECT_LEX_H
#define TUSK_DIALECT_LEX_H

#include <stddef.h>
#include <stdint.h>

/* A token's type is its character when it is one character long, else one of these. */
enum {
    T_START = 256, // before the first token
    T_EOF,
    T_BROKEN, // an unfinished string or comment: the rest of the source has no tokens
    T_NAME,
    T_NUMBER,
    T_STRING,
    T_CONCAT,  // ..
    T_DOTS,    // ...
    T_LABEL,   // ::
    T_COMPARE, // == ~= <= >=
    T_SITE,    // @name
    T_DEFER,   // @(
    T_AND,
    T_BREAK,
    T_DO,
    T_ELSE,
    T_ELSEIF,
    T_END,
    T_FALSE,
    T_FOR,
    T_FUNCTION,
    T_GOTO,
    T_IF,
    T_IN,
    T_LOCAL,
    T_NIL,
    T_NOT,
    T_OR,
    T_REPEAT,
    T_RETURN,
    T_THEN,
    T_TRUE,
    T_UNTIL,
    T_WHILE,
    T_DEFER_END // the ')' of an @(; the lexer gives ')', dialect_rules.c knows better
};

struct token {
    int type;
    size_t start, end; // source[start..end)
    uint32_t line, column;
};

struct lexer {
    const char *source;
    size_t length, at;
    size_t line_start;
    uint32_t line;
};

/* Starts after a byte order mark and a first line that begins with '#', as LuaJIT does. */
void lex_begin(struct lexer *lx, const char *source, size_t length);

/* The next token, past blanks and comments. At the end: T_EOF, again and again. */
struct token lex_next(struct lexer *lx);

/* Whether LuaJIT takes this byte into a name (not first, if a digit). */
int lex_is_name_byte(int c);

/* Token classes: a name, number or keyword; what an expression can end with; what begins an
 * expression and never goes on with one; keywords that no expression has outside a function. */
int token_is_word(int type);
int token_ends_expression(int type);
int token_begins_expression(int type);
int token_is_statement_word(int type);

/* The keyword's token type, or T_NAME. */
int lex_word_type(const char *word, size_t length);

#endif

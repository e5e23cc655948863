/* LuaJIT's lexer without its values: where tokens begin and end. Follows lj_lex.c byte for byte in
 * what it skips, since a difference would rewrite inside a string or escape from the wrapper. */
#include "dialect_lex.h"

#include <string.h>

static const struct {
    const char *word;
    int type;
} keywords[] = {
    {"and", T_AND},       {"break", T_BREAK},       {"do", T_DO},       {"else", T_ELSE},
    {"elseif", T_ELSEIF}, {"end", T_END},           {"false", T_FALSE}, {"for", T_FOR},
    {"goto", T_GOTO},     {"function", T_FUNCTION}, {"if", T_IF},       {"in", T_IN},
    {"local", T_LOCAL},   {"nil", T_NIL},           {"not", T_NOT},     {"or", T_OR},
    {"repeat", T_REPEAT}, {"return", T_RETURN},     {"then", T_THEN},   {"true", T_TRUE},
    {"until", T_UNTIL},   {"while", T_WHILE},
};

static int is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static int is_line_end(int c)
{
    return c == '\n' || c == '\r';
}

static int is_blank(int c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

int lex_is_name_byte(int c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

int lex_word_type(const char *word, size_t length)
{
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++)
        if (strlen(keywords[i].word) == length && memcmp(keywords[i].word, word, length) == 0)
            return keywords[i].type;
    return T_NAME;
}

/* The byte `ahead` of the reading position, or -1 past the end. */
static int peek(const struct lexer *lx, size_t ahead)
{
    size_t at = lx->at + ahead;
    return at < lx->length ? (unsigned char)lx->source[at] : -1;
}

/* Passes one line end: \n, \r, \r\n or \n\r. */
static void pass_line_end(struct lexer *lx)
{
    int first = peek(lx, 0), second = peek(lx, 1);
    lx->at += is_line_end(second) && second != first ? 2 : 1;
    lx->line++;
    lx->line_start = lx->at;
}

static void pass_rest_of_line(struct lexer *lx)
{
    while (lx->at < lx->length && !is_line_end(peek(lx, 0)))
        lx->at++;
}

static void pass_blanks(struct lexer *lx)
{
    while (is_blank(peek(lx, 0)))
        if (is_line_end(peek(lx, 0)))
            pass_line_end(lx);
        else
            lx->at++;
}

void lex_begin(struct lexer *lx, const char *source, size_t length)
{
    *lx = (struct lexer){.source = source, .length = length, .line = 1};
    if (length >= 3 && memcmp(source, "\xef\xbb\xbf", 3) == 0)
        lx->at = lx->line_start = 3;
    if (peek(lx, 0) != '#')
        return;
    pass_rest_of_line(lx);
    if (lx->at < length)
        pass_line_end(lx);
}

/* At a bracket: the number of '=' up to a second such bracket, or -1 when there is none. */
static long long_bracket_level(const struct lexer *lx)
{
    size_t level = 0;
    while (peek(lx, level + 1) == '=')
        level++;
    return peek(lx, level + 1) == peek(lx, 0) ? (long)level : -1;
}

/* At the opening bracket of that level. 0 when it is never closed. */
static int pass_long_string(struct lexer *lx, long level)
{
    lx->at += (size_t)level + 2;
    while (lx->at < lx->length) {
        int c = peek(lx, 0);
        if (c == ']' && long_bracket_level(lx) == level) {
            lx->at += (size_t)level + 2;
            return 1;
        }
        if (is_line_end(c))
            pass_line_end(lx);
        else
            lx->at++;
    }
    return 0;
}

static void pass_escape(struct lexer *lx)
{
    lx->at++;
    int c = peek(lx, 0);
    if (is_line_end(c)) {
        pass_line_end(lx);
    } else if (c >= 0) {
        lx->at++;
        if (c == 'z')
            pass_blanks(lx);
    }
}

/* At the opening quote. 0 when the line or the source ends first. */
static int pass_short_string(struct lexer *lx)
{
    int quote = peek(lx, 0);
    lx->at++;
    for (;;) {
        int c = peek(lx, 0);
        if (c < 0 || is_line_end(c))
            return 0;
        if (c == '\\') {
            pass_escape(lx);
            continue;
        }
        lx->at++;
        if (c == quote)
            return 1;
    }
}

/* LuaJIT takes every name byte and dot, and a sign after the exponent letter, then judges. */
static void pass_number(struct lexer *lx)
{
    int last = peek(lx, 0), exponent = 'e';
    if (last == '0' && (peek(lx, 1) | 0x20) == 'x')
        exponent = 'p';
    for (;;) {
        int c = peek(lx, 0);
        int sign = (c == '-' || c == '+') && (last | 0x20) == exponent;
        if (c < 0 || (!lex_is_name_byte(c) && c != '.' && !sign))
            return;
        last = c;
        lx->at++;
    }
}

static void pass_name(struct lexer *lx)
{
    while (lex_is_name_byte(peek(lx, 0)))
        lx->at++;
}

/* Passes blanks and comments. 0 when a long comment is never closed. */
static int pass_space(struct lexer *lx)
{
    for (;;) {
        pass_blanks(lx);
        if (peek(lx, 0) != '-' || peek(lx, 1) != '-')
            return 1;
        lx->at += 2;
        long level = peek(lx, 0) == '[' ? long_bracket_level(lx) : -1;
        if (level < 0)
            pass_rest_of_line(lx);
        else if (!pass_long_string(lx, level))
            return 0;
    }
}

static int scan_word(struct lexer *lx)
{
    size_t start = lx->at;
    pass_name(lx);
    return lex_word_type(lx->source + start, lx->at - start);
}

static int scan_at(struct lexer *lx)
{
    int next = peek(lx, 1);
    lx->at++;
    if (next == '(') {
        lx->at++;
        return T_DEFER;
    }
    if (!lex_is_name_byte(next) || is_digit(next))
        return '@';
    pass_name(lx);
    return T_SITE;
}

static int scan_dots(struct lexer *lx)
{
    if (is_digit(peek(lx, 1))) {
        lx->at++;
        pass_number(lx);
        return T_NUMBER;
    }
    size_t dots = peek(lx, 1) != '.' ? 1 : peek(lx, 2) != '.' ? 2 : 3;
    lx->at += dots;
    return dots == 1 ? '.' : dots == 2 ? T_CONCAT : T_DOTS;
}

static int scan_bracket(struct lexer *lx)
{
    long level = long_bracket_level(lx);
    if (level >= 0)
        return pass_long_string(lx, level) ? T_STRING : T_BROKEN;
    lx->at++;
    return '[';
}

static int scan_symbol(struct lexer *lx)
{
    int c = peek(lx, 0), next = peek(lx, 1);
    lx->at++;
    if (next == '=' && (c == '=' || c == '~' || c == '<' || c == '>')) {
        lx->at++;
        return T_COMPARE;
    }
    if (next == ':' && c == ':') {
        lx->at++;
        return T_LABEL;
    }
    return c;
}

static int scan(struct lexer *lx)
{
    int c = peek(lx, 0);
    if (c < 0)
        return T_EOF;
    if (is_digit(c)) {
        pass_number(lx);
        return T_NUMBER;
    }
    if (lex_is_name_byte(c))
        return scan_word(lx);
    switch (c) {
    case '@':
        return scan_at(lx);
    case '.':
        return scan_dots(lx);
    case '[':
        return scan_bracket(lx);
    case '"':
    case '\'':
        return pass_short_string(lx) ? T_STRING : T_BROKEN;
    default:
        return scan_symbol(lx);
    }
}

struct token lex_next(struct lexer *lx)
{
    int closed = pass_space(lx);
    struct token t = {.start = lx->at, .line = lx->line};
    t.column = (uint32_t)(lx->at - lx->line_start + 1);
    t.type = closed ? scan(lx) : T_BROKEN;
    t.end = lx->at;
    return t;
}

int token_is_word(int type)
{
    return type == T_NAME || type == T_NUMBER || (type >= T_AND && type <= T_WHILE);
}

int token_ends_expression(int type)
{
    switch (type) {
    case T_NAME:
    case T_NUMBER:
    case T_STRING:
    case T_SITE:
    case T_DEFER_END:
    case T_DOTS:
    case T_NIL:
    case T_TRUE:
    case T_FALSE:
    case T_END:
    case ')':
    case ']':
    case '}':
        return 1;
    default:
        return 0;
    }
}

int token_begins_expression(int type)
{
    switch (type) {
    case T_NAME:
    case T_NUMBER:
    case T_SITE:
    case T_DEFER:
    case T_DOTS:
    case T_NIL:
    case T_TRUE:
    case T_FALSE:
    case T_FUNCTION:
    case T_NOT:
        return 1;
    default:
        return 0;
    }
}

int token_is_statement_word(int type)
{
    switch (type) {
    case T_BREAK:
    case T_DO:
    case T_ELSE:
    case T_ELSEIF:
    case T_END:
    case T_FOR:
    case T_IF:
    case T_IN:
    case T_LOCAL:
    case T_REPEAT:
    case T_RETURN:
    case T_THEN:
    case T_UNTIL:
    case T_WHILE:
        return 1;
    default:
        return 0;
    }
}

/*
 * json_locate.c: where a text that is not JSON goes wrong. Runs only after the parser refused it,
 * so it is strict and plain rather than fast.
 */
#include "json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 1000 };

struct scan {
    const unsigned char *s, *at, *end;
    struct json_fault *fault;
    unsigned depth, limit;
    char open[DEPTH_MAX + 1]; /* the brackets that are open */
};

static int fail_at(struct scan *x, const unsigned char *at, const char *kind, const char *message)
{
    x->fault->kind = kind;
    x->fault->message = message;
    x->fault->offset = (size_t)(at - x->s);
    return 0;
}

static int fail(struct scan *x, const char *message)
{
    const char *what = x->at == x->end ? "the text ends too early" : message;
    return fail_at(x, x->at, "json.syntax", what);
}

static void skip_space(struct scan *x)
{
    while (x->at < x->end && memchr(" \t\r\n", *x->at, 4))
        x->at++;
}

size_t json_utf8(const unsigned char *s, const unsigned char *end)
{
    if (*s < 0x80)
        return 1;
    size_t n = *s >= 0xf0 ? 4 : *s >= 0xe0 ? 3 : 2;
    if (*s < 0xc2 || *s > 0xf4 || (size_t)(end - s) < n)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    int overlong = (*s == 0xe0 && s[1] < 0xa0) || (*s == 0xf0 && s[1] < 0x90);
    int outside = (*s == 0xed && s[1] > 0x9f) || (*s == 0xf4 && s[1] > 0x8f);
    return overlong || outside ? 0 : n;
}

/* The four digits of \uXXXX, or -1. */
static long hex4(const unsigned char *s, const unsigned char *end)
{
    long v = 0;
    if (end - s < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int c = s[i], d = c - '0';
        if (c >= 'a' && c <= 'f')
            d = c - 'a' + 10;
        else if (c >= 'A' && c <= 'F')
            d = c - 'A' + 10;
        else if (c < '0' || c > '9')
            return -1;
        v = v * 16 + d;
    }
    return v;
}

static int scan_unicode(struct scan *x)
{
    long v = hex4(x->at + 2, x->end);
    if (v < 0)
        return fail(x, "\\u needs four hexadecimal digits");
    if (v < 0xd800 || v > 0xdfff) {
        x->at += 6;
        return 1;
    }
    const unsigned char *low = x->at + 6;
    int paired = v < 0xdc00 && x->end - low >= 6 && low[0] == '\\' && low[1] == 'u';
    long w = paired ? hex4(low + 2, x->end) : -1;
    if (w < 0xdc00 || w > 0xdfff)
        return fail(x, "half of a surrogate pair");
    x->at += 12;
    return 1;
}

static int scan_escape(struct scan *x)
{
    if (x->end - x->at < 2) {
        x->at = x->end;
        return fail(x, "");
    }
    if (x->at[1] == 'u')
        return scan_unicode(x);
    if (!strchr("\"\\/bfnrt", x->at[1]) || !x->at[1])
        return fail(x, "unknown escape in a string");
    x->at += 2;
    return 1;
}

static int scan_string(struct scan *x)
{
    const unsigned char *start = x->at++;
    while (x->at < x->end && *x->at != '"') {
        if (*x->at == '\\') {
            if (!scan_escape(x))
                return 0;
        } else if (*x->at < 0x20) {
            return fail(x, "control character in a string (write it as an escape)");
        } else {
            size_t n = json_utf8(x->at, x->end);
            if (!n)
                return fail(x, "invalid UTF-8");
            x->at += n;
        }
    }
    if (x->at == x->end)
        return fail_at(x, start, "json.syntax", "this string has no end");
    x->at++;
    return 1;
}

static int scan_digits(struct scan *x)
{
    const unsigned char *start = x->at;
    while (x->at < x->end && *x->at >= '0' && *x->at <= '9')
        x->at++;
    return x->at > start ? 1 : fail(x, "a digit was expected");
}

static int is_too_large(const unsigned char *start, const unsigned char *end, int whole)
{
    char text[512];
    size_t n = (size_t)(end - start);
    if (n >= sizeof text)
        return 1;
    memcpy(text, start, n);
    text[n] = 0;
    errno = 0;
    if (whole && text[0] == '-')
        strtoll(text, NULL, 10);
    else if (whole)
        strtoull(text, NULL, 10);
    else
        return strtod(text, NULL) * 0 != 0;
    return errno == ERANGE;
}

static int scan_number(struct scan *x)
{
    const unsigned char *start = x->at;
    int whole = 1;
    if (*x->at == '-')
        x->at++;
    const unsigned char *first = x->at;
    if (!scan_digits(x))
        return 0;
    if (*first == '0' && x->at - first > 1)
        return fail_at(x, start, "json.syntax", "a number cannot begin with 0");
    if (x->at < x->end && *x->at == '.') {
        whole = 0;
        x->at++;
        if (!scan_digits(x))
            return 0;
    }
    if (x->at < x->end && (*x->at == 'e' || *x->at == 'E')) {
        whole = 0;
        x->at++;
        if (x->at < x->end && (*x->at == '+' || *x->at == '-'))
            x->at++;
        if (!scan_digits(x))
            return 0;
    }
    if (is_too_large(start, x->at, whole))
        return fail_at(x, start, "json.number",
                       whole ? "this integer does not fit in 64 bits" : "this number is too large");
    return 1;
}

static int scan_word(struct scan *x, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(x->end - x->at) < n || memcmp(x->at, word, n))
        return fail(x, "a value was expected");
    x->at += n;
    return 1;
}

static int scan_key(struct scan *x)
{
    skip_space(x);
    if (x->at == x->end || *x->at != '"')
        return fail(x, "a key in double quotes was expected");
    if (!scan_string(x))
        return 0;
    skip_space(x);
    if (x->at == x->end || *x->at != ':')
        return fail(x, "\":\" was expected after the key");
    x->at++;
    return 1;
}

/* Enters an array or object. 1: a value comes next; 2: it was empty; 0: fault. */
static int scan_open(struct scan *x)
{
    char close = *x->at == '[' ? ']' : '}';
    if (x->depth == x->limit)
        return fail_at(x, x->at, "json.depth", "nested too deep");
    x->at++;
    skip_space(x);
    if (x->at < x->end && *x->at == (unsigned char)close) {
        x->at++;
        return 2;
    }
    x->open[x->depth++] = close;
    return close == '}' ? scan_key(x) : 1;
}

/* After a value: commas and closing brackets. 1: another value comes; 2: all is closed. */
static int scan_after(struct scan *x)
{
    while (x->depth) {
        char close = x->open[x->depth - 1];
        skip_space(x);
        if (x->at == x->end)
            return fail(x, "");
        if (*x->at == ',') {
            x->at++;
            return close == '}' ? scan_key(x) : 1;
        }
        if (*x->at != (unsigned char)close)
            return fail(x, close == ']' ? "\",\" or \"]\" was expected"
                                        : "\",\" or \"}\" was expected");
        x->at++;
        x->depth--;
    }
    return 2;
}

static int scan_value(struct scan *x)
{
    skip_space(x);
    if (x->at == x->end)
        return fail(x, "");
    switch (*x->at) {
    case '[':
    case '{':
        return scan_open(x);
    case '"':
        return scan_string(x) ? 2 : 0;
    case 't':
        return scan_word(x, "true") ? 2 : 0;
    case 'f':
        return scan_word(x, "false") ? 2 : 0;
    case 'n':
        return scan_word(x, "null") ? 2 : 0;
    }
    if (*x->at == '-' || (*x->at >= '0' && *x->at <= '9'))
        return scan_number(x) ? 2 : 0;
    return fail(x, "a value was expected");
}

int json_locate(const char *text, size_t len, unsigned depth, struct json_fault *fault)
{
    struct scan x = {.fault = fault, .limit = depth < DEPTH_MAX ? depth : DEPTH_MAX};
    x.s = x.at = (const unsigned char *)text;
    x.end = x.s + len;
    int r;
    do
        while ((r = scan_value(&x)) == 1)
            ;
    while (r == 2 && (r = scan_after(&x)) == 1);
    if (r == 0)
        return 1;
    skip_space(&x);
    if (x.at == x.end)
        return 0;
    fail(&x, "something follows the end of the value");
    return 1;
}

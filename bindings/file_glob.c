/*
 * file_glob.c: names by pattern.
 *
 * For a star it is enough to come back to the last one, in a name as among names: what an earlier
 * one could take as well, the last can. So it takes no more than length times length.
 */
#include "file_glob.h"

#include <string.h>

/* The next character of UTF-8, or a byte that begins none. */
static unsigned take(const char **at, const char *end)
{
    unsigned c = (unsigned char)*(*at)++;
    int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc2 ? 1 : 0;
    if (c > 0xf4 || end - *at < more)
        return c;
    unsigned v = more ? c & (0x3fu >> more) : c;
    for (int i = 0; i < more; i++) {
        if (((*at)[i] & 0xc0) != 0x80)
            return c;
        v = v << 6 | ((*at)[i] & 0x3f);
    }
    *at += more;
    return v;
}

static unsigned take_literal(const char **p, const char *end)
{
    if (**p == '\\' && *p + 1 < end)
        ++*p;
    return take(p, end);
}

/* After the "[": moves behind the "]". */
static int match_set(const char **p, const char *end, unsigned c)
{
    int others = **p == '!' || **p == '^', found = 0;
    *p += others;
    for (int first = 1; *p < end && (first || **p != ']'); first = 0) {
        unsigned low = take_literal(p, end), high = low;
        if (end - *p > 1 && **p == '-' && (*p)[1] != ']') {
            ++*p;
            high = take_literal(p, end);
        }
        found |= low <= c && c <= high;
    }
    ++*p;
    return found != others;
}

static int match_one(const char **p, const char *end, unsigned c)
{
    if (**p == '?')
        return ++*p, 1;
    if (**p == '[')
        return ++*p, match_set(p, end, c);
    return take_literal(p, end) == c;
}

static int match_name(const char *p, const char *p_end, const char *s, const char *s_end)
{
    const char *star = NULL, *from = NULL;
    while (p < p_end || s < s_end) {
        if (p < p_end && *p == '*') {
            star = ++p;
            from = s;
            continue;
        }
        const char *next = p, *rest = s;
        if (p < p_end && s < s_end && match_one(&next, p_end, take(&rest, s_end))) {
            p = next;
            s = rest;
            continue;
        }
        if (!star || from == s_end)
            return 0;
        take(&from, s_end);
        s = from;
        p = star;
    }
    return 1;
}

static const char *end_of(const char *name)
{
    return name + strcspn(name, "/");
}

static const char *after(const char *end)
{
    return *end ? end + 1 : end;
}

int file_glob_match(const char *p, const char *s)
{
    const char *star = NULL, *from = NULL;
    while (*p || *s) {
        const char *p_end = end_of(p), *s_end = end_of(s);
        if (p_end - p == 2 && p[0] == '*' && p[1] == '*') {
            star = p = after(p_end);
            from = s;
            if (!*p)
                return *s != 0;
            continue;
        }
        if (*p && *s && match_name(p, p_end, s, s_end)) {
            p = after(p_end);
            s = after(s_end);
            continue;
        }
        if (!star || !*from)
            return 0;
        s = from = after(end_of(from));
        p = star;
    }
    return 1;
}

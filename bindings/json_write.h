/*
 * json_write.h: what the files that write JSON share. As json.h says: nothing throws, nothing with
 * a destructor is alive where Lua may raise.
 */
#ifndef TUSK_JSON_WRITE_H
#define TUSK_JSON_WRITE_H 1

#include "json.h"

#include <cstring>

/* One table on the way from the root: where its current key lies, or which item it is at. */
struct json_level {
    const void *table;
    int item; /* 0: a field, named by the string at stack index `key` */
    int key;
};

struct json_writer {
    lua_State *L;
    json_box *box;
    bool pretty, sort;
    int limit, depth;
    json_level *levels;
};

/* Makes room for n bytes more. */
void json_grow(json_writer *w, size_t n);
/* Raises json.value: what stands where the levels say cannot be written. */
[[noreturn]] void json_refuse(json_writer *w, const char *what);
/* In quotes, with what must be escaped. */
void json_write_string(json_writer *w, const char *text, size_t len);

/* Where the next n bytes go; what is written there counts once len says so. */
inline char *room(json_writer *w, size_t n)
{
    json_box *b = w->box;
    if (__builtin_expect(b->cap - b->len < n, 0))
        json_grow(w, n);
    return b->out + b->len;
}

inline void put(json_writer *w, const char *s, size_t n)
{
    memcpy(room(w, n), s, n);
    w->box->len += n;
}

inline void put_char(json_writer *w, char c)
{
    *room(w, 1) = c;
    w->box->len++;
}

#endif

/* json_string.cc: strings as JSON has them. */
#include "json_write.h"

#include <algorithm>
#include <cstdlib>

namespace {

void put_escaped(json_writer *w, unsigned char c)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt", digits[] = "0123456789abcdef";
    const char *p = c ? strchr(from, c) : nullptr;
    const char wide[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
    const char narrow[2] = {'\\', p ? to[p - from] : '0'};
    put(w, p ? narrow : wide, p ? sizeof narrow : sizeof wide);
}

// Which bytes are written as they are and need no looking at.
struct plain_bytes {
    bool is[256];
    constexpr plain_bytes() : is()
    {
        for (int c = 0x20; c < 0x80; c++)
            is[c] = c != '"' && c != '\\';
    }
};

constexpr plain_bytes PLAIN;

// Whether any of eight bytes is not plain. The tests are exact for the lowest that is none.
bool has_special(uint64_t v)
{
    constexpr uint64_t ones = 0x0101010101010101, high = 0x8080808080808080;
    uint64_t quote = v ^ (ones * '"'), slash = v ^ (ones * '\\');
    uint64_t below = (v - ones * 0x20) & ~v;
    uint64_t equal = ((quote - ones) & ~quote) | ((slash - ones) & ~slash);
    return ((below | equal | v) & high) != 0;
}

// What needs no looking at: the first byte from s on that is not plain, or end.
const unsigned char *skip_plain(const unsigned char *s, const unsigned char *end)
{
    uint64_t v;
    for (; end - s >= 8; s += 8) {
        memcpy(&v, s, 8);
        if (has_special(v))
            break;
    }
    while (s < end && PLAIN.is[*s])
        s++;
    return s;
}

void write_mixed(json_writer *w, const unsigned char *s, const unsigned char *end)
{
    const unsigned char *run = s;
    put_char(w, '"');
    while ((s = skip_plain(s, end)) < end) {
        size_t n = *s < 0x80 ? 0 : json_utf8(s, end);
        if (n == 0 && *s >= 0x80)
            json_refuse(w, "a string that is not UTF-8");
        if (n) {
            s += n;
            continue;
        }
        put(w, reinterpret_cast<const char *>(run), static_cast<size_t>(s - run));
        put_escaped(w, *s++);
        run = s;
    }
    put(w, reinterpret_cast<const char *>(run), static_cast<size_t>(end - run));
    put_char(w, '"');
}

} // namespace

void json_grow(json_writer *w, size_t n)
{
    json_box *b = w->box;
    size_t cap = std::max(b->cap * 2, b->len + n + 256);
    auto *out = static_cast<char *>(realloc(b->out, cap));
    if (!out)
        luaL_error(w->L, "not enough memory");
    b->out = out;
    b->cap = cap;
}

void json_write_string(json_writer *w, const char *text, size_t len)
{
    auto *s = reinterpret_cast<const unsigned char *>(text);
    char *p = room(w, len + 2);
    if (skip_plain(s, s + len) != s + len)
        return write_mixed(w, s, s + len);
    *p = '"';
    memcpy(p + 1, text, len);
    p[len + 1] = '"';
    w->box->len += len + 2;
}

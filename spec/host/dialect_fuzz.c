/* Random source against the dialect, judged by LuaJIT itself. Needs no fuzzing engine:
 *
 *   gcc -std=c11 -D_GNU_SOURCE -g -O1 -fsanitize=address,undefined -Ihost $(pkg-config --cflags \
 *     luajit) spec/host/dialect_fuzz.c host/dialect*.c -Wl,--wrap=realloc \
 *     $(pkg-config --libs luajit) -o dialect_fuzz && ./dialect_fuzz [SEED [ROUNDS [FILE.lua...]]]
 *
 * Each round takes a sample or a file, changes a few tokens or bytes, and demands:
 * - what LuaJIT accepts as it is, is left as it is;
 * - no '@' that LuaJIT would stumble over is left, and its line is the one that LuaJIT counts;
 * - a sample that was not changed is rewritten, and loads;
 * - what is rewritten keeps its line ends, and adds one;
 * - what is rewritten and loads has a wrapper of exactly the known shape around it;
 * - a mistake has a place and a message; running out of memory at any point is survived. */
#include "dialect.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SOURCE = 1 << 20 };

struct source {
    char *bytes;
    size_t length;
    int pristine; // a sample, unchanged
};

static const char *const samples[] = {
    "local a, b = @all(@(@db.users.find(1)), @(f(2)))\nreturn a, b\n",
    "for k, v in @db.each([==[select ]] 1]==]) do x.y[k] = {@cache.get(k), z = @w; -1} end",
    "local function f(a, ...)\n if a == 1e-5 then return @(a..'x') elseif not ... then goto out "
    "end\n"
    "::out:: repeat local q = 'a\\z \n b\\\n' until @log:info(q) -- @c\nend",
    "while #t > 0x1p4 do t[#t] = nil --[[ @ ]] @sleep(1LL) end return@(function(...) return ... "
    "end)",
    "#!/usr/bin/env tusk\nreturn @try(@(@http.get(u):text()), { t = 2i, @y })\r\n",
    "local t = {[@k] = 1, _at = 2, f = function(self) return@x end}\nt._at, t.b = @a.b, 3; "
    "f''{}[[]]",
    "x = 1.@f() if x==1e+5 then@g()else y = @(a)@h() end y=@(b)z=1 \n\r\r\n @i(x--[=[]]\r]=]\n\r)",
};

static const char *const pieces[] = {
    " ",
    "\n",
    "\r",
    "\r\n",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "@",
    "@(",
    "@x",
    "@a.b",
    " end ",
    " do ",
    ",",
    ";",
    "=",
    "==",
    ".",
    "..",
    "...",
    ":",
    "::",
    "\"",
    "'",
    "[[",
    "]]",
    "[=[",
    "]=]",
    "--",
    "--[[",
    "\\",
    "\\z",
    "\\\n",
    " x ",
    "_at",
    "0x",
    "1e+",
    " if ",
    " then ",
    " else ",
    " for ",
    " while ",
    " in ",
    " or ",
    " not ",
    "nil",
    "-",
    "#",
    "goto ",
    "local ",
    "break ",
    "return ",
    "until ",
    "repeat ",
    "\x1b",
    "\xef\xbb\xbf",
    "\xc3",
    "end)",
    "end, function() ",
    "return(function() ",
    "function(",
    "function f() ",
};

static uint64_t random_state;

static size_t random_below(size_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (size_t)(random_state >> 11) % limit;
}

/* Allocation failures: the realloc that brings this to 0 returns NULL; negative never gets there.
 */
static long reallocs_left = -1;
void *__real_realloc(void *block, size_t size);
void *__wrap_realloc(void *block, size_t size);

void *__wrap_realloc(void *block, size_t size)
{
    if (reallocs_left > 0 && --reallocs_left == 0)
        return NULL;
    return __real_realloc(block, size);
}

static void splice(struct source *s, size_t at, size_t cut, const char *piece, size_t length)
{
    if (s->length - cut + length > MAX_SOURCE)
        return;
    char *bytes = malloc(s->length - cut + length + 1);
    memcpy(bytes, s->bytes, at);
    memcpy(bytes + at, piece, length);
    memcpy(bytes + at + length, s->bytes + at + cut, s->length - at - cut);
    free(s->bytes);
    s->bytes = bytes;
    s->length += length - cut;
}

static void change(struct source *s)
{
    size_t at = random_below(s->length + 1), rest = s->length - at;
    size_t some = random_below((rest < 12 ? rest : 12) + 1);
    const char *piece = pieces[random_below(sizeof pieces / sizeof pieces[0])];
    char byte = (char)random_below(256), copy[16];
    switch (random_below(8)) {
    case 0:
        splice(s, at, some, "", 0);
        break;
    case 1:
        splice(s, at, 0, &byte, 1);
        break;
    case 2:
        memcpy(copy, s->bytes + at, some);
        splice(s, random_below(s->length + 1), 0, copy, some);
        break;
    case 3:
        splice(s, at, some, piece, strlen(piece));
        break;
    default:
        splice(s, at, 0, piece, strlen(piece));
    }
}

static struct source read_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct source s = {.bytes = malloc(MAX_SOURCE)};
    if (f == NULL) {
        perror(path);
        exit(1);
    }
    s.length = fread(s.bytes, 1, MAX_SOURCE, f);
    fclose(f);
    return s;
}

static struct source make_source(int files, char **paths)
{
    size_t count = sizeof samples / sizeof samples[0];
    size_t pick = random_below(count + (size_t)files);
    struct source s;
    if (pick >= count) {
        s = read_file(paths[pick - count]);
    } else {
        s = (struct source){.bytes = strdup(samples[pick]), .length = strlen(samples[pick])};
    }
    size_t changes = random_below(6);
    s.pristine = changes == 0 && pick < count;
    while (changes-- > 0)
        change(&s);
    // The exact size, so that a byte read past the end is seen.
    char *exact = malloc(s.length ? s.length : 1);
    memcpy(exact, s.bytes, s.length);
    free(s.bytes);
    s.bytes = exact;
    return s;
}

static void broken(const struct source *s, const struct dialect *d, const char *promise)
{
    fprintf(stderr,
            "broken promise: %s\n---- source\n%.*s\n---- expansion\n%s\n---- error %u:%u %s\n",
            promise, (int)s->length, s->bytes, d->text ? d->text : "(none)", d->error.line,
            d->error.column, d->error.message);
    abort();
}

/* The line of an '@' that LuaJIT stumbled over, 0 when it was something else. */
static uint32_t line_of_at(const char *message)
{
    static const char end[] = "near '@'"; // and not near ''@', a string that has no end
    size_t length = strlen(message);
    unsigned line;
    int is_at = length >= sizeof end && strcmp(message + length - (sizeof end - 1), end) == 0;
    return is_at && sscanf(message, "fuzz:%u:", &line) == 1 ? line : 0;
}

/* Leaves the function, if it loads; `at` gets the line of a bare '@' that stopped it. */
static int loads(lua_State *L, const char *bytes, size_t length, uint32_t *at)
{
    if (luaL_loadbuffer(L, bytes, length, "=fuzz") == 0)
        return 1;
    *at = line_of_at(lua_tostring(L, -1));
    lua_pop(L, 1);
    return 0;
}

/* The wrapper's bytecode differs only in whether an upvalue is to be closed. */
static const char wrapper_size[] =
    "local util = require 'jit.util'\n"
    "local function size(f) return util.funcinfo(f).bytecodes end\n"
    "local head = 'local _at=... return(function(...) '\n"
    "local bare, used = loadstring(head .. '\\nend)'), loadstring(head .. 'x(_at)\\nend)')\n"
    "local sizes = { [size(bare)] = true, [size(used)] = true }\n"
    "return function(f) return sizes[size(f)] or false end";

static int wrapper_is_whole(lua_State *L)
{
    lua_pushvalue(L, 1);
    lua_insert(L, -2);
    lua_call(L, 1, 1);
    int whole = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return whole;
}

static long line_ends(const char *bytes, size_t length)
{
    long count = 0;
    for (size_t i = 0; i < length; i++)
        count += bytes[i] == '\n';
    return count;
}

static void judge_left_alone(lua_State *L, const struct source *s, const struct dialect *d,
                             int status)
{
    uint32_t at = 0;
    int changed = status != 0 || d->rewritten;
    if (memchr(s->bytes, '\x1b', s->length) != NULL)
        return; // bytecode, perhaps
    if (loads(L, s->bytes, s->length, &at)) {
        lua_pop(L, 1);
        if (changed)
            broken(s, d, "plain Lua is left alone");
    }
    if (at > 0 && !changed)
        broken(s, d, "no '@' is missed");
    if (at > 0 && d->count > 0 && memmem(s->bytes, s->length, "@(", 2) == NULL &&
        d->sites[0].line != at)
        broken(s, d, "lines are counted as LuaJIT counts them");
}

static void judge_rewritten(lua_State *L, const struct source *s, const struct dialect *d)
{
    uint32_t at = 0;
    if (line_ends(d->text, d->length) != line_ends(s->bytes, s->length) + 1)
        broken(s, d, "lines are kept");
    if (loads(L, d->text, d->length, &at)) {
        if (!wrapper_is_whole(L))
            broken(s, d, "the wrapper holds");
    } else if (s->pristine) {
        broken(s, d, "a sample loads");
    }
    if (at > 0)
        broken(s, d, "no '@' is left");
}

static void judge(lua_State *L, const struct source *s, const struct dialect *d, int status)
{
    judge_left_alone(L, s, d, status);
    if (s->pristine && (status != 0 || !d->rewritten))
        broken(s, d, "a sample is rewritten");
    if (status == -1 && (!d->error.line || !d->error.column || !d->error.message[0] || d->text))
        broken(s, d, "a mistake has a place and a message, and no text");
    if (status == 0 && d->rewritten)
        judge_rewritten(L, s, d);
}

static void run_out_of_memory(const struct source *s)
{
    struct dialect d;
    reallocs_left = (long)random_below(12) + 1;
    int status = dialect_expand(&d, s->bytes, s->length);
    int struck = reallocs_left == 0;
    reallocs_left = -1;
    if (struck != (status == -2) || (struck && d.text != NULL))
        broken(s, &d, "running out of memory is told");
    dialect_free(&d);
    dialect_free(&d);
}

int main(int argc, char **argv)
{
    unsigned long seed = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
    unsigned long rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 100000;
    unsigned long seen[3] = {0};
    random_state = (seed + 1) * 0x9e3779b97f4a7c15u;
    lua_State *L = luaL_newstate();
    luaL_openlibs(L);
    if (luaL_dostring(L, wrapper_size))
        return 1;
    for (unsigned long i = 0; i < rounds; i++) {
        struct source s = make_source(argc > 3 ? argc - 3 : 0, argv + 3);
        struct dialect d;
        int status = dialect_expand(&d, s.bytes, s.length);
        judge(L, &s, &d, status);
        seen[status == -1 ? 0 : d.rewritten ? 1 : 2]++;
        dialect_free(&d);
        run_out_of_memory(&s);
        free(s.bytes);
    }
    lua_close(L);
    printf("seed %lu: %lu mistakes, %lu rewritten, %lu left alone\n", seed, seen[0], seen[1],
           seen[2]);
    return 0;
}

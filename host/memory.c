/*
 * memory.c: what a host takes: by the embedder's allocator or the system's, counted and capped to
 * the byte. LuaJIT has no emergency collection, so what comes near the cap is collected before the
 * next task runs, and a task that meets it fails.
 */
#include <stdlib.h>
#include <string.h>

#include "host.h"

#define ARENA   (96u << 10) /* of which lua_newstate takes about 30 KiB */
#define RESERVE (64u << 10)
#define ENOUGH  (16u << 10) /* of it, for a task to run and fail */
#define ALIGN   16u
#define LEAST   (128u << 10) /* bytes between two collections near the cap */
#define SOON    (32u << 10)  /* and when there is none left */
#define PAUSE   200          /* LuaJIT's own, in percent */
#define NEAR(n) ((n) / 4 * 3)

static void *system_alloc(void *ud, void *p, size_t old, size_t size)
{
    (void)ud, (void)old;
    if (size)
        return realloc(p, size);
    free(p);
    return NULL;
}

struct tusk *memory_new_host(const tusk_config *c, const tusk_limits *limits)
{
    tusk_alloc_fn alloc = c->alloc ? c->alloc : system_alloc;
    if (limits->mem_bytes < sizeof(struct tusk))
        return NULL;
    struct tusk *h = alloc(c->ud, NULL, 0, sizeof *h);
    if (!h)
        return NULL;
    memset(h, 0, sizeof *h);
    h->config = *c;
    h->limits = *limits;
    h->config.alloc = alloc;
    h->memory.bytes = h->memory.peak = sizeof *h;
    h->memory.collect_at = NEAR(limits->mem_bytes);
    return h;
}

void memory_free_host(struct tusk *h)
{
    h->config.alloc(h->config.ud, h, sizeof *h, 0);
}

/* ---- counting ---- */

static int fits(const struct tusk *h, size_t old, size_t size, uint64_t spare)
{
    uint64_t cap = h->limits.mem_bytes - spare, bytes = h->memory.bytes;
    return size <= old || (bytes <= cap && size - old <= cap - bytes);
}

static void count(struct tusk *h, size_t old, size_t size)
{
    h->memory.bytes += size - old;
    if (h->memory.bytes > h->memory.peak)
        h->memory.peak = h->memory.bytes;
}

void *host_realloc(struct tusk *h, void *p, size_t old, size_t size)
{
    if (!fits(h, old, size, 0))
        return NULL;
    void *q = h->config.alloc(h->config.ud, p, old, size);
    if (q || !size)
        count(h, old, size);
    return q;
}

void *host_calloc(struct tusk *h, size_t size)
{
    void *p = host_realloc(h, NULL, 0, size);
    return p ? memset(p, 0, size) : NULL;
}

void host_free(struct tusk *h, void *p, size_t size)
{
    if (p)
        host_realloc(h, p, size, 0);
}

/* ---- the arena: a block that lua_newstate is fed from, and what is left of it a reserve ---- */

/*
 * LuaJIT may crash when lua_newstate, or string.sub and its like in the interpreter, get nothing.
 * So small blocks that cannot be had come out of the reserve, and what runs is made to fail at its
 * next instruction, where that is safe. Of LuaJIT's own allocator the reserve is the last that the
 * cap allows.
 */
struct arena { /* ARENA bytes with this in front */
    struct arena *next;
    uint32_t used, kept, blocks; /* kept: by lua_newstate; blocks: the others that are in use */
    _Alignas(ALIGN) char bytes[];
};

static int add_arena(struct tusk *h)
{
    struct arena *a = host_realloc(h, NULL, 0, ARENA);
    if (!a)
        return -1;
    *a = (struct arena){.next = h->memory.arena};
    h->memory.arena = a;
    return 0;
}

static struct arena *arena_of(const struct tusk *h, const void *p)
{
    struct arena *a = h->memory.arena;
    while (a && ((const char *)p < a->bytes || (const char *)p >= (const char *)a + ARENA))
        a = a->next;
    return a;
}

static void *from_arena(struct arena *a, size_t size)
{
    size_t n = (size + ALIGN - 1) / ALIGN * ALIGN;
    if (!a || n > ARENA - sizeof *a - a->used)
        return NULL;
    void *p = a->bytes + a->used;
    a->used += (uint32_t)n;
    a->blocks++;
    return p;
}

static void leave_arena(struct arena *a, const void *p)
{
    if ((const char *)p < a->bytes + a->kept)
        return;
    if (!--a->blocks)
        a->used = a->kept;
}

static void on_short(lua_State *L, lua_Debug *ar)
{
    struct tusk *h = tusk_of(L);
    if (h->memory.is_short && h->current && !place_is_users(L, ar))
        return; // the host's own Lua is not to be cut in two
    int fail = h->memory.is_short;
    h->memory.is_short = 0;
    hook_end(L, h);
    if (!fail)
        return;
    lua_pushliteral(L, "not enough memory"); // LuaJIT has it already
    lua_error(L);
}

/* Less than there should be: the next task waits for a collection, and the running one is to fail:
 * later, or by LuaJIT's own error. */
static void run_short(struct tusk *h, int later)
{
    uint64_t soon = h->memory.low + SOON; // had it just been collected, that would not help
    h->memory.collect_at = soon < h->memory.collect_at ? soon : h->memory.collect_at;
    if (!later || (!h->current && !h->loading) || h->insisting || h->interrupted)
        return;
    h->memory.is_short = 1;
    hook_set(h->L, h, on_short, 1);
}

/* ---- Lua's: by LuaJIT's own allocator, unless the embedder has given one ---- */

static void *backing(struct tusk *h, void *p, size_t old, size_t size, uint64_t spare)
{
    if (!fits(h, old, size, spare))
        return NULL;
    if (!h->memory.lua)
        return host_realloc(h, p, old, size);
    void *q = h->memory.lua(h->memory.lua_ud, p, old, size);
    if (q || !size)
        count(h, old, size);
    return q;
}

static void *move(struct tusk *h, void *p, size_t old, void *q, size_t size)
{
    struct arena *a = p ? arena_of(h, p) : NULL;
    if (!q)
        return NULL;
    if (p)
        memcpy(q, p, old < size ? old : size);
    if (a)
        leave_arena(a, p);
    else if (p)
        backing(h, p, old, 0, 0);
    return q;
}

/*
 * LuaJIT's table of strings doubles in the middle of a string operation, where it may crash if that
 * fails. So as much is kept for it as it takes next. It is the block of a power of two that is
 * asked for just before its half, or its double, is let go.
 */
static void watch_strings(struct tusk *h, const void *p, size_t old, size_t size)
{
    size_t fresh = h->memory.fresh;
    if (fresh && p && !size && (old == fresh / 2 || old / 2 == fresh))
        h->memory.strings = fresh;
    h->memory.fresh = !p && size && !(size & (size - 1)) ? size : 0;
}

static uint64_t kept_for_strings(const struct tusk *h)
{
    uint64_t next = 2 * (uint64_t)h->memory.strings, most = h->limits.mem_bytes / 2;
    return h->limits.mem_bytes == UINT64_MAX ? 0 : next < most ? next : most;
}

static void *lua_alloc(void *ud, void *p, size_t old, size_t size)
{
    struct tusk *h = ud;
    struct arena *a = p ? arena_of(h, p) : NULL;
    if (a && !size) {
        leave_arena(a, p);
        return NULL;
    }
    watch_strings(h, p, old, size);
    uint64_t kept = !p && size == 2 * h->memory.strings ? 0 : kept_for_strings(h);
    uint64_t spare = kept + (h->memory.lua ? h->memory.spare : 0);
    void *q = h->memory.opening ? NULL : backing(h, a ? NULL : p, a ? 0 : old, size, spare);
    if (q || !size)
        return a ? move(h, p, old, q, size) : q;
    if (h->memory.lua) // LuaJIT takes its blocks back itself at the end: they are its own
        q = h->memory.spare ? backing(h, p, old, size, kept) : NULL;
    else
        q = move(h, p, old, from_arena(h->memory.arena, size), size);
    if (!h->memory.opening)
        run_short(h, q != NULL);
    return q;
}

/* Nothing is capped, so nothing is counted: LuaJIT does that itself. It is there for tusk_of. */
static void *uncounted_alloc(void *ud, void *p, size_t old, size_t size)
{
    struct tusk *h = ud;
    return h->memory.lua(h->memory.lua_ud, p, old, size);
}

static uint64_t in_lua(lua_State *L)
{
    return (uint64_t)lua_gc(L, LUA_GCCOUNT, 0) * 1024 + (uint64_t)lua_gc(L, LUA_GCCOUNTB, 0);
}

uint64_t memory_lua_bytes(const struct tusk *h)
{
    return in_lua(h->L);
}

uint64_t memory_bytes(struct tusk *h)
{
    uint64_t all = h->memory.bytes + (h->memory.uncounted ? in_lua(h->L) : 0);
    if (all > h->memory.peak)
        h->memory.peak = all;
    return all;
}

static lua_State *open_given(struct tusk *h)
{
    h->memory.opening = 1;
    lua_State *L = lua_newstate(lua_alloc, h);
    h->memory.opening = 0;
    h->memory.arena->kept = h->memory.arena->used;
    h->memory.arena->blocks = 0;
    return L;
}

/* The last finalizer of all, for its userdata was the first: LuaJIT lets its own memory go only if
 * it finds its own allocator in place. */
static int restore_allocator(lua_State *L)
{
    struct tusk *h = tusk_of(L);
    lua_setallocf(L, h->memory.lua, h->memory.lua_ud);
    return 0;
}

static int place_restorer(lua_State *L)
{
    lua_newuserdata(L, 0);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, restore_allocator);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_setfield(L, LUA_REGISTRYINDEX, "tusk.memory");
    return 0;
}

static lua_State *open_internal(struct tusk *h)
{
    lua_State *L = luaL_newstate();
    if (!L)
        return NULL;
    h->memory.lua = lua_getallocf(L, &h->memory.lua_ud);
    size_t own = (size_t)in_lua(L);
    if (!fits(h, 0, own, RESERVE) || lua_cpcall(L, place_restorer, NULL)) {
        lua_close(L);
        return NULL;
    }
    h->memory.uncounted = h->limits.mem_bytes == UINT64_MAX;
    if (!h->memory.uncounted)
        count(h, 0, own);
    lua_setallocf(L, h->memory.uncounted ? uncounted_alloc : lua_alloc, h);
    return L;
}

/* A block that is let go while the collector works: LuaJIT's needs memory itself, for a smaller
 * table of strings, and does not get on without. */
static size_t ballast_size(const struct tusk *h)
{
    uint64_t cap = h->limits.mem_bytes;
    return cap == UINT64_MAX || cap / 16 < LEAST ? LEAST : (size_t)(cap / 16);
}

static int take_ballast(struct tusk *h)
{
    if (!h->memory.ballast)
        h->memory.ballast = host_realloc(h, NULL, 0, ballast_size(h));
    return h->memory.ballast ? 0 : -1;
}

static void drop_ballast(struct tusk *h)
{
    host_free(h, h->memory.ballast, ballast_size(h));
    h->memory.ballast = NULL;
}

static int is_internal(const struct tusk *h)
{
#ifdef __SANITIZE_ADDRESS__
    (void)h;
    return 0; // every block is the sanitizer's
#else
    return h->config.alloc == system_alloc;
#endif
}

int memory_open_lua(struct tusk *h)
{
    if (!is_internal(h) && add_arena(h))
        return -1;
    if (is_internal(h) && h->limits.mem_bytes != UINT64_MAX)
        h->memory.spare = RESERVE;
    if ((h->memory.arena || h->memory.spare) && take_ballast(h))
        return -1;
    h->L = is_internal(h) ? open_internal(h) : open_given(h);
    return h->L ? 0 : -1;
}

void memory_close_lua(struct tusk *h)
{
    if (h->L)
        lua_close(h->L);
    h->L = NULL;
    drop_ballast(h);
    for (struct arena *next; h->memory.arena; h->memory.arena = next) {
        next = h->memory.arena->next;
        host_free(h, h->memory.arena, ARENA);
    }
}

/* ---- near the cap ---- */

static int collect(lua_State *L)
{
    lua_gc(L, LUA_GCCOLLECT, 0);
    return 0;
}

void memory_prepare(lua_State *L)
{
    lua_pushcfunction(L, collect);
    tusk_of(L)->memory.collector = luaL_ref(L, LUA_REGISTRYINDEX);
}

int memory_collect(struct tusk *h)
{
    int heavy = h->memory.arena || h->memory.spare;
    drop_ballast(h);
    lua_rawgeti(h->L, LUA_REGISTRYINDEX, h->memory.collector); // lua_cpcall would need memory
    int failed = lua_pcall(h->L, 0, 0, 0);                     // a finalizer may fail
    if (failed)
        lua_pop(h->L, 1);
    if (heavy)
        take_ballast(h);
    return failed;
}

/* From here on LuaJIT begins its own collections so early that they end below three quarters, if
 * what is alive leaves room for that. */
static void set_pause(struct tusk *h, uint64_t cap)
{
    uint64_t percent = NEAR(cap) / (h->memory.bytes / 100 + 1);
    lua_gc(h->L, LUA_GCSETPAUSE, percent > PAUSE ? PAUSE : percent < 100 ? 100 : (int)percent);
}

int memory_is_short(const struct tusk *h)
{
    if (h->memory.arena)
        return h->memory.arena->blocks != 0;
    return h->memory.spare && h->memory.bytes > h->limits.mem_bytes - RESERVE - kept_for_strings(h);
}

void memory_forgive(struct tusk *h)
{
    h->memory.is_short = 0;
    if (!h->insisting && !h->interrupted) // they have put another in its place
        hook_end(h->L, h);
}

int memory_ensure(struct tusk *h)
{
    if (h->memory.is_short)
        memory_forgive(h);
    if (memory_is_short(h) || h->memory.bytes >= h->memory.collect_at)
        memory_make_room(h);
    return memory_is_short(h) ? -1 : 0;
}

void memory_make_room(struct tusk *h)
{
    uint64_t cap = h->limits.mem_bytes;
    task_drop_spares(h);
    memory_collect(h);
    if (h->memory.arena && memory_is_short(h))
        add_arena(h); // what lives in the old one may live for long
    set_pause(h, cap);
    h->memory.low = h->memory.bytes;
    uint64_t left = cap > h->memory.bytes ? cap - h->memory.bytes : 0;
    uint64_t next = h->memory.bytes + (left / 4 > LEAST ? left / 4 : LEAST);
    h->memory.collect_at = next > NEAR(cap) ? next : NEAR(cap);
}

static int has_enough(const struct arena *a)
{
    return ARENA - sizeof *a - a->used >= ENOUGH;
}

int memory_is_out(struct tusk *h)
{
    if (!h->memory.arena || has_enough(h->memory.arena))
        return 0;
    memory_make_room(h);
    // what has met the cap has to run, to let go of something
    return !has_enough(h->memory.arena) && fits(h, 0, ARENA, 0);
}

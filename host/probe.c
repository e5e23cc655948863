/*
 * probe.c: what tests do to a host and find out about it: another order of what is ready, a
 * cancellation at the n-th checkpoint, and what is open.
 */
#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#include "host.h"

/* ---- the order of what is ready ---- */

static uint32_t below(struct tusk *h, uint32_t n)
{ // xorshift64* (Vigna 2016)
    uint64_t x = h->probe.seed;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    h->probe.seed = x;
    return (uint32_t)((x * 0x2545f4914f6cdd1du >> 32) % n);
}

static uint32_t count_ready(const struct tusk *h)
{
    uint32_t n = 0;
    for (const struct task *t = h->ready_head; t; t = t->next)
        n++;
    return n;
}

static void shuffle(struct tusk *h, struct task **list, uint32_t n)
{
    uint32_t i = 0;
    for (struct task *t = h->ready_head; t; t = t->next)
        list[i++] = t;
    for (i = n; i > 1; i--) {
        uint32_t k = below(h, i);
        struct task *t = list[k];
        list[k] = list[i - 1];
        list[i - 1] = t;
    }
    for (i = 0; i < n; i++)
        list[i]->next = i + 1 < n ? list[i + 1] : NULL;
    h->ready_head = list[0];
    h->ready_tail = list[n - 1];
}

void probe_shuffle(struct tusk *h)
{
    if (h->probe.batch) {
        h->probe.batch--;
        return;
    }
    uint32_t n = count_ready(h);
    struct task **list = n > 1 ? malloc(n * sizeof *list) : NULL;
    if (list) // out of memory: in the order that they have
        shuffle(h, list, n);
    free(list);
    h->probe.batch = n - 1;
}

/* seed(number | nil): what becomes ready while others are runs in a shuffled order; nil: in its
 * own */
static int op_seed(lua_State *L)
{
    struct tusk *h = HOST(L);
    h->probe.seed = 0;
    h->probe.batch = 0;
    if (lua_type(L, 1) == LUA_TNUMBER)
        h->probe.seed = (uint64_t)(int64_t)lua_tonumber(L, 1) * 2 + 1;
    return 0;
}

/* ---- a cancellation at the n-th checkpoint ---- */

static int is_inside(const struct scope *s, const struct scope *outer)
{
    while (s && s != outer)
        s = s->parent;
    return s != NULL;
}

void probe_checkpoint(lua_State *L, struct tusk *h)
{
    if (h->current->scope->reason || !is_inside(h->current->scope, h->probe.scope) ||
        ++h->probe.count != h->probe.target)
        return;
    luaL_checkstack(L, 4, "a sweep");
    lua_rawgeti(L, LUA_REGISTRYINDEX, h->callbacks[CALL_SWEPT]);
    lua_call(L, 0, 0);
    if (h->probe.parked)
        h->probe.due = 1;
    else
        scope_cancel(h, h->probe.scope, CANCEL_ASKED);
}

void probe_cancel(struct tusk *h)
{
    h->probe.due = 0;
    scope_cancel(h, h->probe.scope, CANCEL_ASKED);
}

/*
 * sweep(scope, n, parked): counts the checkpoints that tasks inside the scope come to, and cancels
 * it at the n-th: on entry, or when that task next waits. Calls `swept` there, before.
 */
static int op_sweep(lua_State *L)
{
    struct tusk *h = HOST(L);
    struct explicit_scope *x = scope_check(L, 1);
    h->probe.target = (uint64_t)luaL_checknumber(L, 2);
    h->probe.parked = (uint8_t)lua_toboolean(L, 3);
    h->probe.count = h->probe.due = 0;
    h->probe.scope = &x->scope;
    return 0;
}

void probe_end(struct tusk *h)
{
    h->probe.scope = NULL;
    h->probe.due = 0;
}

/* sweep_end() -> how many there were */
static int op_sweep_end(lua_State *L)
{
    struct tusk *h = HOST(L);
    probe_end(h);
    lua_pushnumber(L, (double)h->probe.count);
    return 1;
}

/* ---- what is open ---- */

struct handles {
    const struct tusk *h;
    uv_handle_t **list; /* NULL: to be counted only */
    int count, room;
};

static void note_handle(uv_handle_t *handle, void *ud)
{
    struct handles *all = ud;
    const void *alarm = &all->h->alarm, *async = &all->h->async;
    if (handle == alarm || handle == async || uv_is_closing(handle))
        return;
    if (all->list && all->count < all->room)
        all->list[all->count] = handle;
    all->count++;
}

/* handles() -> { [address] = type } of the loop's handles, without those of the host itself */
static int op_handles(lua_State *L)
{
    struct tusk *h = HOST(L);
    struct handles all = {h, NULL, 0, 0};
    uv_walk(&h->loop, note_handle, &all);
    all.room = all.count;
    all.count = 0;
    all.list = lua_newuserdata(L, ((size_t)all.room + 1) * sizeof *all.list);
    uv_walk(&h->loop, note_handle, &all);
    lua_newtable(L);
    for (int i = 0; i < all.count; i++) {
        const char *name = uv_handle_type_name(uv_handle_get_type(all.list[i]));
        lua_pushlightuserdata(L, all.list[i]);
        lua_pushstring(L, name ? name : "handle");
        lua_rawset(L, -3);
    }
    return 1;
}

/* The numbers in /proc/self/fd, at most `room`, but for that of the folder itself -> how many. */
static int list_descriptors(int *list, int room)
{
    DIR *folder = opendir("/proc/self/fd");
    int n = 0;
    if (!folder)
        return 0;
    for (struct dirent *e; n < room && (e = readdir(folder));) {
        int fd = *e->d_name == '.' ? -1 : atoi(e->d_name);
        if (fd >= 0 && fd != dirfd(folder))
            list[n++] = fd;
    }
    closedir(folder);
    return n;
}

/* descriptors() -> { [number] = what it is of } */
static int op_descriptors(lua_State *L)
{
    enum { ROOM = 16384 };
    int *list = lua_newuserdata(L, ROOM * sizeof *list);
    int n = list_descriptors(list, ROOM);
    lua_newtable(L);
    for (int i = 0; i < n; i++) {
        char target[256];
        const char *path = lua_pushfstring(L, "/proc/self/fd/%d", list[i]);
        ssize_t length = readlink(path, target, sizeof target);
        lua_pop(L, 1);
        if (length < 0)
            continue;
        lua_pushlstring(L, target, (size_t)length);
        lua_rawseti(L, -2, list[i]);
    }
    return 1;
}

void probe_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"seed", op_seed},
        {"sweep", op_sweep},
        {"sweep_end", op_sweep_end},
        {"handles", op_handles},
        {"descriptors", op_descriptors},
        {NULL, NULL},
    };
    luaL_register(L, NULL, functions);
}

/* wait.c: tusk_lua.h: how a binding's call parks and is woken. */
#include <assert.h>
#include <string.h>

#include "host.h"

/* A record on the task's own coroutine is what it yields last, so a resume with one value passes it
 * back. */

int wait_refuse(lua_State *L, struct tusk *h)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, h->callbacks[CALL_REFUSE]);
    lua_pushboolean(L, h->current != NULL);
    lua_pushboolean(L, h->blocked);
    lua_call(L, 2, 0);
    return luaL_error(L, "cannot wait here");
}

void tusk_checkpoint(lua_State *L)
{
    wait_check(L, tusk_of(L));
}

void *tusk_wait_new(lua_State *L, size_t size, const struct tusk_wait_ops *ops)
{
    struct tusk *h = tusk_of(L);
    wait_check(L, h);
    luaL_checkstack(L, 8, "a wait");
    if (h->waits >= h->limits.max_ops)
        tusk_fail(L, "limit.ops", "%d operators wait already: the host's limit max_ops",
                  (int)h->waits);
    struct tusk_wait *w = lua_newuserdata(L, size);
    memset(w, 0, size);
    w->ops = ops;
    w->host = h;
    w->task = h->current;
    w->index = lua_gettop(L);
    return w;
}

void tusk_wait_again(lua_State *L, struct tusk_wait *w)
{
    struct tusk *h = w->host;
    wait_check(L, h);
    luaL_checkstack(L, 8, "a wait");
    w->task = h->current;
    w->index = lua_gettop(L);
    w->cancelled = w->dropped = w->woken = w->posted = 0;
}

int tusk_park(lua_State *L, struct tusk_wait *w)
{
    struct tusk *h = w->host;
    h->current->wait = w;
    host_reference_async(h, 1);
    lua_pushlightuserdata(L, PARK(h));
    lua_pushvalue(L, w->index);
    return task_park_with(L, h, 1);
}

void tusk_wake(struct tusk_wait *w)
{
    assert(!w->woken);
    w->woken = 1;
    w->task->wait = NULL;
    host_reference_async(w->host, -1);
    task_ready(w->host, w->task, 1);
}

void tusk_drop(struct tusk_wait *w)
{
    w->dropped = 1;
    tusk_wake(w);
}

void tusk_post(struct tusk_wait *w)
{
    struct tusk *h = w->host;
    uv_mutex_lock(&h->post_mutex);
    w->next = NULL;
    w->posted = 1;
    *h->posted_tail = w;
    h->posted_tail = &w->next;
    uv_mutex_unlock(&h->post_mutex);
    uv_async_send(&h->async);
}

void wait_take_posted(struct tusk *h)
{
    uv_mutex_lock(&h->post_mutex);
    struct tusk_wait *w = h->posted;
    h->posted = NULL;
    h->posted_tail = &h->posted;
    uv_mutex_unlock(&h->post_mutex);
    for (struct tusk_wait *next; w; w = next) {
        next = w->next;
        tusk_wake(w);
    }
}

void wait_interrupt(struct tusk_wait *w)
{
    uv_mutex_lock(&w->host->post_mutex);
    int too_late = w->cancelled || w->posted; // what was posted first is delivered
    uv_mutex_unlock(&w->host->post_mutex);
    if (too_late)
        return;
    w->cancelled = 1;
    if (w->ops->cancel)
        w->ops->cancel(w);
}

int tusk_inline(lua_State *L, int n)
{
    struct tusk *h = tusk_of(L);
    luaL_checkstack(L, n + 4, "results");
    lua_pushnil(L);
    lua_insert(L, -n - 1);
    if (--h->budget > 0 || !h->current || h->blocked || !lua_isyieldable(L))
        return n + 1;
    return task_pause(L, h, n + 1);
}

int tusk_alone(lua_State *L)
{
    return !tusk_of(L)->ready_head;
}

uint64_t tusk_now(lua_State *L)
{
    return tusk_of(L)->now;
}

uint64_t tusk_deadline(lua_State *L)
{
    struct tusk *h = tusk_of(L);
    return h->current ? scope_deadline(h, h->current->scope) : UINT64_MAX;
}

static void push_error(lua_State *L, const char *kind, const char *fmt, va_list args)
{
    luaL_checkstack(L, 8, "an error");
    lua_rawgeti(L, LUA_REGISTRYINDEX, tusk_of(L)->callbacks[CALL_ERROR]);
    lua_pushstring(L, kind);
    lua_pushvfstring(L, fmt, args);
    lua_call(L, 2, 1);
}

void tusk_error(lua_State *L, const char *kind, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    push_error(L, kind, fmt, args);
    va_end(args);
}

int tusk_fail(lua_State *L, const char *kind, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    push_error(L, kind, fmt, args);
    va_end(args);
    return lua_error(L);
}

int tusk_fail_cancelled(lua_State *L, int sent)
{
    return host_raise_cancelled(L, tusk_of(L), sent);
}

/* ---- for Lua ---- */

/* finish(record): the results of a binding's wait that has ended, or raises */
static int op_finish(lua_State *L)
{
    struct tusk_wait *w = lua_touserdata(L, 1);
    return w->dropped ? host_raise_cancelled(L, HOST(L), 0) : w->ops->finish(L, w);
}

/* cancelled(): raises it */
static int op_cancelled(lua_State *L)
{
    return host_raise_cancelled(L, HOST(L), 0);
}

/* checkpoint(): gives way when the turn's budget is spent */
static int op_checkpoint(lua_State *L)
{
    struct tusk *h = HOST(L);
    wait_check(L, h);
    return --h->budget > 0 ? 0 : task_pause(L, h, 0);
}

/* yield(): lets every other ready task run */
static int op_yield(lua_State *L)
{
    struct tusk *h = HOST(L);
    wait_check(L, h);
    return task_pause(L, h, 0);
}

/* The host's own waits: nothing is returned after a wake, true after a cancellation. */

/* sleep(seconds, on the real clock) */
static int op_sleep(lua_State *L)
{
    struct tusk *h = HOST(L);
    double seconds = luaL_checknumber(L, 1);
    enum clock clock = lua_toboolean(L, 2) ? CLOCK_REAL : host_clock(h);
    wait_check(L, h);
    if (timer_reserve(h, clock, 1))
        return luaL_error(L, "not enough memory");
    uint64_t due = host_due(h, seconds);
    if (clock != host_clock(h))
        due = host_real(h) + (due - h->now);
    timer_start(h, clock, &h->current->timer, due);
    return task_park(L, h);
}

/* park_in(queue userdata): stands in line until woken or cancelled */
static int op_park_in(lua_State *L)
{
    struct tusk *h = HOST(L);
    struct queue *q = lua_touserdata(L, 1);
    wait_check(L, h);
    queue_put(q, &h->current->place);
    return task_park(L, h);
}

static int op_queue_new(lua_State *L)
{
    struct queue *q = lua_newuserdata(L, sizeof *q);
    q->head = q->tail = NULL;
    return 1;
}

/* wake_in(queue) -> the handle of the first in line, now ready; nil if nobody waits */
static int op_wake_in(lua_State *L)
{
    struct queue *q = lua_touserdata(L, 1);
    if (!q->head)
        return 0;
    task_push_handle(L, queue_task(q->head));
    queue_wake(HOST(L), q->head);
    return 1;
}

/* block(delta): a resumer that cannot yield begins (+1) or ends (-1) */
static int op_block(lua_State *L)
{
    HOST(L)->blocked += (int)lua_tointeger(L, 1);
    return 0;
}

void wait_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"finish", op_finish},         {"cancelled", op_cancelled},
        {"checkpoint", op_checkpoint}, {"yield", op_yield},
        {"sleep", op_sleep},           {"queue_new", op_queue_new},
        {"park_in", op_park_in},       {"block", op_block},
        {"wake_in", op_wake_in},       {NULL, NULL},
    };
    luaL_register(L, NULL, functions);
}

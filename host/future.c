/* future.c: functions of Lua, called from C as tasks. */
#include <stdlib.h>
#include <string.h>

#include "embed.h"

struct tusk_future {
    struct tusk *host; /* NULL once it has ended */
    struct tusk_future *next, **link;
    struct tusk_hook told;
    tusk_done_fn done;
    void *ud;
    struct handle *task; /* kept in the registry while the task runs */
    int task_ref;
    atomic_uint refs; /* the embedder's, and the host's until it has told */
    tusk_rc rc;
    uint32_t n;
    tusk_val *values; /* results; or kind, message, traceback */
    tusk_failure failure;
    char plugin[];
};

/* ---- references and lists ---- */

static void unref(struct tusk_future *f)
{
    if (atomic_fetch_sub(&f->refs, 1) != 1)
        return;
    free(f->values);
    free(f);
}

static void enlist(struct tusk_future *f)
{
    struct tusk_future **first = &f->host->embedding->futures;
    f->next = *first;
    f->link = first;
    if (f->next)
        f->next->link = &f->next;
    *first = f;
}

static void delist(struct tusk_future *f)
{
    *f->link = f->next;
    if (f->next)
        f->next->link = f->link;
}

/* ---- the end ---- */

static void tell(struct tusk_hook *k)
{
    struct tusk_future *f = (struct tusk_future *)((char *)k - offsetof(struct tusk_future, told));
    if (f->done)
        f->done(f->ud, f);
    unref(f);
}

static void end(struct tusk_future *f, tusk_rc rc)
{
    struct tusk *h = f->host;
    delist(f);
    f->host = NULL;
    f->task = NULL;
    luaL_unref(h->L, LUA_REGISTRYINDEX, f->task_ref);
    f->rc = rc;
    f->told.run = tell;
    tusk_before_poll(h, &f->told);
}

/* The texts are constant, or in `values`. */
static void fail(struct tusk_future *f, tusk_rc rc, const char *kind, const char *message,
                 const char *traceback)
{
    f->failure = (tusk_failure){
        .rc = rc,
        .kind = kind,
        .plugin = *f->plugin ? f->plugin : NULL,
        .message = message,
        .traceback = traceback,
        .task_id = f->task ? f->task->id : 0,
    };
    end(f, rc);
}

static void fail_memory(struct tusk_future *f)
{
    fail(f, TUSK_E_NOMEM, "memory", "not enough memory", "");
}

static void fail_with(struct tusk_future *f, const tusk_val texts[3], int sent)
{
    if (value_copy(texts, 3, &f->values)) {
        fail_memory(f);
        return;
    }
    const char *kind = f->values[0].u.s.p;
    fail(f, failure_code(kind, sent), kind, f->values[1].u.s.p, f->values[2].u.s.p);
}

static struct tusk_future *running(lua_State *L)
{
    struct tusk_future *f = lua_touserdata(L, 1);
    return f->host ? f : NULL;
}

static tusk_val text_at(lua_State *L, int i)
{
    size_t n = 0;
    const char *p = lua_tolstring(L, i, &n);
    return tusk_bytes(p, n);
}

/* future_done(future, ...): it has returned these */
static int op_future_done(lua_State *L)
{
    struct tusk_future *f = running(L);
    struct value_view view;
    if (!f)
        return 0;
    int wrong = value_view(L, &f->host->embedding->values, 2, "result", &view);
    if (wrong) {
        tusk_val texts[] = {tusk_str(wrong == -2 ? "memory" : "result"), text_at(L, -1),
                            tusk_str("")};
        fail_with(f, texts, 0);
        return 0;
    }
    f->n = view.n;
    tusk_rc rc = value_copy(view.at, view.n, &f->values);
    value_view_free(&view);
    if (rc)
        fail_memory(f);
    else
        end(f, TUSK_OK);
    return 0;
}

/* future_failed(future, kind, message, traceback, whether it may have been done all the same) */
static int op_future_failed(lua_State *L)
{
    struct tusk_future *f = running(L);
    tusk_val texts[] = {text_at(L, 2), text_at(L, 3), text_at(L, 4)};
    if (f)
        fail_with(f, texts, lua_toboolean(L, 5));
    return 0;
}

/* future_lost(future): its task ends; if nothing else was said, for want of memory */
static int op_future_lost(lua_State *L)
{
    struct tusk_future *f = running(L);
    if (f)
        fail_memory(f);
    return 0;
}

/* start_call(scope | nil, fn, ...) -> task; nothing if the scope takes no more. Without a scope it
 * belongs to the application, or to the host. It begins at its turn. */
static int op_start_call(lua_State *L)
{
    struct tusk *h = HOST(L);
    struct scope *s = h->app ? &h->app->scope : &h->root;
    if (!lua_isnil(L, 1)) {
        s = &scope_check(L, 1)->scope;
        if (!s->task)
            return 0;
    }
    if (s->reason)
        return 0;
    return task_start(L, h, s, lua_gettop(L) - 2, TASK_INSIDE | TASK_LATER);
}

/* ---- the beginning ---- */

struct request {
    struct tusk_future *f;
    const char *function;
    const tusk_val *args;
    uint32_t n;
    uint64_t timeout_ms;
    int alone; /* nobody else will tell of a failure */
};

static int start(lua_State *L)
{
    struct request *r = lua_touserdata(L, 1);
    struct tusk_future *f = r->f;
    lua_pushboolean(L, 0);
    f->task_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    embed_push(L, f->host, "call");
    lua_pushlightuserdata(L, f);
    if (*f->plugin)
        lua_pushstring(L, f->plugin);
    else
        lua_pushnil(L);
    lua_pushstring(L, r->function);
    if (r->timeout_ms && r->timeout_ms != UINT64_MAX)
        lua_pushnumber(L, (double)r->timeout_ms / 1e3);
    else
        lua_pushnil(L);
    lua_pushboolean(L, r->alone);
    value_push(L, &f->host->embedding->values, r->args, r->n);
    lua_call(L, 5 + (int)r->n, 1); // what it does last is to start the task
    f->task = task_test_handle(L, -1);
    lua_rawseti(L, LUA_REGISTRYINDEX, f->task_ref);
    return 0;
}

static tusk_rc begin(tusk_host *h, struct request *r)
{
    struct tusk_future *f = r->f;
    f->host = h;
    enlist(f);
    tusk_rc rc = embed_run(h, start, r);
    if (!rc)
        return rc;
    delist(f);
    luaL_unref(h->L, LUA_REGISTRYINDEX, f->task_ref);
    free(f);
    return rc;
}

static struct tusk_future *future_new(const char *plugin, tusk_done_fn done, void *ud)
{
    size_t length = plugin ? strlen(plugin) : 0;
    struct tusk_future *f = calloc(1, sizeof *f + length + 1);
    if (!f)
        return NULL;
    if (plugin)
        memcpy(f->plugin, plugin, length);
    f->task_ref = LUA_NOREF;
    f->done = done;
    f->ud = ud;
    return f;
}

tusk_rc tusk_call(tusk_host *h, const char *plugin, const char *function, const tusk_val *args,
                  uint32_t n, uint64_t timeout_ms, tusk_done_fn done, void *ud, tusk_future **out)
{
    if (out)
        *out = NULL;
    tusk_rc rc = host_check(h);
    if (rc)
        return rc;
    if (!function || value_check(args, n))
        return host_refuse(h, TUSK_E_ARG, "a function has a name, and values as arguments");
    if (h->closing)
        return host_refuse(h, TUSK_E_CLOSED, "the host is closing");
    struct request r = {future_new(plugin, done, ud), function, args, n, timeout_ms, !out && !done};
    if (!r.f)
        return host_refuse(h, TUSK_E_NOMEM, "not enough memory");
    atomic_init(&r.f->refs, out ? 2 : 1);
    rc = begin(h, &r);
    if (!rc && out)
        *out = r.f;
    return rc;
}

/* ---- looking at it ---- */

tusk_rc tusk_future_poll(const tusk_future *f)
{
    if (!f)
        return TUSK_E_ARG;
    tusk_rc rc = f->host ? host_check(f->host) : TUSK_OK;
    if (rc)
        return rc;
    return f->host ? TUSK_E_STATE : f->rc;
}

const tusk_val *tusk_future_values(const tusk_future *f, uint32_t *n)
{
    int has = f && !f->host && !f->rc;
    if (n)
        *n = has ? f->n : 0;
    return has ? f->values : NULL;
}

const tusk_failure *tusk_future_failure(const tusk_future *f)
{
    return f && !f->host && f->rc ? &f->failure : NULL;
}

void tusk_future_cancel(tusk_future *f)
{
    if (f && f->host && !host_check(f->host) && f->task && f->task->task)
        scope_cancel(f->host, &f->task->task->own, CANCEL_ASKED);
}

void tusk_future_free(tusk_future *f)
{
    if (f)
        unref(f);
}

/* ---- opening and closing ---- */

void future_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"start_call", op_start_call},
        {"future_done", op_future_done},
        {"future_failed", op_future_failed},
        {"future_lost", op_future_lost},
        {NULL, NULL},
    };
    luaL_register(L, NULL, functions);
}

void future_close(struct tusk *h)
{
    while (h->embedding->futures)
        fail(h->embedding->futures, TUSK_E_CLOSED, "closed", "the host was closed", "");
}

/* load.c: sources, plugins and directories, from C. Each load is a task; what it fails with before
 * it first waits is the caller's to know, too. */
#include <string.h>

#include "embed.h"

struct request {
    const char *verb; /* a function of lua/tusk/loading.lua */
    const char *name, *text;
    size_t length;
};

static void push_verb(lua_State *L, const char *verb)
{
    lua_getfield(L, LUA_REGISTRYINDEX, "tusk.require");
    lua_pushliteral(L, "tusk.loading");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, verb);
    lua_remove(L, -2);
}

/* "mods/door.lua" is shown as it is; "=door" and "@door" are as Lua has them. */
static const char *plain_name(const char *name)
{
    return *name == '=' || *name == '@' ? name + 1 : name;
}

static void push_source(lua_State *L, const struct request *r)
{ // .. -> .. name fn
    const char *name = plain_name(r->name);
    lua_pushstring(L, name);
    lua_getfield(L, LUA_REGISTRYINDEX, "tusk.compile");
    lua_pushlstring(L, r->text, r->length);
    if (name == r->name)
        lua_pushfstring(L, "=%s", name);
    else
        lua_pushstring(L, r->name);
    lua_call(L, 2, 2);
    if (lua_isnil(L, -2))
        tusk_fail(L, "syntax", "%s", lua_tostring(L, -1));
    lua_pop(L, 1);
}

/* The task has ended already: what it failed with is the call's failure. */
static int raise_failure(lua_State *L, const struct handle *d)
{
    if (d->task || d->state == TASK_DONE)
        return 0;
    lua_rawgeti(L, LUA_REGISTRYINDEX, tusk_of(L)->callbacks[CALL_FAILED]);
    lua_pushvalue(L, -2);
    lua_call(L, 1, 0);
    return 0;
}

static int begin(lua_State *L)
{
    struct request *r = lua_touserdata(L, 1);
    struct tusk *h = tusk_of(L);
    lua_settop(L, 0);
    push_verb(L, r->verb);
    if (r->length || !strcmp(r->verb, "source"))
        push_source(L, r);
    else {
        lua_pushstring(L, r->name);
        lua_pushstring(L, r->text);
    }
    task_start(L, h, &h->root, 2, TASK_INSIDE | (h->inside > 1 ? TASK_LATER : 0));
    return raise_failure(L, task_handle(L, -1));
}

static tusk_rc load(tusk_host *h, struct request *r)
{
    tusk_rc rc = host_check(h);
    if (rc)
        return rc;
    if (!r->name || (!r->text && strcmp(r->verb, "directory")))
        return host_refuse(h, TUSK_E_ARG, "a name, and a text or a path, are needed");
    if (h->ending || h->root.reason)
        return host_refuse(h, TUSK_E_CLOSED, "the host is shutting down");
    if (memory_ensure(h))
        return host_refuse(h, TUSK_E_NOMEM, "not enough memory");
    int outermost = !h->current && !h->loading;
    struct sigpipe before;
    if (outermost) {
        sigpipe_block(&before);
        slice_begin(h, uv_hrtime());
    }
    h->has_plugins |= strcmp(r->verb, "source") != 0;
    h->inside++;
    h->loading++;
    rc = embed_protected(h, begin, r);
    h->loading--;
    h->inside--;
    if (outermost) {
        slice_end(h, NULL, 0, NULL, uv_hrtime());
        sigpipe_unblock(&before);
    }
    return rc;
}

tusk_rc tusk_load_source(tusk_host *h, const char *name, const char *source, size_t length)
{
    return load(h, &(struct request){"source", name, source, length});
}

tusk_rc tusk_load_plugin(tusk_host *h, const char *name, const char *path)
{
    return load(h, &(struct request){"plugin", name, path, 0});
}

tusk_rc tusk_load_dir(tusk_host *h, const char *dir)
{
    return load(h, &(struct request){"directory", dir, NULL, 0});
}

static int unload(lua_State *L)
{
    const char *name = lua_touserdata(L, 1);
    lua_settop(L, 0);
    push_verb(L, "unload");
    lua_pushstring(L, plain_name(name));
    lua_call(L, 1, 0);
    return 0;
}

tusk_rc tusk_unload(tusk_host *h, const char *name)
{
    tusk_rc rc = host_check(h);
    if (rc)
        return rc;
    if (!name)
        return host_refuse(h, TUSK_E_ARG, "a name is needed");
    h->inside++;
    rc = embed_protected(h, unload, (void *)name);
    h->inside--;
    return rc;
}

/* ---- the end ---- */

static int stop(lua_State *L)
{
    lua_settop(L, 0);
    push_verb(L, "stop");
    lua_call(L, 0, 0);
    return 0;
}

void load_end_begins(struct tusk *h, uint64_t grace_ns)
{
    uint64_t now = host_real(h);
    h->ending = 1;
    h->cancel_at = grace_ns < UINT64_MAX - now ? now + grace_ns : UINT64_MAX;
    if (!timer_reserve(h, CLOCK_REAL, 1))
        timer_start(h, CLOCK_REAL, &h->end, h->cancel_at);
    if (embed_protected(h, stop, NULL)) // want of memory: then all at once
        scope_cancel(h, &h->root, CANCEL_SHUTDOWN);
}

void load_end_expired(struct tusk *h)
{
    if (h->ending == 1) {
        h->ending = 2;
        scope_cancel(h, &h->root, CANCEL_SHUTDOWN);
        embed_hurry(h);
        if (!timer_reserve(h, CLOCK_REAL, 1))
            timer_start(h, CLOCK_REAL, &h->end, host_real(h) + CLOSE_NS);
    } else {
        h->ending = 3; // who has not ended by now will not
    }
}

int load_has_ended(const struct tusk *h)
{
    return h->ending && (h->ending == 3 || (!h->live && !h->ready_head));
}

tusk_rc tusk_shutdown(tusk_host *h, uint64_t grace_ms)
{
    tusk_rc rc = host_check(h);
    if (rc)
        return rc;
    if (h->ending)
        return host_refuse(h, TUSK_E_STATE, "the host is shutting down already");
    h->inside++;
    load_end_begins(h, grace_ms < UINT64_MAX / 1000000 ? grace_ms * 1000000 : UINT64_MAX);
    h->inside--;
    return TUSK_OK;
}

/* plugin.c: a plugin in C: an operator that answers at once, one that a thread answers, one that
 * waits for ever. Built in several ways. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <tusk.h>
#ifdef MODULE
#include <tusk_lua.h>
#endif

#ifndef NAMESPACE
#define NAMESPACE physics
#endif
#ifndef FAILS
#define FAILS 0
#endif
#define TEXT(x)  #x
#define NAME(x)  TEXT(x)
#define IN(name) NAME(NAMESPACE) name

#ifdef OTHER_ABI
#undef TUSK_ABI
#define TUSK_ABI 99u
#endif

struct physics { /* of one host */
    double gravity;
    tusk_op *waiting;
};

static tusk_rc fall(void *ud, const tusk_val *args, uint32_t n, tusk_val *result)
{
    const struct physics *p = ud;
    double seconds;
    if (n != 1 || !tusk_get_num(args, &seconds))
        return TUSK_E_ARG;
    *result = tusk_num(p->gravity * seconds * seconds / 2);
    return TUSK_OK;
}

static void *answer(void *ud)
{
    tusk_op *op = ud;
    const char *plugin = tusk_op_plugin(op);
    tusk_val v = tusk_str(plugin ? plugin : "nobody");
    tusk_op_done(op, &v, 1);
    tusk_op_free(op);
    return NULL;
}

static void who(void *ud, tusk_op *op, const tusk_val *args, uint32_t n)
{
    pthread_t thread;
    (void)ud;
    (void)args;
    (void)n;
    if (pthread_create(&thread, NULL, answer, op)) {
        tusk_op_free(op);
        return;
    }
    pthread_detach(thread);
}

static void settle(void *ud, tusk_op *op, const tusk_val *args, uint32_t n)
{
    struct physics *p = ud;
    (void)args;
    (void)n;
    tusk_op_free(p->waiting); // of a task that has been cancelled since
    p->waiting = op;
}

static tusk_rc begin(tusk_host *h, void **ud)
{
    if (FAILS)
        return TUSK_E_IO;
    struct physics *p = calloc(1, sizeof *p);
    if (!p)
        return TUSK_E_NOMEM;
    *ud = p;
    p->gravity = 9.8125;
    tusk_rc rc = tusk_def(h, IN(".fall"), fall, p);
    rc = rc ? rc : tusk_def_async(h, IN(".who"), who, NULL, p);
    rc = rc ? rc : tusk_def_async(h, IN(".settle"), settle, NULL, p);
    if (rc)
        free(p);
    return rc;
}

static void end(tusk_host *h, void *ud)
{
    struct physics *p = ud;
    (void)h;
    if (p->waiting) {
        tusk_rc rc = tusk_op_fail(p->waiting, "physics.over", "the world has ended");
        fprintf(stderr, "physics: too late: %s\n", tusk_strerror(rc));
        tusk_op_free(p->waiting);
    }
    free(p);
    fprintf(stderr, "physics: closed\n");
}

#ifdef MODULE
static int double_it(lua_State *L)
{
    lua_pushnumber(L, 2 * luaL_checknumber(L, 1));
    return 1;
}

TUSK_LUA_EXPORT int luaopen_plugins_mixed_native(lua_State *L);

int luaopen_plugins_mixed_native(lua_State *L)
{
    (void)begin;
    (void)end;
    tusk_lua_check_abi(L, MODULE);
    lua_pushcfunction(L, double_it);
    return 1;
}
#elif !defined(NO_PLUGIN)
TUSK_PLUGIN("physics", "1.2", "falling bodies", begin, end);
#else
TUSK_EXPORT int unused(void);
int unused(void)
{
    (void)begin;
    (void)end;
    return 0;
}
#endif

/*
 * tusk.h: an async host for Lua, as a library.
 *
 * A host is one LuaJIT state on one libuv loop, owned by one thread at a time. Nothing here is
 * global: no signals, no output, no exit; several hosts may live in one process. Every call comes
 * from the owner's thread unless marked [any]; from another it does nothing and returns
 * TUSK_E_THREAD, or NULL, 0 or -1. Handles may be NULL: that is TUSK_E_ARG, or nothing is done.
 */
#ifndef TUSK_H
#define TUSK_H 1

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TUSK_ABI     1u /* bumped only on a break; fields are only ever appended */
#define TUSK_VERSION "0.1.0"
#define TUSK_EXPORT  __attribute__((visibility("default")))

typedef struct tusk tusk_host;

typedef enum {
    TUSK_OK,
    TUSK_E_ARG,
    TUSK_E_NOMEM,
    TUSK_E_ABI,    /* a struct was not filled in by its tusk_..._init; or the program's tusk.h asks
                      for what this library does not have */
    TUSK_E_THREAD, /* not the owner's thread */
    TUSK_E_STATE,  /* not now: inside a callback, still running, already there */
    TUSK_E_SYNTAX,
    TUSK_E_LUA, /* an error in Lua without a code of its own */
    TUSK_E_DENIED,
    TUSK_E_TIMEOUT,
    TUSK_E_CANCELLED,
    TUSK_E_CPU, /* one resume computed for longer than slice_max_us */
    TUSK_E_IO,
    TUSK_E_UNKNOWN_OUTCOME, /* it failed, and may have been done all the same */
    TUSK_E_CLOSED,          /* the host is shutting down, or what was asked has ended */
    TUSK_E_NOTFOUND
} tusk_rc;

/* ---- callbacks: on the owner's thread; they may not step, run, adopt or close the host ---- */

/* new_size 0 frees. old_size is less than the block's after an allocation has failed: find no block
 * by it. Must not use the host. */
typedef void *(*tusk_alloc_fn)(void *ud, void *ptr, size_t old_size, size_t new_size);

typedef enum { TUSK_LOG_DEBUG, TUSK_LOG_INFO, TUSK_LOG_WARN, TUSK_LOG_ERROR } tusk_level;

/* One finished line of the log, without a newline at its end. plugin: who runs, by the name that it
 * was loaded under; NULL: nobody. */
typedef void (*tusk_log_fn)(void *ud, tusk_level level, const char *plugin, const char *line,
                            size_t length);

/* What a task failed with; its texts end with the callback that it is given to. */
typedef struct {
    tusk_rc rc;
    const char *kind;      /* "http.timeout", "db.constraint" ... */
    const char *plugin;    /* or NULL */
    const char *message;   /* with its place: "mods/a.lua:3: @http.get: ..." */
    const char *traceback; /* lines of the user's code; "" where there is none */
    uint64_t task_id;      /* 0: no task's */
} tusk_failure;

/* A task died with nobody waiting for it, or a plugin could not be set up. */
typedef void (*tusk_error_fn)(void *ud, const tusk_failure *failure);

/* ---- limits: 0 means the default, UINT64_MAX (of 32 bits: UINT32_MAX) means none ---- */

typedef struct {
    uint32_t struct_size;   /* filled in by tusk_limits_init */
    uint32_t max_tasks;     /* alive at once; default 1 000 000 */
    uint64_t mem_bytes;     /* of the host and its Lua, exactly; default none. A host that has this
                               limit runs without compiling, too */
    uint64_t slice_warn_us; /* a resume that took longer is logged; default none */
    uint64_t slice_max_us;  /* one that computes for longer ends with TUSK_E_CPU; default none. A
                               host  that has this limit runs without compiling */
    uint32_t max_ops;       /* operators that wait at once; default 1 000 000 */
    uint32_t max_depth;     /* of tasks in tasks, at most 65534; default none */
    /* The most that a script may ask for; without asking, a body is 16 MiB, a file 64 MiB at most.
     */
    uint64_t max_body_bytes; /* of an answer that @http takes as a whole; default none */
    uint64_t max_file_bytes; /* of a file that @file reads as a whole; default none */
} tusk_limits;

/* ---- configuration ---- */

#define TUSK_STRESS 1u /* flag: collect garbage fully at every turn of the loop: for tests */

typedef struct {
    uint32_t struct_size, abi;  /* filled in by tusk_config_init */
    void *ud;                   /* handed to every callback below */
    tusk_alloc_fn alloc;        /* NULL: the library's own */
    tusk_log_fn log;            /* NULL: the log is dropped */
    tusk_error_fn error;        /* NULL: such failures are lines of the log */
    void (*on_ready)(void *ud); /* with uv_loop: it is time for a step, which it may make itself */
    void *uv_loop;              /* NULL: the host runs a loop itself; else the caller's uv_loop_t,
                                   which the caller runs, once more after tusk_close */
    uint64_t (*now_ns)(void *ud); /* NULL: the monotonic clock; must never go back */
    uint64_t seed;                /* 0: chance is the system's; else always the same */
    const tusk_limits *limits;    /* NULL: the defaults; copied by tusk_open */
    uint32_t flags;               /* TUSK_STRESS */
} tusk_config;

TUSK_EXPORT void tusk_config_init_sized(tusk_config *c, uint32_t size, uint32_t abi);
#define tusk_config_init(c) tusk_config_init_sized((c), (uint32_t)sizeof *(c), TUSK_ABI)
TUSK_EXPORT void tusk_limits_init_sized(tusk_limits *l, uint32_t size);
#define tusk_limits_init(l) tusk_limits_init_sized((l), (uint32_t)sizeof *(l))

/* ---- life cycle ---- */

TUSK_EXPORT uint32_t tusk_abi(void);               /* [any] ABI of the loaded library */
TUSK_EXPORT const char *tusk_version(void);        /* [any] */
TUSK_EXPORT const char *tusk_strerror(tusk_rc rc); /* [any] */

/* Opens a host, owned by the calling thread. c may be NULL for the defaults. Never exits, prints or
 * aborts. */
TUSK_EXPORT tusk_rc tusk_open(const tusk_config *c, tusk_host **out);
/* The calling thread becomes the owner. The former one must not be using the host. */
TUSK_EXPORT tusk_rc tusk_adopt(tusk_host *h);
/*
 * Begins the end: nothing more is loaded, sources are cancelled, plugins stopped, last loaded
 * first. Keep stepping until TUSK_STEP_DONE. After grace_ms what is left is cancelled.
 */
TUSK_EXPORT tusk_rc tusk_shutdown(tusk_host *h, uint64_t grace_ms);
/* Cancels what is left, waits for work in flight, frees everything. h may be NULL. */
TUSK_EXPORT tusk_rc tusk_close(tusk_host *h);
/* [any], also from a signal handler: asks for the end: at the next turn sources are cancelled,
 * or a shutdown begins if there are plugins. */
TUSK_EXPORT void tusk_stop(tusk_host *h);
/* On the owner's thread, from its signal handler: tusk_stop, and Lua code that computes there is
 * cancelled before its next instruction. What LuaJIT has compiled goes on until it leaves its loop.
 */
TUSK_EXPORT void tusk_interrupt(tusk_host *h);
/* Text of the last failed call; valid until the next call. */
TUSK_EXPORT const char *tusk_errmsg(const tusk_host *h);

/* ---- loading ---- */

/*
 * A load is a task, which runs at once until it first waits. What fails until then is told by the
 * code, tusk_errmsg and the error callback; what fails later, by the callback alone. Inside a
 * callback a load begins in the next step.
 */

/* Compiles source (Lua with @, text only) and runs it. name appears in its errors, and in
 * tusk_unload; several may have the same. */
TUSK_EXPORT tusk_rc tusk_load_source(tusk_host *h, const char *name, const char *source,
                                     size_t length);
/* The plugin at a path: a file, or a folder with an init.lua. name: what it calls itself; one that
 * is only a function is called that. TUSK_E_STATE: there is one already. */
TUSK_EXPORT tusk_rc tusk_load_plugin(tusk_host *h, const char *name, const char *path);
/* Either a script directory (there is a main.lua, plugins/ or tusk.lua), as `tusk run dir` has it:
 * paths, configuration, migrations, plugins, then main.lua, under the name "main"; or a folder
 * whose entries are plugins. If one cannot be set up, none stays. */
TUSK_EXPORT tusk_rc tusk_load_dir(tusk_host *h, const char *dir);
/* Begins to end what was loaded under that name: its tasks are cancelled, a plugin is torn down.
 * The name can be loaded again at once: that waits. Global variables that it has set stay.
 * TUSK_E_STATE: another plugin requires it. */
TUSK_EXPORT tusk_rc tusk_unload(tusk_host *h, const char *name);

/* ---- driving ---- */

typedef enum {
    TUSK_STEP_ERROR = -1, /* the wrong thread, or inside a callback */
    TUSK_STEP_IDLE,       /* no task is left */
    TUSK_STEP_MORE,       /* some are ready */
    TUSK_STEP_WAITING,    /* all that are left wait */
    TUSK_STEP_DONE        /* the shutdown is over */
} tusk_step_state;
/*
 * Polls once, resumes ready tasks for at most budget_us microseconds (overrun: one resume), and
 * polls again for what they have begun. Never blocks. 0 polls only.
 */
TUSK_EXPORT tusk_step_state tusk_step(tusk_host *h, uint64_t budget_us);
/* Spends at most budget_us (overrun: one step of the collector) on garbage, when there is enough of
 * it to be worth it. Returns the bytes freed. Without it LuaJIT collects in the steps. */
TUSK_EXPORT uint64_t tusk_gc_idle(tusk_host *h, uint64_t budget_us);
/* Runs until no task is left. TUSK_E_STATE: some are, and nothing can ever wake them. */
TUSK_EXPORT tusk_rc tusk_run(tusk_host *h);
/* For a poll set of one's own, to be read after every step: the descriptor to watch, and how many
 * milliseconds to wait at most (-1: for ever). Timers never show on the descriptor. */
TUSK_EXPORT int tusk_wait_fd(const tusk_host *h);
TUSK_EXPORT int tusk_wait_ms(const tusk_host *h);
TUSK_EXPORT void tusk_wakeup(tusk_host *h); /* [any] ends a blocking wait early */

/* ---- looking inside ---- */

typedef struct {
    uint32_t struct_size;      /* filled in by tusk_stats_init */
    uint32_t tasks;            /* alive; plugins that only stand by are not counted */
    uint32_t ready;            /* of these */
    uint32_t ops;              /* operators that wait */
    uint32_t fds;              /* descriptors that the loop watches */
    uint64_t lua_bytes;        /* what Lua has in use, garbage too */
    uint64_t bytes;            /* all of the host: what limits.mem_bytes caps */
    uint64_t peak_bytes;       /* the most that was; with neither cap nor allocator of one's own,
                                  the most at the end of a step, or when this was asked for */
    uint64_t steps;            /* calls of tusk_step */
    uint64_t slowest_slice_us; /* the longest resume: in steps; in tusk_run if there is a limit */
} tusk_stats;
TUSK_EXPORT void tusk_stats_init_sized(tusk_stats *s, uint32_t size);
#define tusk_stats_init(s) tusk_stats_init_sized((s), (uint32_t)sizeof *(s))

/* plugin: NULL for the whole host; else tasks, ready, ops and slowest_slice_us of what was loaded
 * under that name. */
TUSK_EXPORT tusk_rc tusk_get_stats(tusk_host *h, const char *plugin, tusk_stats *s);

/* [any], also from a signal handler: has the tree of tasks logged at the next turn: who waits,
 * where, since when. */
TUSK_EXPORT void tusk_dump(tusk_host *h);

/* The lua_State, for operators written against tusk_lua.h. */
TUSK_EXPORT void *tusk_unstable_lua(tusk_host *h);

/* ---- values ---- */

/*
 * Plain data. It crosses by copy: what a tusk_val points to is read before the call that it was
 * given to returns, and what the host gives is valid for as long as that call says. TUSK_E_ARG: a
 * value nested deeper than 64, or in itself; a map's key that is no boolean, number or string; an
 * integer beyond 2^53 as a key.
 */
typedef enum {
    TUSK_NIL,
    TUSK_BOOL,
    TUSK_INT, /* a whole number: up to 2^53 a number in Lua, beyond it an int64_t cdata */
    TUSK_NUM, /* any other number */
    TUSK_STR, /* bytes, zero ones too */
    TUSK_LIST,
    TUSK_MAP
} tusk_type;

typedef struct tusk_val {
    tusk_type type;
    uint32_t n; /* elements of a LIST; pairs of a MAP */
    union {
        int b;
        int64_t i;
        double d;
        struct {
            const char *p;
            size_t len;
        } s;
        const struct tusk_val *v; /* of a MAP: key, value, key, value ... */
    } u;
} tusk_val;

static inline tusk_val tusk_val_of(tusk_type type)
{
    tusk_val v;
    memset(&v, 0, sizeof v);
    v.type = type;
    return v;
}

static inline tusk_val tusk_nil(void)
{
    return tusk_val_of(TUSK_NIL);
}

static inline tusk_val tusk_bool(int b)
{
    tusk_val v = tusk_val_of(TUSK_BOOL);
    v.u.b = b != 0;
    return v;
}

static inline tusk_val tusk_int(int64_t i)
{
    tusk_val v = tusk_val_of(TUSK_INT);
    v.u.i = i;
    return v;
}

static inline tusk_val tusk_num(double d)
{
    tusk_val v = tusk_val_of(TUSK_NUM);
    v.u.d = d;
    return v;
}

/* The bytes are not copied here. */
static inline tusk_val tusk_bytes(const char *p, size_t len)
{
    tusk_val v = tusk_val_of(TUSK_STR);
    v.u.s.p = p;
    v.u.s.len = len;
    return v;
}

static inline tusk_val tusk_str(const char *text)
{
    return tusk_bytes(text, strlen(text));
}

/* n elements, or n pairs. */
static inline tusk_val tusk_list(const tusk_val *elements, uint32_t n)
{
    tusk_val v = tusk_val_of(TUSK_LIST);
    v.n = n;
    v.u.v = elements;
    return v;
}

static inline tusk_val tusk_map(const tusk_val *pairs, uint32_t n)
{
    tusk_val v = tusk_val_of(TUSK_MAP);
    v.n = n;
    v.u.v = pairs;
    return v;
}

/* The number that v is, whole or not; nonzero if it is one. */
static inline int tusk_get_num(const tusk_val *v, double *out)
{
    if (v->type == TUSK_INT)
        *out = (double)v->u.i;
    else if (v->type == TUSK_NUM)
        *out = v->u.d;
    else
        return 0;
    return 1;
}

/* What a map has under this name; NULL if it has nothing, or is no map. */
static inline const tusk_val *tusk_get(const tusk_val *map, const char *name)
{
    size_t len = strlen(name);
    for (uint32_t i = 0; map->type == TUSK_MAP && i < map->n; i++) {
        const tusk_val *key = &map->u.v[2 * i];
        if (key->type == TUSK_STR && key->u.s.len == len && !memcmp(key->u.s.p, name, len))
            return key + 1;
    }
    return NULL;
}

/* ---- operators from C ---- */

typedef struct tusk_op tusk_op; /* one call of an operator, until it is answered */

/* Most arguments and results of a call: TUSK_E_ARG beyond; from Lua an argument error. */
#define TUSK_ARGS_MAX 200u

/*
 * Answers before it returns: fills *result, which is nil, with what the operator returns. What it
 * points to must last until the function is called again, or the host closes. Any other code than
 * TUSK_OK fails the call with the kind that docs/embedding.md lists; a string in *result is the
 * message. The arguments are gone when it returns.
 */
typedef tusk_rc (*tusk_fn)(void *ud, const tusk_val *args, uint32_t n, tusk_val *result);
/*
 * Begins. The calling task waits until tusk_op_done or tusk_op_fail, which may come at once, later,
 * or from another thread. op is a reference of the function's own: tusk_op_free it when done with
 * it. The arguments are gone when it returns.
 */
typedef void (*tusk_async_fn)(void *ud, tusk_op *op, const tusk_val *args, uint32_t n);
/*
 * The task is cancelled, or its time is over: end the work, and answer. Called once at most, on the
 * owner's thread, while op waits; the task goes on when op is answered.
 */
typedef void (*tusk_cancel_fn)(void *ud, tusk_op *op);
/* These run with Lua's code beneath them. Of the host they may call: tusk_op_..., tusk_def...,
 * tusk_call, tusk_future_..., tusk_emit, tusk_wakeup; a tusk_cancel_fn tusk_op_... alone. */

/*
 * Defines an operator: "ping" is @ping(...), "physics.raycast" is @physics.raycast(...). From then
 * on it is one of the host's own. TUSK_E_ARG: no name for one. TUSK_E_STATE: it is there already.
 * tusk_def: can be called where a task cannot wait, too. tusk_def_async: without `cancel` a
 * cancelled task goes on at once, and the answer is refused.
 */
TUSK_EXPORT tusk_rc tusk_def(tusk_host *h, const char *name, tusk_fn fn, void *ud);
TUSK_EXPORT tusk_rc tusk_def_async(tusk_host *h, const char *name, tusk_async_fn fn,
                                   tusk_cancel_fn cancel, void *ud);

/* References may outlive the host. When the last one is freed before there was an answer, the call
 * fails with kind `abandoned`. */
TUSK_EXPORT void tusk_op_retain(tusk_op *op); /* [any] */
TUSK_EXPORT void tusk_op_free(tusk_op *op);   /* [any] */
/*
 * The answer: n results, or an error of that kind ("physics.no_world") at the caller's line. The
 * first one counts. TUSK_E_STATE: there was one. TUSK_E_CANCELLED: the task has not waited for it.
 * TUSK_E_CLOSED: the host is closed. TUSK_E_ARG, TUSK_E_NOMEM: op still waits. To one that was
 * cancelled tusk_op_fail says that it has ended; it fails with `cancelled` whatever the kind.
 */
TUSK_EXPORT tusk_rc tusk_op_done(tusk_op *op, const tusk_val *results, uint32_t n);   /* [any] */
TUSK_EXPORT tusk_rc tusk_op_fail(tusk_op *op, const char *kind, const char *message); /* [any] */
/* [any] As it was defined; the name under which the plugin or source was loaded whose task asks,
 * NULL if none is. Both valid with op. */
TUSK_EXPORT const char *tusk_op_name(const tusk_op *op);
TUSK_EXPORT const char *tusk_op_plugin(const tusk_op *op);
/* [any] When the task's time is over, on the host's clock (CLOCK_MONOTONIC, if none was given);
 * UINT64_MAX: never. */
TUSK_EXPORT uint64_t tusk_op_deadline_ns(const tusk_op *op);
/* [any] Nonzero if nobody needs an answer any more. */
TUSK_EXPORT int tusk_op_cancelled(const tusk_op *op);

/* ---- Lua from C ---- */

typedef struct tusk_future tusk_future; /* one call into Lua */

/* The call has ended. Runs once, in tusk_step, tusk_run or tusk_close, outside of Lua; f is valid
 * while it runs, longer for those who hold it. */
typedef void (*tusk_done_fn)(void *ud, tusk_future *f);

/*
 * Calls a function of Lua as a task in the plugin's scope; it begins in the next step. `function`
 * is "users.find" for a function of the plugin's operator @users, or "find" where one operator of
 * the plugin has it. Without a plugin (NULL): a global function, or "json.encode" for any operator.
 * timeout_ms: from when it begins; 0 for none. done may be NULL; out too: then nobody holds the
 * future, and if done is NULL as well, a failure is reported like that of any task.
 * TUSK_E_NOTFOUND: tusk_errmsg names what is near. TUSK_E_CLOSED: the plugin, or the host, is
 * ending.
 */
TUSK_EXPORT tusk_rc tusk_call(tusk_host *h, const char *plugin, const char *function,
                              const tusk_val *args, uint32_t n, uint64_t timeout_ms,
                              tusk_done_fn done, void *ud, tusk_future **out);

/* TUSK_E_STATE: it still runs. TUSK_OK: there are values. Else the code of its failure. */
TUSK_EXPORT tusk_rc tusk_future_poll(const tusk_future *f);
/* What it returned, and how many: valid with f. NULL unless there are any. */
TUSK_EXPORT const tusk_val *tusk_future_values(const tusk_future *f, uint32_t *n);
/* What it failed with: valid with f. NULL unless it has failed. */
TUSK_EXPORT const tusk_failure *tusk_future_failure(const tusk_future *f);
/* Asks the task to stop. It ends once its work in flight has: TUSK_E_CANCELLED. */
TUSK_EXPORT void tusk_future_cancel(tusk_future *f);
/* [any] Lets go of f, once, also after the host has closed. Does not cancel; f may be NULL. */
TUSK_EXPORT void tusk_future_free(tusk_future *f);

/* ---- events ---- */

/*
 * Tells all that listen: plugins with `on = { [event] = function(ctx, ...) }`, and `@on(event,
 * function(...))`. Each handler runs as a task of its plugin, begins in the next step, and gets
 * values of its own. That nobody listens is no error.
 */
TUSK_EXPORT tusk_rc tusk_emit(tusk_host *h, const char *event, const tusk_val *args, uint32_t n);

/* ---- plugins in C ---- */

/*
 * A library in a script directory's plugins: plugins/physics.so, or plugins/physics/physics.so. It
 * has TUSK_PLUGIN("physics", "1.0", "what it is for", open, close); in it, outside of functions.
 */
typedef struct {
    uint32_t struct_size, abi;
    const char *name, *version, *description; /* the last two may be NULL */
    /* What it defines by tusk_def... belongs to the plugin. *ud is handed to close. Another code
     * than TUSK_OK: the plugin has failed. */
    tusk_rc (*open)(tusk_host *h, void **ud);
    /* When the plugin has ended, once for each open. What it has not answered yet, it answers now.
     * May be NULL. */
    void (*close)(tusk_host *h, void *ud);
} tusk_plugin;

#ifdef __cplusplus
#define TUSK_PLUGIN(...)                                                                           \
    extern "C" {                                                                                   \
    extern TUSK_EXPORT const tusk_plugin tusk_plugin_entry;                                        \
    const tusk_plugin tusk_plugin_entry = {sizeof(tusk_plugin), TUSK_ABI, __VA_ARGS__};            \
    }                                                                                              \
    static_assert(TUSK_ABI, "")
#else
#define TUSK_PLUGIN(...)                                                                           \
    TUSK_EXPORT extern const tusk_plugin tusk_plugin_entry;                                        \
    const tusk_plugin tusk_plugin_entry = {sizeof(tusk_plugin), TUSK_ABI, __VA_ARGS__}
#endif

#ifdef __cplusplus
}
#endif
#endif

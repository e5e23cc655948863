/*
 * tusk.h: an async host for Lua, as a library.
 *
 * A host is one LuaJIT state on one libuv loop, owned by one thread at a time. Nothing here is
 * global: no signals, no output, no exit; several hosts may live in one process. Every call comes
 * from the owner's thread unless marked [any]; from another it does nothing and returns
 * TUSK_E_THREAD.
 */
#ifndef TUSK_H
#define TUSK_H 1

#include <stddef.h>
#include <stdint.h>

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
    TUSK_E_ABI,    /* the program's tusk.h asks for what this library does not have */
    TUSK_E_THREAD, /* not the owner's thread */
    TUSK_E_STATE,  /* not now: inside a callback, still running, already there */
    TUSK_E_SYNTAX,
    TUSK_E_LUA, /* an error in Lua without a code of its own */
    TUSK_E_DENIED,
    TUSK_E_TIMEOUT,
    TUSK_E_CANCELLED,
    TUSK_E_CPU, /* one resume took longer than slice_max_us */
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
    uint64_t mem_bytes;     /* of the host and its Lua, exactly; default none */
    uint64_t slice_warn_us; /* a resume that took longer is logged; default none */
    uint64_t slice_max_us;  /* one that takes longer ends with TUSK_E_CPU; default none. A host that
                               has this limit runs without compiling */
    uint32_t max_ops;       /* operators that wait at once; default 1 000 000 */
    uint32_t max_depth;     /* of tasks in tasks, at most 65534; default none */
} tusk_limits;

/* ---- configuration ---- */

#define TUSK_STRESS 1u /* flag: collect garbage fully at every turn of the loop: for tests */

typedef struct {
    uint32_t struct_size, abi;    /* filled in by tusk_config_init */
    void *ud;                     /* handed to every callback below */
    tusk_alloc_fn alloc;          /* NULL: the library's own */
    tusk_log_fn log;              /* NULL: the log is dropped */
    tusk_error_fn error;          /* NULL: such failures are lines of the log */
    void (*on_ready)(void *ud);   /* with uv_loop: there is something to resume */
    void *uv_loop;                /* NULL: the host makes its own; else the caller's uv_loop_t */
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
/* Cancels what is left, waits for work in flight, frees everything. h may be NULL. */
TUSK_EXPORT tusk_rc tusk_close(tusk_host *h);
/* [any], also from a signal handler: asks for the end: at the next turn what runs is cancelled.
 */
TUSK_EXPORT void tusk_stop(tusk_host *h);
/* On the owner's thread, from its signal handler: tusk_stop, and Lua code that computes there is
 * cancelled before its next instruction. What LuaJIT has compiled goes on until it leaves its loop.
 */
TUSK_EXPORT void tusk_interrupt(tusk_host *h);
/* Text of the last failed call; valid until the next call. */
TUSK_EXPORT const char *tusk_errmsg(const tusk_host *h);

/* ---- loading ---- */

/* Compiles source (Lua with @, text only) and starts it as a task; name appears in its errors. */
TUSK_EXPORT tusk_rc tusk_load_source(tusk_host *h, const char *name, const char *source,
                                     size_t length);

/* ---- driving ---- */

typedef enum {
    TUSK_STEP_ERROR = -1, /* the wrong thread, or inside a callback */
    TUSK_STEP_IDLE,       /* no task is left */
    TUSK_STEP_MORE,       /* some are ready */
    TUSK_STEP_WAITING     /* all that are left wait */
} tusk_step_state;
/*
 * Polls once, resumes ready tasks for at most budget_us microseconds (overrun: one resume), and
 * polls again for what they have begun. Never blocks. 0 polls only.
 */
TUSK_EXPORT tusk_step_state tusk_step(tusk_host *h, uint64_t budget_us);
/* Runs until no task is left. TUSK_E_STATE: some are, and nothing can ever wake them. */
TUSK_EXPORT tusk_rc tusk_run(tusk_host *h);
/* For a poll set of one's own, to be read after every step: the descriptor to watch, and how many
 * milliseconds to wait at most (-1: for ever). Timers never show on the descriptor. */
TUSK_EXPORT int tusk_wait_fd(const tusk_host *h);
TUSK_EXPORT int tusk_wait_ms(const tusk_host *h);
TUSK_EXPORT void tusk_wakeup(tusk_host *h); /* [any] ends a blocking wait early */

/* ---- looking inside ---- */

/* [any], also from a signal handler: has the tree of tasks logged at the next turn: who waits,
 * where, since when. */
TUSK_EXPORT void tusk_dump(tusk_host *h);

/* The lua_State, for operators written against tusk_lua.h. */
TUSK_EXPORT void *tusk_unstable_lua(tusk_host *h);

#ifdef __cplusplus
}
#endif
#endif

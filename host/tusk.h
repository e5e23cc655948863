/*
 * tusk.h: an async host for Lua, as a library.
 *
 * A host is one LuaJIT state on one libuv loop, owned by one thread at a time. Nothing here is
 * global: no signals, no output, no exit; several hosts may live in one process. Every call comes
 * from the owner's thread unless marked [any].
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
    TUSK_E_ABI,
    TUSK_E_STATE,
    TUSK_E_SYNTAX,
    TUSK_E_LUA,
    TUSK_E_IO
} tusk_rc;

typedef enum { TUSK_LOG_DEBUG, TUSK_LOG_INFO, TUSK_LOG_WARN, TUSK_LOG_ERROR } tusk_level;

/* Receives one finished line of the log, without a newline; runs on the owner's thread. */
typedef void (*tusk_log_fn)(void *ud, tusk_level level, const char *line, size_t length);

#define TUSK_STRESS 1u /* collect garbage fully at every turn of the loop: for tests */

typedef struct {
    uint32_t struct_size, abi; /* filled in by tusk_config_init */
    void *ud;                  /* handed to every callback below */
    tusk_log_fn log;           /* NULL: the log is dropped */
    uint32_t flags;            /* TUSK_STRESS */
} tusk_config;

TUSK_EXPORT uint32_t tusk_abi(void);               /* [any] ABI of the loaded library */
TUSK_EXPORT const char *tusk_version(void);        /* [any] */
TUSK_EXPORT const char *tusk_strerror(tusk_rc rc); /* [any] */

TUSK_EXPORT void tusk_config_init_sized(tusk_config *c, uint32_t size, uint32_t abi);
#define tusk_config_init(c) tusk_config_init_sized((c), (uint32_t)sizeof *(c), TUSK_ABI)

/* Opens a host. c may be NULL for the defaults. Never exits, prints or aborts. */
TUSK_EXPORT tusk_rc tusk_open(const tusk_config *c, tusk_host **out);
/* Cancels what is left, waits for work in flight, frees everything. h may be NULL. */
TUSK_EXPORT void tusk_close(tusk_host *h);
/* [any], also from a signal handler: asks the application to stop. Its tasks are cancelled at the
 * next turn. */
TUSK_EXPORT void tusk_shutdown(tusk_host *h);
/* On the owner's thread, from its signal handler: tusk_shutdown, and Lua code that computes there
 * is cancelled before its next instruction. What LuaJIT has compiled goes on until it leaves its
 * loop. */
TUSK_EXPORT void tusk_interrupt(tusk_host *h);
/* [any], also from a signal handler: has the tree of tasks logged at the next turn: who waits,
 * where, since when. */
TUSK_EXPORT void tusk_dump(tusk_host *h);
/* Text of the last failed call; valid until the next call. */
TUSK_EXPORT const char *tusk_errmsg(const tusk_host *h);

/* Compiles source (Lua with @, text only) and starts it as a task; name appears in its errors. */
TUSK_EXPORT tusk_rc tusk_load_source(tusk_host *h, const char *name, const char *source,
                                     size_t length);

typedef enum { TUSK_STEP_IDLE, TUSK_STEP_MORE, TUSK_STEP_WAITING } tusk_step_state;
/*
 * Polls once, then resumes ready tasks for at most budget_us microseconds (overrun: one resume).
 * Never blocks. IDLE: no task is left. MORE: some are ready. WAITING: all that are left wait.
 */
TUSK_EXPORT tusk_step_state tusk_step(tusk_host *h, uint64_t budget_us);
/* Runs until no task is left. TUSK_E_STATE: some are, and nothing can ever wake them. */
TUSK_EXPORT tusk_rc tusk_run(tusk_host *h);
/* For a poll set of one's own: the descriptor to watch, and how long to wait at most (-1: for
 * ever). */
TUSK_EXPORT int tusk_wait_fd(const tusk_host *h);
TUSK_EXPORT int tusk_wait_ms(const tusk_host *h);
TUSK_EXPORT void tusk_wakeup(tusk_host *h); /* [any] ends a blocking wait early */

/* The lua_State, for operators written against tusk_lua.h. */
TUSK_EXPORT void *tusk_unstable_lua(tusk_host *h);

#ifdef __cplusplus
}
#endif
#endif

/* host.h: what the files of host/ share. One struct tusk holds everything; nothing is static. */
#ifndef HOST_H
#define HOST_H 1

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "tusk.h"
#include "tusk_lua.h"

enum task_state {
    TASK_RUNNING,
    TASK_READY,
    TASK_PARKED,
    TASK_JOINING,
    TASK_DONE,
    TASK_FAILED,
    TASK_CANCELLED
};

/* Why a scope is cancelled; 0 is not at all. OUTER: an enclosing scope was. */
enum cancel_reason {
    CANCEL_NONE,
    CANCEL_ASKED,
    CANCEL_SIBLING,
    CANCEL_TIMEOUT,
    CANCEL_SHUTDOWN,
    CANCEL_OUTER
};

/* What a scope does when a child nobody awaits fails: fail itself, keep the error, or report it. */
enum on_error { ON_ERROR_FAIL, ON_ERROR_COLLECT, ON_ERROR_LOG };

struct queue { /* a line, first in first out */
    struct waiter *head, *tail;
};

/* A place in a line: a task's own, or one of those that a select holds. */
struct waiter {
    struct queue *queue; /* NULL: in none */
    struct waiter *after, *before;
    uint32_t number; /* among those of its select, from 1; 0: a task's own */
};

enum clock { CLOCK_REAL, CLOCK_VIRTUAL };

struct timer { /* an entry of a heap; slot 0: not armed */
    uint32_t slot;
    uint8_t of_scope, of_select, of_watch, of_end;
    uint8_t clock; /* what its moment is on */
};

struct scope {
    struct scope *parent, *child, *next, *prev;
    struct task *task;        /* runs the body; NULL for the root */
    uint32_t live;            /* children not ended: tasks' own scopes and nested scopes */
    int errors;               /* registry reference of the list of failures, or 0 */
    struct tusk_owned *owned; /* what bindings gave it */
    uint8_t reason;           /* enum cancel_reason */
    uint8_t is_task, shielded, joining, on_error;
    uint8_t delivered; /* how often somebody inside has been told that it is cancelled */
    uint16_t depth;    /* how many are around it; 65535: that many, or more */
};

/* What Lua holds of a task, and all that outlives it. Results that are not plain numbers: its
 * environment. */
struct handle {
    struct task *task; /* NULL once it has ended */
    double number;
    const void *spawner; /* the function that spawned it: an address, to compare */
    uint32_t magic, id;
    int line; /* of the spawn, or -1 */
    uint8_t state, kept, observed;
};

enum kept { KEPT_NOTHING, KEPT_NUMBER, KEPT_TABLE };

struct task { /* from slabs, paired with its coroutine for life and recycled with it */
    struct scope own;
    struct handle *handle;
    lua_State *co;
    struct scope *scope;    /* innermost */
    struct task *next;      /* in the ready queue, or among the recycled */
    struct tusk_wait *wait; /* the record it is parked on, if it is a binding's */
    struct waiter place;    /* in the line it stands in, if any */
    struct queue awaiters;
    struct timer timer;
    uint64_t since;         /* when it parked, on the host's clock */
    int co_ref, handle_ref; /* its coroutine and its handle, in the registry */
    int nargs;              /* what the next resume passes, already on its stack */
    uint8_t state, held;    /* held: its failure waits for an await */
    uint8_t body_first;     /* its body failed before any of its children did */
    uint8_t ok;
    uint8_t strays;      /* coroutines of the user may have left scopes open in it */
    uint8_t is_unit;     /* a plugin, or a source */
    uint8_t is_resident; /* it only stands by */
};

struct explicit_scope { /* userdata: a scope opened inside a task */
    struct scope scope;
    struct timer timer;
    uint32_t magic;
    uint64_t deadline;
    double after;      /* what it was given: seconds */
    lua_State *co;     /* the user's coroutine that opened it; NULL: the task itself */
    struct task *left; /* it was abandoned in this one, and Lua has not been told; or NULL */
    uint32_t left_id;
};

struct heap_entry {
    uint64_t due, order;
    struct timer *timer;
};

struct heap { /* [1..count] */
    struct heap_entry *entries;
    uint32_t count, size;
};

/* Lua values the host uses, by registry reference; lua/tusk/core.lua gives them by `kernel.use`. */
enum callback {
    CALL_ERROR,     /* (kind, message) -> error */
    CALL_CANCELLED, /* (sent) -> error */
    CALL_REFUSE,    /* (in a task?, resumers in the way): raises */
    CALL_HANDLER,   /* the message handler of every task */
    CALL_OUTCOME,   /* (handle, ok, reason, failures, body first?, values...) -> state, error */
    CALL_FAILED,    /* (handle): raises why it did not end well */
    CALL_UNHANDLED, /* (error, handle): a child of a supervisor failed */
    CALL_DEADLOCK,  /* (): nothing can ever wake any task */
    CALL_STOPPING,  /* (): a shutdown was asked for */
    CALL_STUCK,     /* (task): it has swallowed its cancellation again and again */
    CALL_WATCH,     /* (): the time that kernel.watch was given is over */
    CALL_SLOW,      /* (id, milliseconds, task | nil): it ran so long without waiting */
    CALL_SWEPT,     /* (): the checkpoint that a sweep cancels at */
    CALL_XPCALL,    /* Lua's own xpcall */
    CALL_NAMED,     /* (held, options, fn, ...) -> task */
    CALL_ABANDONED, /* (scope, task | nil): a coroutine of the user's will never end it; (): start
                       what sees to those that were told */
    TASK_META,      /* the metatable of handles */
    STRAYS,         /* address -> scope, weakly: those that coroutines of the user's open */
    COROUTINES,     /* coroutine -> what is special about resuming it: see coroutine.lua */
    CALL_COUNT
};

enum { HOLD_BUCKETS = 22 }; /* up to about a second */

struct tusk {
    lua_State *L;
    uv_loop_t loop;
    uv_timer_t alarm;
    uv_async_t async;
    struct {
        lua_Alloc lua; /* LuaJIT's own, wrapped to find the host from any lua_State */
        void *lua_ud;
        struct arena *arena;
        void *ballast;
        uint64_t spare;    /* what only those get who are to fail */
        size_t strings;    /* bytes of LuaJIT's table of strings, once it has grown */
        size_t fresh;      /* of the block that was asked for last, if it may be that */
        int collector;     /* registry reference: a function that collects */
        uint8_t opening;   /* lua_newstate runs */
        uint8_t is_short;  /* the running task is to fail */
        uint8_t uncounted; /* what Lua takes is none of bytes */
        uint64_t bytes, peak;
        uint64_t low;        /* what was left by the last collection near the cap */
        uint64_t collect_at; /* from here on the next task has to wait for a collection */
    } memory;
    tusk_config config;
    tusk_limits limits;
    _Atomic pthread_t owner;
    atomic_int inside; /* a call that runs Lua, or callbacks, goes on */

    struct task *current;
    struct task *ready_head, *ready_tail;
    struct task *spare; /* recycled */
    struct slab *slabs;
    struct scope root;
    struct explicit_scope *app; /* what a shutdown cancels */
    uint32_t live, depth, last_id;
    uint32_t residents; /* of those that live, who do not keep a program running */
    struct unit *units;
    struct {
        uint64_t began, until; /* until: 0 while there is no limit */
        uint64_t computed;     /* the same, of the thread's own time */
        uint64_t slowest;
        uint8_t over; /* 1: it is to fail; 2: it has been told */
    } slice;
    uint32_t waits; /* parked on bindings' records */
    int budget;     /* inline answers left in this turn */
    int blocked;    /* > 0 while a resumer below cannot yield */
    int callbacks[CALL_COUNT];

    struct heap heaps[2]; /* by enum clock */
    uint64_t now, order;
    struct timer watch;
    struct timer end;   /* of the grace of a shutdown */
    uint64_t cancel_at; /* when that is over */
    int ending;         /* a shutdown: 1 has begun, 2 all is cancelled, 3 nothing is waited for */
    struct {
        uint64_t now, from;  /* nanoseconds; from: as it began */
        uint64_t until;      /* up to here it moves whatever is in flight */
        double wall;         /* the Unix seconds that it began with */
        uint8_t on, by_hand; /* by_hand: it moves by kernel.clock_advance only */
    } clock;                 /* the virtual one */

    struct {
        uint64_t seed;       /* of the order of what is ready; 0: as it comes */
        uint32_t batch;      /* shuffled already, and not yet run */
        struct scope *scope; /* whose checkpoints are counted, or NULL */
        uint64_t count, target;
        uint8_t parked, due; /* cancelled when the task next waits; that is now */
    } probe;                 /* what tests ask for */

    struct {
        uint64_t began; /* this turn, on the real clock */
        uint64_t turns, ns;
        uint64_t counts[HOLD_BUCKETS]; /* how many took up to 1, 2, 4, ... microseconds; the last:
                                          more */
    } hold;                            /* between two polls */
    struct tusk_hook *before_poll, **before_poll_tail, *at_close;
    uv_mutex_t post_mutex;
    struct tusk_wait *posted, **posted_tail;
    atomic_int stop; /* a shutdown was asked for */
    atomic_int dump; /* the tree of tasks was */
    struct {
        lua_Hook function;
        int mask, count;
    } users_hook;           /* put aside while one of the host's is set */
    struct tusk_hook left;  /* starts what sees to abandoned scopes */
    int has_plugins;        /* some were loaded by tusk_load_... */
    int loading;            /* a load goes on */
    int hooked, insisting;  /* one is; that of insist.c */
    atomic_int interrupted; /* that of interrupt.c */
    struct {
        uint64_t next; /* bytes in use at which tusk_gc_idle begins a cycle */
        int in_cycle;
    } gc;
    struct borrowed *borrowed; /* NULL: the host runs its loop itself */
    uint64_t steps;
    int lost;                    /* a failure that nobody could be told of */
    int stopping, closing;       /* closing: 1 tasks are ended, 2 Lua goes */
    int told;                    /* how often what runs was, in this turn, that it is to end */
    int had_app;                 /* what the application leaves when it has ended ends by itself */
    uint64_t close_by;           /* a close waits no longer; 0: for ever */
    struct embedding *embedding; /* embed.h */
    char message[256];
};

/* The light userdata a parked coroutine yields first, all the way out to the host. */
#define PARK(h) ((void *)&(h)->ready_head)
#define HOST(L) (host_of(L))

/* The allocator's data is what every lua_State of a host finds fastest. */
static inline struct tusk *host_of(lua_State *L)
{
    void *ud;
    lua_getallocf(L, &ud);
    return ud;
}

/* config.c */
#define CONFIG_SIZE_MOST                                                                           \
    4096u /* no struct of a tusk.h comes near: what says more is not filled in */
/* Copies a struct that may be an older, shorter one, or a newer whose own fields are all zero; -1:
 * they are not, or its size is none. */
int config_copy(void *to, size_t own, const void *from, uint32_t theirs);
tusk_rc config_take(tusk_config *out, tusk_limits *limits, const tusk_config *c);

/* memory.c: NULL: there is none, or the cap is met */
struct tusk *memory_new_host(const tusk_config *c, const tusk_limits *limits); /* zeroed */
void memory_free_host(struct tusk *h);
void *host_realloc(struct tusk *h, void *p, size_t old, size_t size);
void *host_calloc(struct tusk *h, size_t size);
void host_free(struct tusk *h, void *p, size_t size);
int memory_open_lua(struct tusk *h); /* 0, or -1 */
void memory_close_lua(struct tusk *h);
int memory_collect(struct tusk *h);        /* all, protected; nonzero: a finalizer has failed */
void memory_make_room(struct tusk *h);     /* the cap is near */
int memory_is_short(const struct tusk *h); /* the reserve is in use */
int memory_ensure(struct tusk *h);         /* makes room if need be; -1: there is none */
void memory_forgive(struct tusk *h);       /* who was to fail has ended */
/* Nothing can be had, and nearly all of the reserve is used: no Lua should run. */
int memory_is_out(struct tusk *h);
void memory_prepare(lua_State *L);
uint64_t memory_bytes(struct tusk *h); /* all that the host has in use */
uint64_t memory_lua_bytes(const struct tusk *h);

/* owner.c: what every function of tusk.h that is not [any] begins with */
void owner_take(struct tusk *h);
/* TUSK_OK: h is there and the caller's. */
tusk_rc host_check(struct tusk *h);
/* The same, and no callback of h runs. */
tusk_rc host_check_outside(struct tusk *h);
/* Keeps the text for tusk_errmsg and returns rc. */
tusk_rc host_refuse(struct tusk *h, tusk_rc rc, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* task.c: the only place that resumes or yields a task. */
void task_ready(struct tusk *h, struct task *t, int nargs);
/* Resumes ready tasks until none is left or the time has come, at which it looks every few. */
void task_drain(struct tusk *h, uint64_t until, int every);
int task_park(lua_State *L, struct tusk *h); /* yields PARK */
/* Yields the n values on top, which lie on a PARK that was pushed before them. */
int task_park_with(lua_State *L, struct tusk *h, int n);
/* Parks, ready at once; the n values on top come back. */
int task_pause(lua_State *L, struct tusk *h, int n);
enum {
    TASK_HELD = 1,   /* its failure waits for an await */
    TASK_INSIDE = 2, /* spawned by the host's own Lua */
    TASK_LATER = 8,  /* begins at its turn, for nothing may run now */
    TASK_AT_SITE = 4 /* by a function of one place: see site_function */
};
/* Starts the function and its nargs on top of L as a child of s; pushes its handle. May raise. */
int task_start(lua_State *L, struct tusk *h, struct scope *s, int nargs, int how);
void task_interrupt(struct tusk *h, struct task *t); /* its scope was cancelled */
/* Nothing is left in s, whose body waits for that: it goes on, or its task ends. */
void task_scope_emptied(struct tusk *h, struct scope *s);
void task_free_all(struct tusk *h);
void task_drop_spares(struct tusk *h); /* the coroutines that wait for tasks to come are garbage */
struct handle *task_test_handle(lua_State *L, int index); /* NULL unless it is one */
struct handle *task_handle(lua_State *L, int index);      /* raises unless it is one */
void task_push_handle(lua_State *L, struct task *t);

/* task_lua.c */
/* This and the other *_open add their functions to the table on top. */
void task_open(lua_State *L);

/* owned.c: ends what bindings gave a scope that has ended */
void owned_end_all(struct scope *s);
/* The same where there is time: nonzero if some of it needs any; the scope is to join once more. */
int owned_leave_all(struct tusk *h, struct scope *s);

/* queue.c: a task stands in one line at most, a select in many */
void queue_put(struct queue *q, struct waiter *w);
void queue_remove(struct waiter *w);
/* Who stands there. */
struct task *queue_task(struct waiter *w);
/* Its task leaves every line and goes on, with nothing. */
void queue_wake(struct tusk *h, struct waiter *w);

/* scope.c */
void scope_link(struct scope *parent, struct scope *s);
struct scope *
scope_unlink(struct scope *s); /* its owner, if that was joining and this was the last */
/* Gives s to another owner. Neither the old nor the new one is joining: their bodies run. */
void scope_move(struct tusk *h, struct scope *s, struct scope *parent);
void scope_cancel(struct tusk *h, struct scope *s, enum cancel_reason why);
uint64_t scope_deadline(const struct tusk *h, const struct scope *s); /* on the clock that is on */
void scope_expired(struct tusk *h, struct timer *timer);
/* The userdata of a scope; raises unless it is one. */
struct explicit_scope *scope_check(lua_State *L, int index);
void scope_open_lua(lua_State *L);

static inline struct explicit_scope *scope_explicit(const struct scope *s)
{
    return s->is_task ? NULL : (struct explicit_scope *)s;
}

/* stray.c */
/* The user's coroutine L opens a scope: the userdata on top, which is given an environment. */
void stray_note(lua_State *L, struct tusk *h);
void stray_abandon_all(struct tusk *h, struct task *t); /* the scopes that t's code has left open */
/* Want of memory has left scopes open inside of s, which is about to end. */
void stray_abandon_inside(lua_State *L, struct tusk *h, struct scope *s);
void stray_init(struct tusk *h);
void stray_open(lua_State *L);

/* unit.c: NULL: there is none */
struct unit *unit_of_task(struct tusk *h, const struct task *t);
struct unit *unit_around(struct tusk *h, const struct scope *s);
const char *unit_name(const struct unit *u);
const char *unit_running(struct tusk *h); /* the name of whose task runs */
int unit_is_there(const struct tusk *h, const struct unit *unit);
void unit_ran(struct unit *u, uint64_t ns);
void unit_ended(struct tusk *h, struct task *t);
void unit_free_all(struct tusk *h);
int unit_stats(struct tusk *h, const char *name, tusk_stats *out); /* 0: no such name */
void unit_open(lua_State *L);

/* failure.c */
/* The code of an error of that kind; sent: it may have been done all the same. */
tusk_rc failure_code(const char *kind, int sent);
void failure_tell(struct tusk *h, const tusk_failure *f); /* the embedder, if it wants to know */
void failure_open(lua_State *L);

/* slice.c: one resume, on the real clock */
int slice_is_limited(const struct tusk *h);
void slice_begin(struct tusk *h, uint64_t now);
/* t: who ran, by its id; it may have ended. */
void slice_end(struct tusk *h, struct task *t, uint32_t id, struct unit *unit, uint64_t now);
void slice_open(lua_State *L);

#define CLOSE_NS 5000000000u /* how long who is cancelled has to end */

/* load.c */
void load_end_begins(struct tusk *h, uint64_t grace_ns);
void load_end_expired(struct tusk *h);
int load_has_ended(const struct tusk *h); /* the shutdown is over */

/* timer.c: a heap of {due, who} for each clock; the real one's is under one uv_timer */
static inline enum clock host_clock(const struct tusk *h)
{
    return h->clock.on ? CLOCK_VIRTUAL : CLOCK_REAL;
}
/* 0, or -1: out of memory. Makes room for n calls of timer_start */
int timer_reserve(struct tusk *h, enum clock clock, uint32_t n);
void timer_start(struct tusk *h, enum clock clock, struct timer *timer, uint64_t due);
void timer_stop(struct tusk *h, struct timer *timer);
void timer_fire(struct tusk *h); /* all that are due, on both clocks */
void timer_arm(struct tusk *h);  /* sets the uv_timer to the earliest */
void timer_free_all(struct tusk *h);
int timer_is_idle(const struct tusk *h); /* no timer will ever fire by itself */

/* clock.c: the virtual clock of tests */
/* Is it time that everybody waits for? Then clock_jump takes it to the next timer. */
int clock_may_jump(struct tusk *h);
void clock_jump(struct tusk *h);
void clock_open(lua_State *L);

/* probe.c: what tests do to a host and find out about it */
void probe_shuffle(struct tusk *h); /* before the first that is ready is taken */
void probe_checkpoint(lua_State *L, struct tusk *h);
void probe_cancel(struct tusk *h);
void probe_end(struct tusk *h); /* its scope has ended */
void probe_open(lua_State *L);

/* channel.c */
/* The line of those who receive; NULL: it is no channel. */
struct queue *channel_line(lua_State *L, int index);
void channel_open(lua_State *L);

/* select.c */
struct task *select_task(struct waiter *w);
int select_is(const struct tusk_wait *w);
/* Its case has come about; with the value on top of L, which is popped. */
void select_wake(struct tusk *h, struct waiter *w);
void select_give(lua_State *L, struct tusk *h, struct waiter *w);
void select_expired(struct tusk *h, struct timer *timer);
void select_open(lua_State *L);

/* Raises `cancelled`. */
int host_raise_cancelled(lua_State *L, struct tusk *h, int sent);

/* wait.c */
void wait_take_posted(struct tusk *h);
void wait_interrupt(struct tusk_wait *w);
void wait_open(lua_State *L);
int wait_refuse(lua_State *L, struct tusk *h); /* raises: the caller may not wait here */

/* Raises unless the caller may wait here, were it not for being cancelled. */
static inline void wait_check_place(lua_State *L, struct tusk *h)
{
    if (!h->current || h->blocked || !lua_isyieldable(L))
        wait_refuse(L, h);
}

/* Raises unless the caller may wait here and now. */
static inline void wait_check(lua_State *L, struct tusk *h)
{
    wait_check_place(L, h);
    if (h->probe.scope)
        probe_checkpoint(L, h);
    if (h->current->scope->reason)
        host_raise_cancelled(L, h, 0);
}

/* insist.c: counts one more raise of `cancelled`; makes it inescapable when there were too many */
void insist(lua_State *L, struct tusk *h);
/* Puts the user's hook aside and has the function called at every so many instructions. */
void hook_set(lua_State *L, struct tusk *h, lua_Hook function, int every);
/* Brings the user's back. */
void hook_end(lua_State *L, struct tusk *h);

/* interrupt.c: the loop turns, so what a tusk_interrupt was for has given way */
void interrupt_end(struct tusk *h);

/* inspect.c */
void inspect_if_asked(struct tusk *h); /* logs the tree of tasks after a tusk_dump */
void inspect_open(lua_State *L);

/* place.c */
/* Is this frame one of the user's Lua? Fills in ar's source. */
int place_is_users(lua_State *L, lua_Debug *ar);
void place_open(lua_State *L);

/* embed.c: operators from C, calls into Lua, events */
int embed_new(struct tusk *h);   /* 0, or -1: out of memory */
void embed_free(struct tusk *h); /* after Lua has gone; also of one that could not be made */
void embed_open(lua_State *L);
void embed_hurry(struct tusk *h); /* calls that were cancelled are not waited for any longer */
void embed_close(struct tusk *h); /* tasks have ended: nobody outside is answered any more */

/* loader.c */
void loader_open(lua_State *L);

/* Nanoseconds: on the real clock, or what the embedder has for it; on the clock that is on. */
static inline uint64_t host_real(const struct tusk *h)
{
    return h->config.now_ns ? h->config.now_ns(h->config.ud) : uv_hrtime();
}

static inline uint64_t host_now(const struct tusk *h)
{
    return h->clock.on ? h->clock.now : host_real(h);
}
/* The moment so many seconds from now; never, if that is too far. Refreshes h->now. */
uint64_t host_due(struct tusk *h, double seconds);
/* loop.c */
int loop_open(struct tusk *h); /* 0, or -1 */
/* Closes every handle that is still open, and lets the loop end. */
void loop_close(struct tusk *h);
/* One turn; blocks in the poll if `wait` and nothing is ready. -1: nothing can ever wake a task
 * again. */
int loop_turn(struct tusk *h, int wait);
int loop_is_idle(struct tusk *h);
void loop_stop_if_asked(struct tusk *h);
void loop_collect_if_stressed(struct tusk *h);
void loop_hold_ended(struct tusk *h); /* the turn's code has run */
/* As a shutdown does: the application; all there is, where there never was one. What is left when
 * it has ended, ends by itself. */
void loop_cancel_app(struct tusk *h);
void loop_before_poll(struct tusk *h); /* runs what was asked for before the next poll */
/* Calls one of the Lua values with nothing, protected. */
void host_call(struct tusk *h, enum callback which);
void host_reference_async(struct tusk *h, int delta);

/* borrow.c */
int borrow_open(struct tusk *h); /* 0, or -1 */
void borrow_close(struct tusk *h);
int borrow_is_asking(const struct tusk *h); /* on_ready runs */
void borrow_stepped(struct tusk *h);        /* a step begins */
void borrow_left(struct tusk *h);           /* it has ended, or there are other tasks */

/* step.c: around what may write */
struct sigpipe {
    sigset_t mask;
    int pending;
};
void sigpipe_block(struct sigpipe *before);
void sigpipe_unblock(const struct sigpipe *before);

#endif

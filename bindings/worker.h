/* worker.h: what the files of the worker binding share: values by copy, jobs, the pool, its
 * threads. */
#ifndef WORKER_H
#define WORKER_H 1

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "tusk.h"
#include "tusk_lua.h"

/* ---- worker_value.c: Lua values as bytes; no Lua state is shared between threads ---- */

struct bytes {
    char *at;
    size_t length, size;
};

/* What a state knows of the values that are not Lua's own: registry references. */
struct value_refs {
    int kind64; /* (cdata) -> 1 int64_t, 2 uint64_t, or nil */
    int make64; /* (high, low, unsigned) -> cdata */
    int null, mark;
};

/* Takes them from the table { kind64, make64, null, mark } at index. */
void value_refs_take(lua_State *L, int index, struct value_refs *refs);

struct copying {
    const struct value_refs *refs;
    const char *label; /* what a value is called in a message: "argument" */
    int unnamed;       /* so many at the beginning are not counted */
    int lenient;       /* what cannot be copied is left out */
};

/*
 * Appends the values from first to the top of the stack. 0; or -1 with a message on top that names
 * the one that cannot be copied, and where in it. Raises nothing.
 */
int value_write(lua_State *L, int first, const struct copying *how, struct bytes *out);
/* Pushes all of them -> how many. Raises when memory is short. */
int value_read(lua_State *L, const struct value_refs *refs, const struct bytes *in);

/* ---- jobs ---- */

struct worker_wait {
    struct tusk_wait base;
    struct pool *pool;
    const struct value_refs *refs;
    struct job *job; /* NULL: the pool's alone by now */
    int sent;        /* it had begun when it was cancelled */
};

struct job {
    struct job *next;
    struct worker_wait *wait; /* NULL: nobody waits any more */
    struct bytes request, reply;
    const char *failed;     /* why there is no reply, or NULL */
    atomic_int interrupted; /* its code is to end */
    int delivered;          /* posted: its task is about to wake */
};

void job_free(struct job *job);

/* ---- worker_pool.c: threads and their line. One pool for each host ---- */

#define THREADS_MAX 64

struct worker { /* a thread */
    struct pool *pool;
    uv_thread_t thread;
    struct job *current; /* written by the thread, under the mutex */
    tusk_host *host;     /* the rest is the thread's own */
    struct value_refs refs;
    int run; /* registry reference: the function that does a call */
};

struct pool {
    struct tusk_hook at_close;
    uv_mutex_t mutex;
    uv_cond_t work, ended;
    struct job *head, **tail;
    unsigned queued, queue_max, started, idle, alive, threads;
    int stopping;
    struct worker workers[THREADS_MAX];
};

/* Loop thread. Malloc'ed: a thread that will not end keeps it. NULL: out of memory. */
struct pool *pool_new(void);
/* Loop thread. NULL, or why the job was not taken: it is the caller's still. */
const char *pool_submit(struct pool *p, struct job *job);
/* Loop thread. Nobody waits for w's job any more, unless its reply is on its way. */
enum forgotten { FORGOT_QUEUED, FORGOT_BEGUN, FORGOT_TOO_LATE };
enum forgotten pool_forget(struct pool *p, struct worker_wait *w);
/* Loop thread. Ends and joins the threads, and frees the pool; one that does not end is left
 * behind. */
void pool_close(struct tusk_hook *hook);

/* ---- worker_run.c: what a thread does with a job ---- */

void run_job(struct worker *k, struct job *job);
void run_end(struct worker *k); /* the thread's Lua goes */

#endif

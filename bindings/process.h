/*
 * process.h: what the files of the process binding share.
 *
 * A program is started on libuv's pool by posix_spawn, whose cost does not grow with the size of
 * this process, and its end is seen through a pidfd that the loop polls: no SIGCHLD handler is
 * installed and no other child of the embedder is ever waited for. It leads a session of its own
 * unless asked not to, so that a signal reaches what it has started in turn. It is reaped only when
 * it and its group are over: until then its number cannot be another's.
 */
#ifndef TUSK_PROCESS_H
#define TUSK_PROCESS_H 1

#include "tusk_lua.h"

#include <sys/types.h>

struct process;

/* What becomes of a program's stdout and stderr; PROCESS_MERGE is stderr's: where stdout goes. */
enum process_output {
    PROCESS_PIPE,
    PROCESS_COLLECT,
    PROCESS_INHERIT,
    PROCESS_IGNORE,
    PROCESS_MERGE
};

/* And of its stdin. */
enum process_input { INPUT_NONE, INPUT_PIPE, INPUT_INHERIT };

/* What is asked for; one allocation, freed by free. argv, env and search are inside of it. */
struct process_spec {
    char **argv, **env;       /* NULL-terminated */
    const char *cwd, *search; /* cwd: NULL for the host's; search: where programs are looked for */
    enum process_input input;
    enum process_output output[2];
    int group;
};

enum process_phase {
    PHASE_NONE,
    PHASE_CWD,         /* the folder cannot be entered */
    PHASE_SEARCH,      /* no such program */
    PHASE_INTERPRETER, /* it names one that is not there */
    PHASE_START
};

enum pipe_mode { MODE_PULL, MODE_COLLECT, MODE_DISCARD };

/* Our end of a pipe. Loop thread only. */
struct pipe_end {
    struct process *process;
    int fd; /* owned; -1: none, or closed */
    enum pipe_mode mode;
    uint8_t hung_up;        /* nobody holds the other end */
    uint8_t closed;         /* by us, before its end */
    uint8_t begun, armed;   /* the poll is initialised; is on */
    uv_poll_t *poll;        /* plain memory, freed when the loop has let go of it */
    struct pipe_wait *wait; /* who is parked on it */
    char *data;             /* owned: collected, kept for the next read, or still to be written */
    size_t len, cap, at;    /* at: written so far */
};

struct process_wait {
    struct tusk_wait base;
    struct process *process; /* its environment keeps the box */
    struct process_wait *next;
};

struct process_state; /* per host */

/* Plain memory. Freed when Lua has let go of it and nothing of it is left. */
struct process {
    uv_work_t work;
    struct process_state *state;
    struct process *next, **link; /* among those of the host */
    uv_loop_t *loop;
    struct process_spec *spec; /* until it is started */
    enum process_phase phase;  /* where starting failed */
    int err;                   /* and why: errno */
    pid_t pid;
    int pidfd;
    uv_poll_t *exit_poll;
    uv_timer_t *timer;
    double grace; /* seconds between TERM and KILL */
    size_t max;   /* most bytes collected of each output */
    struct tusk_owned owned;
    struct process_wait *waits;   /* who waits until it is over */
    struct process_wait *starter; /* who waits until it has started */
    uint8_t runs;                 /* and goes on waiting, until it is over */
    struct pipe_end in, out[2];
    int code, signal;
    uint8_t held;     /* by a box */
    uint8_t pins;     /* must not be freed yet */
    uint8_t starting; /* on the pool */
    uint8_t started;
    uint8_t group;
    uint8_t ending; /* TERM was sent */
    uint8_t killed;
    uint8_t exited;    /* it has, and its status is known */
    uint8_t over;      /* nothing of it is left, or nothing can be done */
    uint8_t immortal;  /* it may not be signalled */
    uint8_t too_large; /* it wrote more than max: 1 stdout, 2 stderr */
    uint8_t leaving;   /* the scope waits for it */
    char name[];       /* argv[0], for messages */
};

/* process_start.c. Pool thread: starts p as p->spec says; its fds, pid and pidfd, or phase and err.
 */
void process_start(struct process *p);

/* process.c. Loop thread. */
/* The loop half of starting: polls begin. */
void process_run(struct process *p);
/* TERM now, KILL after the grace; what it writes meanwhile is read and forgotten. Again: no effect.
 */
void process_end(struct process *p);
/* Looks whether it is over, or what that takes. */
void process_settle(struct process *p);
/* 0, or errno: to its group, if it has one of its own. */
int process_signal(struct process *p, int number);
/* Frees p if nobody needs it any more, and takes it from its scope when nothing of it is left. */
void process_release(struct process *p);
/* Gives up our ends of its pipes. */
void process_close_pipes(struct process *p);
/* Without more ado, as far as the kernel lets us: when the host closes. */
void process_destroy(struct process *p);
/* Closes and frees a handle of the loop; *handle may be NULL. */
void process_close_handle(uv_handle_t *handle);

/* process_pipe.c. Loop thread. */
/* Memory for one that will be needed; 0 or -1. */
int pipe_prepare(struct pipe_end *e);
/* It has its fd: collects what comes, or writes what it has and then closes. */
void pipe_begin(struct pipe_end *e);
/* Closes our end; who is parked on it is woken. */
void pipe_close(struct pipe_end *e);
/* Watches for its end without reading. */
void pipe_watch(struct pipe_end *e);
/* Whatever comes from now on is forgotten. */
void pipe_discard(struct pipe_end *e);
/* The program is over: what is there already is collected, and nothing after that. */
void pipe_finish(struct pipe_end *e);

/* process_spec.c: what argument 1 says. May raise. */
struct process_spec *process_spec_read(lua_State *L);

/* process_call.c: one function for each raw verb. */
int op_run(lua_State *L);
int op_spawn(lua_State *L);
int op_wait(lua_State *L);
int op_stop(lua_State *L);
int op_kill(lua_State *L);
int op_read(lua_State *L);
int op_write(lua_State *L);
int op_close(lua_State *L);

/* The process of the box at argument 1. */
struct process *process_check(lua_State *L);
/* A zeroed record for a wait that keeps the box at argument 1. */
void *process_wait_new(lua_State *L, size_t size, const struct tusk_wait_ops *ops);

#define PROCESS_BOX "tusk.process"

#endif

/* process_call.c: the raw verbs that concern a program as a whole, and what they fail with. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "process_state.h"

/* ---- the box ---- */

struct process *process_check(lua_State *L)
{
    struct process **box = luaL_checkudata(L, 1, PROCESS_BOX);
    return *box;
}

static int box_gc(lua_State *L)
{
    struct process **box = lua_touserdata(L, 1);
    struct process *p = *box;
    *box = NULL;
    if (p) {
        p->held = 0;
        process_release(p);
    }
    return 0;
}

void *process_wait_new(lua_State *L, size_t size, const struct tusk_wait_ops *ops)
{
    void *w = tusk_wait_new(L, size, ops);
    lua_createtable(L, 1, 0);
    lua_pushvalue(L, 1);
    lua_rawseti(L, -2, 1);
    lua_setfenv(L, -2);
    return w;
}

static int prepare(struct process *p, const struct process_spec *spec)
{
    p->exit_poll = calloc(1, sizeof *p->exit_poll);
    p->timer = calloc(1, sizeof *p->timer);
    int failed = !p->exit_poll || !p->timer;
    failed |= spec->input == INPUT_PIPE && pipe_prepare(&p->in);
    for (int i = 0; i < 2; i++)
        failed |= spec->output[i] <= PROCESS_COLLECT && pipe_prepare(&p->out[i]);
    return failed;
}

static void init_pipe(struct pipe_end *e, struct process *p, enum process_output output)
{
    e->process = p;
    e->fd = -1;
    e->mode = output == PROCESS_COLLECT ? MODE_COLLECT : MODE_PULL;
}

/* Takes over the spec. NULL: out of memory. */
static struct process *process_new(struct process_state *st, struct process_spec *spec)
{
    size_t len = strlen(spec->argv[0]) + 1;
    struct process *p = calloc(1, sizeof *p + len);
    if (!p) {
        free(spec);
        return NULL;
    }
    memcpy(p->name, spec->argv[0], len);
    p->state = st;
    p->spec = spec;
    p->pidfd = -1;
    p->group = spec->group != 0;
    init_pipe(&p->in, p, PROCESS_PIPE);
    init_pipe(&p->out[0], p, spec->output[0]);
    init_pipe(&p->out[1], p, spec->output[1]);
    p->next = st->all;
    p->link = &st->all;
    if (p->next)
        p->next->link = &p->next;
    st->all = p;
    p->held = 1;
    return p;
}

static double field_number(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    double value = luaL_checknumber(L, -1);
    lua_pop(L, 1);
    return value;
}

/* The text that is its whole input, copied. */
static int take_input(lua_State *L, struct process *p)
{
    size_t n;
    lua_getfield(L, 1, "stdin");
    const char *text = lua_tolstring(L, -1, &n);
    lua_pop(L, 1);
    if (!text)
        return 0;
    p->in.data = malloc(n ? n : 1);
    p->in.len = p->in.cap = n;
    if (p->in.data)
        memcpy(p->in.data, text, n);
    return p->in.data ? 0 : -1;
}

/* Puts the box of a new process in place of the spec at index 1. */
static struct process *push_process(lua_State *L)
{
    struct process_state *st = lua_touserdata(L, lua_upvalueindex(1));
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    double grace = field_number(L, "grace"), max = field_number(L, "max");
    struct process **box = lua_newuserdata(L, sizeof *box);
    *box = NULL;
    luaL_getmetatable(L, PROCESS_BOX);
    lua_setmetatable(L, -2);
    struct process *p = *box = process_new(st, process_spec_read(L));
    if (!p || prepare(p, p->spec) || take_input(L, p))
        luaL_error(L, "not enough memory");
    p->grace = grace;
    p->max = (size_t)max;
    p->loop = tusk_loop(L);
    lua_replace(L, 1);
    return p;
}

/* ---- failures ---- */

#define LOST "its end was not seen: this process ignores SIGCHLD, or waits for any child elsewhere"

struct kind {
    int err;
    const char *name, *text; /* text: in place of the system's */
};

static const struct kind kinds[] = {
    {ENOENT, "process.not_found", "there is no such program"},
    {ENOTDIR, "process.not_found", "there is no such program"},
    {EACCES, "process.permission", "it may not be run"},
    {EPERM, "process.permission", NULL},
    {ENOEXEC, "process.format",
     "it is no program, nor a script whose first line says what runs it"},
    {E2BIG, "process.too_large", "its arguments and variables are too long for the system"},
    {EAGAIN, "process.too_many", "no more processes are allowed"},
    {EMFILE, "process.too_many", "too many files are open"},
    {ENFILE, "process.too_many", "too many files are open"},
    {ESRCH, "process.lost", LOST},
};

static const struct kind *kind_of(int err)
{
    static const struct kind other = {0, "process.failed", NULL};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (kinds[i].err == err)
            return &kinds[i];
    return &other;
}

static void set_string(lua_State *L, const char *key, const char *value)
{
    lua_pushstring(L, value);
    lua_setfield(L, -2, key);
}

static int start_failed(lua_State *L, struct process *p)
{
    const struct kind *kind = kind_of(p->err);
    char name[32], text[128];
    uv_err_name_r(-p->err, name, sizeof name);
    uv_strerror_r(-p->err, text, sizeof text);
    const char *why = kind->text ? kind->text : text;
    if (p->phase == PHASE_CWD)
        tusk_error(L, "process.cwd", "cannot start \"%s\" in \"%s\": %s (%s)", p->name,
                   p->spec->cwd, text, name);
    else if (p->phase == PHASE_INTERPRETER)
        tusk_error(L, kind->name, "cannot start \"%s\": the interpreter it names is not there (%s)",
                   p->name, name);
    else
        tusk_error(L, kind->name, "cannot start \"%s\": %s (%s)", p->name, why, name);
    set_string(L, "errno", name);
    set_string(L, "program", p->name);
    if (p->phase == PHASE_CWD)
        set_string(L, "cwd", p->spec->cwd);
    return lua_error(L);
}

static int too_large(lua_State *L, const struct process *p)
{
    tusk_error(L, "process.too_large", "\"%s\" wrote more than max (%f bytes) to its %s", p->name,
               (double)p->max, p->too_large == 1 ? "stdout" : "stderr");
    set_string(L, "program", p->name);
    lua_pushboolean(L, 1);
    lua_setfield(L, -2, "sent");
    return lua_error(L);
}

/* Raises if there is no status to give. */
static void check_status(lua_State *L, struct process *p)
{
    if (p->immortal && !p->exited)
        tusk_fail(L, "process.permission", "\"%s\" runs as another user and cannot be ended",
                  p->name);
    if (p->code < 0 && p->signal < 0)
        tusk_fail(L, "process.lost", "\"%s\" was started, but " LOST, p->name);
}

/* ---- waiting for its end ---- */

static void push_number(lua_State *L, int value)
{
    if (value < 0)
        lua_pushnil(L);
    else
        lua_pushinteger(L, value);
}

/* code | nil, signal | nil, and what was collected */
static int push_result(lua_State *L, struct process *p)
{
    if (p->too_large)
        return too_large(L, p);
    check_status(L, p);
    push_number(L, p->code);
    push_number(L, p->signal);
    for (int i = 0; i < 2; i++) {
        struct pipe_end *e = &p->out[i];
        if (e->mode == MODE_PULL)
            lua_pushnil(L);
        else
            lua_pushlstring(L, e->data ? e->data : "", e->len);
    }
    return 4;
}

static int over_finish(lua_State *L, struct tusk_wait *w)
{
    return push_result(L, ((struct process_wait *)w)->process);
}

/* It goes on; only the waiting ends. */
static void over_cancel(struct tusk_wait *w)
{
    struct process_wait *pw = (struct process_wait *)w;
    struct process_wait **at = &pw->process->waits;
    while (*at != pw)
        at = &(*at)->next;
    *at = pw->next;
    tusk_drop(w);
}

static const struct tusk_wait_ops over_ops = {over_finish, over_cancel};

static void wait_for(struct process *p, struct process_wait *w)
{
    w->next = p->waits;
    p->waits = w;
}

static int park_until_over(lua_State *L, struct process *p, int stop)
{
    tusk_checkpoint(L);
    if (p->over)
        return tusk_inline(L, push_result(L, p));
    struct process_wait *w = process_wait_new(L, sizeof *w, &over_ops);
    w->process = p;
    wait_for(p, w);
    if (stop)
        process_end(p);
    return tusk_park(L, &w->base);
}

/* wait(box) -> code | nil, signal | nil, stdout | nil, stderr | nil: when it is over */
int op_wait(lua_State *L)
{
    return park_until_over(L, process_check(L), 0);
}

/* stop(box): ends it; the same results */
int op_stop(lua_State *L)
{
    return park_until_over(L, process_check(L), 1);
}

/* kill(box, number) -> whether there was something to signal */
int op_kill(lua_State *L)
{
    struct process *p = process_check(L);
    int number = (int)luaL_checkinteger(L, 2);
    int err = p->over ? 0 : process_signal(p, number);
    if (err == EPERM)
        return tusk_fail(L, "process.permission",
                         "\"%s\" runs as another user: it may not be "
                         "signalled",
                         p->name);
    if (err)
        return tusk_fail(L, "process.failed", "cannot signal \"%s\": %s", p->name, strerror(err));
    lua_pushboolean(L, !p->over);
    return 1;
}

/* ---- starting ---- */

static void work_run(uv_work_t *req)
{
    process_start(req->data);
}

static void work_done(uv_work_t *req, int status)
{
    struct process *p = req->data;
    struct process_wait *w = p->starter;
    p->starter = NULL;
    p->starting = 0;
    if (status) // taken out of the queue
        p->err = ECANCELED;
    if (p->started)
        process_run(p);
    else
        process_close_pipes(p);
    if (p->state->closed) {
        process_destroy(p);
        return;
    }
    if (p->started && w->base.cancelled)
        process_end(p);
    if (p->started && (p->runs || w->base.cancelled))
        wait_for(p, w);
    else
        tusk_wake(&w->base);
}

static void start_cancel(struct tusk_wait *w)
{
    struct process *p = ((struct process_wait *)w)->process;
    if (p->starting)
        uv_cancel((uv_req_t *)&p->work); // the callback comes, one way or the other
    else
        process_end(p);
}

static int start_finish(lua_State *L, struct tusk_wait *w)
{
    struct process *p = ((struct process_wait *)w)->process;
    if (w->cancelled)
        return tusk_fail_cancelled(L, p->started);
    if (!p->started)
        return start_failed(L, p);
    if (p->runs)
        return push_result(L, p);
    process_owned(L, p);
    process_release(p);
    lua_getfenv(L, 1);
    lua_rawgeti(L, -1, 1);
    lua_pushinteger(L, p->pid);
    return 2;
}

static const struct tusk_wait_ops start_ops = {start_finish, start_cancel};

static int start(lua_State *L, int runs)
{
    tusk_checkpoint(L);
    struct process *p = push_process(L);
    struct process_wait *w = process_wait_new(L, sizeof *w, &start_ops);
    w->process = p;
    p->starter = w;
    p->starting = 1;
    p->runs = (uint8_t)runs;
    p->work.data = p;
    uv_queue_work(p->loop, &p->work, work_run, work_done);
    return tusk_park(L, &w->base);
}

/* run(spec) -> code | nil, signal | nil, stdout | nil, stderr | nil: starts it and waits for its
 * end. spec: see process_spec.c, with grace (seconds), max (bytes) and stdin (all of its input) */
int op_run(lua_State *L)
{
    return start(L, 1);
}

/* spawn(spec) -> box, pid: it belongs to the innermost scope */
int op_spawn(lua_State *L)
{
    return start(L, 0);
}

/* ---- the table ---- */

static void on_close(struct tusk_hook *hook)
{
    struct process_state *st = (struct process_state *)hook; // its first member
    st->closed = 1;
    for (struct process *next, *p = st->all; p; p = next) {
        next = p->next;
        process_destroy(p);
    }
}

static const luaL_Reg verbs[] = {
    {"run", op_run},     {"spawn", op_spawn}, {"wait", op_wait},
    {"stop", op_stop},   {"kill", op_kill},   {"read", op_read},
    {"write", op_write}, {"close", op_close}, {NULL, NULL},
};

TUSK_LUA_EXPORT int luaopen_tusk_binding_process(lua_State *L);

int luaopen_tusk_binding_process(lua_State *L)
{
    luaL_newmetatable(L, PROCESS_BOX);
    lua_pushcfunction(L, box_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    lua_newtable(L);
    struct process_state *st = lua_newuserdata(L, sizeof *st);
    memset(st, 0, sizeof *st);
    lua_pushvalue(L, -1);
    lua_setfield(L, LUA_REGISTRYINDEX, "tusk.process.state"); // it outlives the verbs
    st->at_close.run = on_close;
    tusk_at_close(tusk_of(L), &st->at_close);
    luaL_setfuncs(L, verbs, 1);
    return 1;
}

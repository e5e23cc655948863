/* process_start.c: the pool's half of starting a program: its folder, its file, its pipes, itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "process.h"

enum { BUSY_TRIES = 8, BUSY_NS = 1000000 };

struct start {
    struct process *p;
    int folder;      /* to start in; -1: the host's own */
    int theirs[3];   /* the child's ends of pipes; -1: none */
    char path[4096]; /* of the program */
};

static int fail(struct start *s, enum process_phase phase, int err)
{
    s->p->phase = phase;
    s->p->err = err;
    return -1;
}

static int at_folder(const struct start *s)
{
    return s->folder < 0 ? AT_FDCWD : s->folder;
}

/* Opened here, so that its failure is not taken for the program's. */
static int open_folder(struct start *s)
{
    const char *cwd = s->p->spec->cwd;
    if (!cwd)
        return 0;
    s->folder = open(cwd, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (s->folder < 0 || faccessat(s->folder, ".", X_OK, AT_EACCESS))
        return fail(s, PHASE_CWD, errno);
    return 0;
}

/* ---- which file it is ---- */

/* 0, or errno: may the file be run? */
static int refusal(const struct start *s)
{
    struct stat st;
    if (fstatat(at_folder(s), s->path, &st, 0))
        return errno;
    if (!S_ISREG(st.st_mode) || faccessat(at_folder(s), s->path, X_OK, AT_EACCESS))
        return EACCES;
    return 0;
}

static int put_path(struct start *s, const char *dir, size_t n, const char *name)
{
    size_t len = strlen(name), slash = n && dir[n - 1] != '/';
    if (n + slash + len >= sizeof s->path)
        return ENAMETOOLONG;
    snprintf(s->path, sizeof s->path, "%.*s%s%s", (int)n, dir, slash ? "/" : "", name);
    return refusal(s);
}

/* The first that may be run; a folder that is empty is the one it starts in. */
static int find_in(struct start *s, const char *dirs, const char *name)
{
    int err = ENOENT;
    for (const char *at = dirs, *end; at; at = *end ? end + 1 : NULL) {
        end = strchrnul(at, ':');
        int e = put_path(s, at, (size_t)(end - at), name);
        if (!e)
            return 0;
        if (e == EACCES)
            err = e;
    }
    return err;
}

static int find_program(struct start *s)
{
    const char *name = s->p->spec->argv[0];
    int err = strchr(name, '/') ? put_path(s, "", 0, name) : find_in(s, s->p->spec->search, name);
    return err ? fail(s, PHASE_SEARCH, err) : 0;
}

/* ---- its pipes ---- */

/* Beyond the three that the child gets, which the host may have closed. */
static int raise_descriptor(int fd)
{
    if (fd > 2)
        return fd;
    int high = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    int err = errno;
    close(fd);
    errno = err;
    return high;
}

static int make_pipe(struct start *s, int number, struct pipe_end *ours)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC))
        return fail(s, PHASE_START, errno);
    int reads = number == 0 ? 1 : 0; // which of them is ours
    ours->fd = raise_descriptor(fds[reads]);
    s->theirs[number] = raise_descriptor(fds[!reads]);
    if (ours->fd < 0 || s->theirs[number] < 0 || fcntl(ours->fd, F_SETFL, O_NONBLOCK))
        return fail(s, PHASE_START, errno);
    return 0;
}

static int is_piped(enum process_output o)
{
    return o == PROCESS_PIPE || o == PROCESS_COLLECT;
}

static int make_pipes(struct start *s)
{
    struct process *p = s->p;
    if (p->spec->input == INPUT_PIPE && make_pipe(s, 0, &p->in))
        return -1;
    for (int i = 0; i < 2; i++)
        if (is_piped(p->spec->output[i]) && make_pipe(s, i + 1, &p->out[i]))
            return -1;
    return 0;
}

/* ---- itself ---- */

static int set_descriptor(posix_spawn_file_actions_t *a, int theirs, int number, int ignored)
{
    if (theirs >= 0)
        return posix_spawn_file_actions_adddup2(a, theirs, number);
    if (!ignored)
        return 0;
    return posix_spawn_file_actions_addopen(a, number, "/dev/null", number ? O_WRONLY : O_RDONLY,
                                            0);
}

/* 0, 1 and 2, and no other. */
static int set_actions(const struct start *s, posix_spawn_file_actions_t *a)
{
    const struct process_spec *spec = s->p->spec;
    int err = s->folder < 0 ? 0 : posix_spawn_file_actions_addfchdir_np(a, s->folder);
    if (!err)
        err = set_descriptor(a, s->theirs[0], 0, spec->input == INPUT_NONE);
    for (int i = 0; i < 2 && !err; i++)
        err = set_descriptor(a, s->theirs[i + 1], i + 1, spec->output[i] == PROCESS_IGNORE);
    if (!err && spec->output[1] == PROCESS_MERGE)
        err = posix_spawn_file_actions_adddup2(a, 1, 2);
    return err ? err : posix_spawn_file_actions_addclosefrom_np(a, 3);
}

/* Signals as a program expects them: none blocked, none ignored, whatever is so here. */
static void set_attributes(const struct process_spec *spec, posix_spawnattr_t *attr)
{
    sigset_t set;
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    sigemptyset(&set);
    posix_spawnattr_setsigmask(attr, &set);
    sigfillset(&set);
    posix_spawnattr_setsigdefault(attr, &set);
    posix_spawnattr_setflags(attr, spec->group ? (short)(flags | POSIX_SPAWN_SETSID) : flags);
}

/* A program that was just written may be open for writing in a child that has not begun yet. */
static int spawn_patiently(const struct start *s, posix_spawn_file_actions_t *actions,
                           posix_spawnattr_t *attr)
{
    struct process *p = s->p;
    struct timespec pause = {0, BUSY_NS};
    int err = ETXTBSY;
    for (int i = 0; i < BUSY_TRIES && err == ETXTBSY; i++) {
        if (i)
            nanosleep(&pause, NULL);
        err = posix_spawn(&p->pid, s->path, actions, attr, p->spec->argv, p->spec->env);
    }
    return err;
}

static int spawn(struct start *s)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    if (posix_spawn_file_actions_init(&actions))
        return fail(s, PHASE_START, ENOMEM);
    posix_spawnattr_init(&attr);
    set_attributes(s->p->spec, &attr);
    int err = set_actions(s, &actions);
    if (!err)
        err = spawn_patiently(s, &actions, &attr);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    if (!err)
        return 0;
    return fail(s, err == ENOENT && !refusal(s) ? PHASE_INTERPRETER : PHASE_START, err);
}

/* What the loop polls for its end; without that it must not live. Where SIGCHLD is ignored it may
 * have ended unseen already. */
static int open_pidfd(struct start *s)
{
    struct process *p = s->p;
    p->pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0);
    if (p->pidfd >= 0)
        return 0;
    int err = errno;
    if (err != ESRCH) {
        kill(p->pid, SIGKILL);
        waitpid(p->pid, NULL, 0);
    }
    return fail(s, PHASE_START, err);
}

void process_start(struct process *p)
{
    struct start s = {.p = p, .folder = -1, .theirs = {-1, -1, -1}};
    if (open_folder(&s) || find_program(&s) || make_pipes(&s) || spawn(&s) || open_pidfd(&s))
        p->started = 0;
    else
        p->started = 1;
    for (int i = 0; i < 3; i++)
        if (s.theirs[i] >= 0)
            close(s.theirs[i]);
    if (s.folder >= 0)
        close(s.folder);
}

/*
 * file.h: what the files of the file binding share.
 *
 * One operation is one struct file_job: plain memory, run once on libuv's pool, freed by whoever
 * is last: `finish` when somebody still waits, the pool's completion when the waiter was cancelled.
 */
#ifndef TUSK_FILE_H
#define TUSK_FILE_H 1

#include "tusk_lua.h"

#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/types.h>

struct file_job;

/* An open folder that no path leaves. Loop thread, but for fd; a job owns a reference. */
struct file_root {
    int fd, refs;
};

/* What a cancel after the start means: it is as if not begun; it is not known what has happened; it
 * waits for the end, which is near. */
enum file_writes { FILE_READS, FILE_WRITES, FILE_FINISHES };

/* What a verb is: its name in messages, its two halves, and whether it changes anything. */
struct file_verb {
    const char *doing;                 /* "cannot <doing> \"path\"" */
    void (*run)(struct file_job *job); /* pool thread; sets err or fault on failure */
    int (*push)(lua_State *L,
                struct file_job *job); /* task; pushes results, returns their number */
    uint8_t writes;                    /* enum file_writes */
};

/* Failures that are not an errno. */
enum file_fault {
    FAULT_NONE,
    FAULT_TYPE,
    FAULT_LARGE,
    FAULT_NOT_FIFO,
    FAULT_ESCAPE,
    FAULT_WATCHES,
    FAULT_SHRUNK
};

/* Per host: an upvalue of every verb. */
struct file_state {
    char *scratch;         /* FILE_INLINE + 1 bytes for answers had without a hop */
    struct file_job *held; /* being pushed; freed by the next if pushing raised */
    int fd;                /* opened inline, waiting for its job; -1: none */
};

struct file_walk;

/* An open file read in pieces. Loop thread only; a job in flight owns a reference. */
struct file_stream {
    int fd, refs;
    uint8_t busy, regular;
    uint8_t polled; /* a FIFO: waits on the loop, not on a thread */
    uint8_t fed;    /* to read nothing means the end: it has, or need not have, had a writer */
    off_t offset;
    char *kept; /* owned: what a read brought whose waiter was cancelled, for the next one */
    size_t kept_len;
    char path[];
};

struct file_job {
    uv_work_t req;
    const struct file_verb *verb;
    struct file_state *state; /* valid only while wait is */
    struct file_wait *wait;   /* NULL: nobody waits any more */
    struct file_root *root;   /* what its paths stay beneath; NULL: nothing */
    atomic_int abandoned;     /* stop at the next safe point */
    int err;                  /* errno of the failure */
    enum file_fault fault;
    int fd, fd2;  /* owned; -1: none */
    int flag;     /* the verb's own switch */
    int special;  /* devices, FIFOs and sockets are wanted */
    int fifo;     /* a FIFO is wanted and nothing else */
    int plain;    /* nothing but a plain file, whatever else is asked for */
    int mode;     /* permission bits for what is made; -1: the usual ones */
    int keep;     /* what is there already is not replaced */
    int done;     /* it took effect before it failed */
    mode_t found; /* st_mode of what was opened */
    size_t max;   /* most bytes to read */
    char *data;   /* owned: bytes read, or a copy of those to write */
    size_t len, cap;
    size_t *index; /* owned: where each entry of data begins */
    size_t count;
    struct statx st;
    struct file_stream *stream;
    struct file_poll *poll; /* what waits for the stream; NULL: nothing does */
    struct file_writer *writer;
    struct file_walk *walk;
    char *inner;     /* owned: which part of path it failed at */
    char *path, *to; /* inside this allocation; to: NULL if the verb has one path */
};

struct file_wait {
    struct tusk_wait base;
    struct file_job *job;
    int sent;
};

/* Answers up to this many bytes are read on the loop thread when the kernel has them. */
enum { FILE_INLINE = 256 * 1024 };

/* file.c: argument checks (raise kind "argument"), the life of a job, errors. */
struct file_state *file_state(lua_State *L);
const char *file_path(lua_State *L, int arg);
struct file_job *file_job_new(lua_State *L, const struct file_verb *verb, const char *path,
                              const char *to);
/* The same of a verb whose argument 1 is a root or nil: its paths stay beneath that. */
struct file_job *file_job_at(lua_State *L, const struct file_verb *verb, const char *path,
                             const char *to);
void *file_alloc(lua_State *L, struct file_job *job, size_t size);
int file_start(lua_State *L, struct file_job *job);
/* The outcome of a job that has ended, for its record's finish; frees it. */
int file_finish(lua_State *L, struct tusk_wait *w);
void file_job_free(struct file_job *job);
/* Gives back all that a job has but its names, which the error needs. */
void file_job_release(struct file_job *job);

/* file_error.c. Raises the failure of a job, which gives back all it has but its memory. */
int file_fail(lua_State *L, struct file_job *job);
/* Pushes the error "cannot <doing> "path": …" of an errno. */
void file_push_failure(lua_State *L, const char *doing, const char *path, int err);
const char *file_type_name(mode_t mode);

/* file.c: parts of jobs. */

/* True when the object behind fd may be used as a plain file; otherwise sets the job's failure. */
int file_accept(struct file_job *job, int fd, struct stat *st);
/* After open failed with ENXIO: a FIFO or socket nobody asked for is a matter of type. */
void file_open_failed(struct file_job *job);
/* Whether a folder's entry is the folder itself, or the one it is in. */
int file_is_dots(const char *name);
/* Waits for fd in short slices; 0 when the job was abandoned meanwhile. */
int file_wait_ready(struct file_job *job, int fd, short events);
/* The stream of an argument; raises when it is closed or another task reads it. */
struct file_stream *file_stream_check(lua_State *L, int arg);
/* Moves *fd into a new stream userdata. first: it is to wait for a first writer. */
void file_stream_push(lua_State *L, int *fd, mode_t mode, int first, const char *path);
/* Makes the job one of the stream's, which is busy until file_stream_done. */
void file_stream_use(struct file_job *job, struct file_stream *s);
void file_stream_unref(struct file_stream *s);
/* The job, a read of a stream, has ended. */
void file_stream_done(struct file_job *job);
/* Makes room for more than job->cap bytes, but not for more than max + 1; 0: the job has failed. */
int file_grow(struct file_job *job);

/* file_poll.c: instead of file_start, for a read of a polled stream: parks until there is
 * something; job->flag: until the end. Needs data of cap bytes. */
int file_poll_start(lua_State *L, struct file_job *job);

/* file_root.c: the root of argument 1; NULL: none. */
struct file_root *file_root_arg(lua_State *L);
void file_root_unref(struct file_root *root);
void file_root_open_lua(lua_State *L);

/* file_writer.c: the same of a file that is written in pieces. */
void file_writer_unref(struct file_writer *w);
void file_writer_done(struct file_job *job);
void file_writer_open_lua(lua_State *L);

/* file_walk.c: the same of a folder that is walked. */
void file_walk_unref(struct file_walk *w);
void file_walk_done(struct file_job *job);
void file_walk_open_lua(lua_State *L);

/* file_lock.c, file_temp.c */
void file_lock_open_lua(lua_State *L);
void file_temp_open_lua(lua_State *L);

/* Name of the metatable of open files. */
#define FILE_STREAM "tusk.file.stream"

/* One function for each raw verb; upvalue 1 is the state. Where a path comes, a root or nil goes
 * before it. */
int op_root(lua_State *L);
int op_read(lua_State *L);
int op_open(lua_State *L);
int op_chunk(lua_State *L);
int op_drain(lua_State *L);
int op_close(lua_State *L);
int op_write(lua_State *L);
int op_write_atomic(lua_State *L);
int op_writer(lua_State *L);
int op_writer_put(lua_State *L);
int op_writer_commit(lua_State *L);
int op_writer_discard(lua_State *L);
int op_read_dir(lua_State *L);
int op_mkdir(lua_State *L);
int op_remove(lua_State *L);
int op_metadata(lua_State *L);
int op_exists(lua_State *L);
int op_rename(lua_State *L);

int op_walk(lua_State *L);
int op_walk_next(lua_State *L);
int op_walk_close(lua_State *L);
int op_copy(lua_State *L);
int op_temp(lua_State *L);
int op_temp_remove(lua_State *L);
int op_temp_close(lua_State *L);
int op_sweep(lua_State *L);
int op_lock(lua_State *L);
int op_unlock(lua_State *L);
int op_watch_open(lua_State *L);
int op_watch_add(lua_State *L);
int op_watch_remove(lua_State *L);
int op_watch_more(lua_State *L);
int op_watch_events(lua_State *L);

#endif

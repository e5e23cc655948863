/* redis.h: what the files of the redis binding share. */
#ifndef REDIS_H
#define REDIS_H 1

#include <hiredis/hiredis.h>

#include "tusk_lua.h"

#define IN_FLIGHT_MAX 131072               /* calls of one connection that are not answered yet */
#define UNSENT_MAX    (64u * 1024 * 1024)  /* bytes that wait for the server to take them */
#define REPLY_MAX     (512u * 1024 * 1024) /* bytes of one answer: no string of Redis is longer */
#define INBOX_MAX     1024 /* messages that nobody has asked for yet; and their bytes */
#define INBOX_BYTES   (1024u * 1024)
#define READ_SIZE     (64 * 1024)
#define SHAPES        128 /* formatted commands that are kept, of so many arguments and bytes at most */
#define SHAPE_ARGS    8
#define SHAPE_BYTES   256
#define RECORDS       1024 /* records of calls that are kept for the next */
#define HURRY         32 /* so many calls are worth a write of their own while the server is idle */
#define SMALL         96 /* an answer of so many bytes needs no memory of its own */
#define BACKOFF_MIN   50 /* milliseconds */
#define BACKOFF_MAX   5000

struct conn;
struct call;

/* ---- answers, kept as bytes from the loop to the task: see redis_reply.c ---- */

struct spill { /* malloc'ed: the bytes of an answer that is not small */
    struct spill *next, *prev;
    char data[];
};

struct tape {
    char *data;
    size_t length, size;
    struct spill *spill; /* where data lies, or NULL */
};

/* ---- calls ---- */

enum fault {
    FAULT_NONE,
    FAULT_CONNECT,
    FAULT_AUTH,
    FAULT_REPLY, /* the server's answer while connecting */
    FAULT_DISCONNECTED,
    FAULT_PROTOCOL,
    FAULT_TIMEOUT,
    FAULT_CLOSED,
    FAULT_BUSY, /* over a bound */
};

struct call { /* one parked call; userdata. What went wrong is told in `small`. */
    struct tusk_wait wait;
    struct conn *conn;
    uint64_t number; /* its slot's */
    struct tape tape;
    uint8_t fault;     /* enum fault */
    uint8_t sent;      /* all that it takes to be carried out has left */
    uint8_t abandoned; /* cancelled after bytes of it had left */
    uint8_t is_list;   /* its answers are a list, however many there are */
    uint16_t place;    /* where it is kept, or 0 */
    uint32_t replies;
    char small[SMALL];
};

struct slot {            /* what the server owes, in order */
    struct call *call;   /* NULL: nobody waits for it any more */
    uint64_t begin, end; /* its bytes in the stream of all that was ever queued */
    uint64_t commit;     /* once so many of them have left, it may have been carried out */
    uint32_t left;       /* answers */
};

/* ---- connections ---- */

enum state {
    STATE_IDLE,     /* not connected; the next call connects */
    STATE_BACKOFF,  /* calls wait until it may be tried again */
    STATE_DIALING,  /* looking up the name, connecting */
    STATE_GREETING, /* AUTH and SELECT are not answered yet */
    STATE_READY,
    STATE_CLOSED,
};

struct watch { /* malloc'ed, freed when its handle is closed: one socket */
    uv_poll_t poll;
    struct conn *conn;
};

struct message { /* malloc'ed: what a subscriber was sent and has not asked for */
    struct message *next;
    struct tape tape;
};

struct shape { /* a command that was formatted; others of the same lengths differ in the arguments
                */
    int argc;  /* 0: none yet */
    size_t length;
    uint16_t lengths[SHAPE_ARGS], at[SHAPE_ARGS]; /* of the arguments, in bytes */
    char bytes[SHAPE_BYTES];
};

struct redis { /* one per host, malloc'ed: lives as long as it has connections */
    struct tusk *host;
    uv_loop_t *loop;
    struct conn *conns, *dirty;
    struct tusk_hook before_poll, at_close;
    uint64_t random;
    int refs, closing;
    int failure, reply_error, check_int64, make_int64; /* references of Lua functions */
    int records;                                       /* reference of the list of kept ones */
    uint16_t spare[RECORDS], vacant[RECORDS]; /* places in it: free to be used, without a record */
    int spares, vacancies;
    const char **argv;
    size_t *lengths;
    char (*digits)[32];
    int argc_max;    /* how many arguments those have room for */
    char *formatted; /* hiredis's, or NULL */
    struct shape shapes[SHAPES];
    char input[READ_SIZE];
};

struct conn { /* malloc'ed: refs are its Lua handle, its uv handles and requests, being dirty */
    struct redis *redis;
    struct conn *next, *prev, *next_dirty;
    int refs, is_dirty;
    enum state state;

    char *host, *path, *label; /* label: as errors may show it */
    int port;
    char *greeting; /* AUTH and SELECT, ready to be sent */
    size_t greeting_length, greeting_sent;
    int greeting_replies, greeting_left, has_auth;
    uint64_t connect_ms, reply_ms; /* 0: no limit */

    uv_timer_t timer;
    struct watch *watch;
    uv_getaddrinfo_t *lookup;
    struct addrinfo *addresses, *address;
    int fd, events;
    uint64_t heard, due; /* uv_now of the last bytes; when the timer's matter is over */
    uint64_t retry_at;
    int failures, answered; /* connections failed in a row; has this one ever answered? */

    struct slot *ring;
    uint64_t head, tail; /* numbers of slots */
    uint64_t sent_tail;  /* all before it have left, when last all there was had */
    uint32_t ring_size;
    uint32_t dropped; /* slots given up before anything of them left */
    char *out;
    size_t out_at, out_length, out_size; /* bytes to send: [at, length) */
    uint64_t written, queued;            /* bytes ever sent, bytes ever queued */

    redisReader *reader;
    size_t reply_bytes; /* of the answer that is being read */
    struct tape scratch;
    struct spill *spills;

    int is_subscriber, once; /* once: when it is lost it is not made again */
    struct call *listener;
    struct message *inbox, *inbox_last;
    size_t inbox_count, inbox_bytes;
    enum fault lost;
    char lost_text[SMALL];
};

/* redis_record.c: the records of calls, used again and again. */

void record_open(lua_State *L, struct redis *redis);
/* Pushes one, ready to be parked on, for c. Raises as tusk_wait_new does, and if c takes no call.
 */
struct call *record_take(lua_State *L, struct conn *c, const struct tusk_wait_ops *ops);
/* Its finish is about to return, or to raise. */
void record_give(struct redis *redis, struct call *call);
/* It was dropped. */
void record_lose(struct redis *redis, struct call *call);
/* redis.c: raises if the connection takes no call now. */
void check_open(lua_State *L, struct conn *c);

/* redis_conn.c: one connection: its time, how it is made again, how it ends. Loop thread; nothing
 * raises. */

struct conn *conn_new(struct redis *redis);
void conn_release(struct conn *c);
/* Before a call is queued: sends those that wait already if the server would otherwise be idle. */
void conn_hurry(struct conn *c);
/* The hook that sends what was queued in this turn. */
void conn_flush_all(struct tusk_hook *k);
/* The timer rings at c->due. */
void conn_set_timer(struct conn *c);
/* It can carry calls now. */
void conn_ready(struct conn *c);
/* Loses the connection; all that is owed or queued fails: the first with `fault`, what follows it
 * with `rest`. */
void conn_break(struct conn *c, enum fault fault, enum fault rest, const char *text);
void conn_close(struct conn *c);
/* The same when the host closes: nobody is woken. */
void conn_abandon(struct conn *c);
void redis_release(struct redis *redis);

/* redis_queue.c: calls, in the order they were asked, and the bytes they are sent as. */

static inline struct slot *slot_of(struct conn *c, uint64_t number)
{
    return &c->ring[number & (c->ring_size - 1)];
}

/* Queues bytes that `replies` answers are owed for; `commit`: see struct slot. 0, or -1: out of
 * memory. */
int conn_queue(struct conn *c, struct call *call, const char *bytes, size_t length, size_t commit,
               uint32_t replies);
/* Queues bytes without a slot: what answers them comes as messages. */
int conn_queue_bare(struct conn *c, const char *bytes, size_t length);
/* cancel of struct tusk_wait_ops. */
void call_cancel(struct tusk_wait *w);
void call_fail(struct call *call, enum fault fault, const char *text, int sent);

/* redis_answer.c: whom an answer is for. */

/* The slot that the answer being read belongs to; NULL: none. */
struct slot *conn_owed(struct conn *c);
/* The answer being read is complete. */
void conn_answered(struct conn *c);

/* redis_dial.c: from a name to a connected socket. */

void dial(struct conn *c);
/* Gives up the attempt, if there is one. */
void dial_end(struct conn *c);
/* The socket that was being connected is, or failed. */
void dial_connected(struct conn *c);

/* redis_io.c: bytes. */

/* 0, or a negative errno. */
int io_open(struct conn *c, int fd);
void io_close(struct conn *c);
/* Sets what the loop watches the socket for. */
void io_watch(struct conn *c);
/* Sends what is queued. */
void io_flush(struct conn *c);

/* redis_reply.c: what hiredis has parsed, as bytes, and those as Lua values. */

extern redisReplyObjectFunctions reply_functions;
void tape_begin(struct call *call);
void tape_free(struct conn *c, struct tape *t);
/* The text of the error on the tape, *length bytes; NULL: it is none. */
const char *tape_error(const struct tape *t, size_t *length);
/* Pushes `replies` answers: one as itself, an error raised; more as a list. */
int reply_push(lua_State *L, struct redis *redis, struct call *call);

/* redis_command.c: Lua values as commands, by hiredis's formatter. */

/* Reads a command, its name first, from the stack, [first, top]. Raises what is wrong with it. */
int command_read(lua_State *L, struct redis *redis, int first);
/* The command that was read, as bytes, *length of them, until command_done; NULL: no memory. */
const char *command_format(struct redis *redis, int argc, size_t *length);
void command_done(struct redis *redis);

struct batch { /* userdata: several commands */
    uint32_t magic, count;
    char *bytes;
    size_t length, size, first; /* first: where the first command ends */
};

/* batch() -> one; add(batch, name, ...) */
int op_batch(lua_State *L);
int op_add(lua_State *L);
struct batch *batch_check(lua_State *L, int i);
void batch_open(lua_State *L);

#endif

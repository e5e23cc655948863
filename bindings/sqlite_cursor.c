/* sqlite_cursor.c: rows of a SELECT that a thread reads ahead, a few blocks at a time. No Lua. */
#include <stdlib.h>
#include <string.h>

#include "sqlite_cursor.h"

#define BLOCK_SIZE (64 * 1024)
#define BLOCK_SOON (16 * 1024) /* enough for who waits already */
#define SOON_NS    200000      /* or when a row took so long */
#define TOO_MUCH   (-1)        /* beside SQLite's codes */
#define KEPT_MAX   (64u << 20) /* read ahead of a change */

struct cursor *cursor_new(struct job *job)
{
    struct cursor *q = calloc(1, sizeof *q);
    if (!q || uv_mutex_init(&q->mutex)) {
        free(q);
        return NULL;
    }
    q->job = job;
    q->tail = &q->head;
    job->cursor = q;
    return q;
}

void cursor_free(struct cursor *q)
{
    for (struct block *next, *b = q->head; b; b = next) {
        next = b->next;
        free(b->rows.data);
        free(b);
    }
    free(q->view.rows.data);
    uv_mutex_destroy(&q->mutex);
    job_free(q->job);
    free(q);
}

/* ---- blocks ---- */

/* Lets the reader have it; the thread or the loop may call this. */
static void wake_reader(struct cursor *q)
{
    struct tusk_wait *w = q->wait;
    q->wait = NULL;
    atomic_store(&q->waiting, 0);
    if (w)
        tusk_post(w);
}

/* Puts the rows that there are in line for the reader; 0 or -1 when out of memory. */
static int hand_over(struct cursor *q)
{
    struct job *job = q->job;
    if (!job->row_count)
        return 0;
    struct block *b = malloc(sizeof *b);
    if (!b)
        return -1;
    *b = (struct block){.rows = job->rows, .count = job->row_count};
    job->rows = (struct buffer){0};
    job->row_count = 0;
    uv_mutex_lock(&q->mutex);
    *q->tail = b;
    q->tail = &b->next;
    q->ready++;
    wake_reader(q);
    uv_mutex_unlock(&q->mutex);
    return 0;
}

static int is_awaited(struct cursor *q)
{
    return atomic_load_explicit(&q->waiting, memory_order_relaxed);
}

void cursor_tick(struct job *job)
{
    struct cursor *q = job->cursor;
    if (job->row_count && is_awaited(q) && uv_hrtime() - q->begun > SOON_NS)
        hand_over(q); // without memory for it, it goes with the next rows
}

/* Room for a block at once, and when it was begun. */
static int begin_block(struct cursor *q)
{
    struct buffer *b = &q->job->rows;
    b->capacity = BLOCK_SIZE + BLOCK_SIZE / 8;
    b->size = 0;
    b->data = malloc(b->capacity);
    q->begun = uv_hrtime();
    return b->data ? 0 : -1;
}

/* ---- the statement ---- */

void cursor_detach(struct conn *c, struct cursor *q)
{
    struct cursor **at = &c->cursors;
    while (*at && *at != q)
        at = &(*at)->next;
    if (*at)
        *at = q->next;
    if (q->stmt)
        stmt_free(q->stmt);
    q->stmt = NULL;
}

static int prepare(struct conn *c, struct cursor *q)
{
    struct job *job = q->job;
    struct stmt *s = stmt_new(c, job->sql, job->length);
    if (!s)
        return -1;
    int failed = 0;
    if (!s->handle)
        failed = failure_set(&c->failure, FAIL_ARGUMENT, "the statement is empty");
    else if (s->more)
        failed = failure_set(&c->failure, FAIL_ARGUMENT, "one statement at a time");
    else if (!s->readonly)
        failed = failure_set(&c->failure, FAIL_ARGUMENT,
                             "each is for statements that only read: use query or exec");
    else
        failed = stmt_bind(c, s, job->values, job->count, job->named);
    if (failed) {
        stmt_free(s);
        return -1;
    }
    q->stmt = s;
    q->next = c->cursors;
    c->cursors = q;
    return 0;
}

/* One step, its row kept: SQLite's code; SQLITE_OK when it was cancelled before. */
static int step(struct conn *c, struct cursor *q)
{
    struct job *job = q->job;
    if (atomic_load_explicit(&job->cancelled, memory_order_relaxed))
        return SQLITE_OK;
    if (!job->rows.data && begin_block(q))
        return SQLITE_NOMEM;
    int code = sqlite3_step(q->stmt->handle);
    if ((code == SQLITE_ROW || code == SQLITE_DONE) && !job->columns && // the first
        row_keep_names(job, q->stmt->handle, sqlite3_column_count(q->stmt->handle)))
        return SQLITE_NOMEM;
    if (code != SQLITE_ROW)
        return code;
    (void)c;
    return row_keep(job, q->stmt->handle, job->columns) ? SQLITE_NOMEM : SQLITE_ROW;
}

static int is_full(struct cursor *q)
{
    size_t size = q->job->rows.size;
    return size >= BLOCK_SIZE || (size >= BLOCK_SOON && is_awaited(q));
}

/* Steps until so many blocks are in line (SQLITE_ROW), or the end, or `most` bytes (TOO_MUCH). */
static int fill(struct conn *c, struct cursor *q, int blocks, size_t most)
{
    int code = SQLITE_ROW;
    while (code == SQLITE_ROW && blocks > 0) {
        code = step(c, q);
        if (code != SQLITE_ROW || !is_full(q))
            continue;
        q->kept += q->job->rows.size;
        if (hand_over(q))
            return SQLITE_NOMEM;
        blocks--;
        if (q->kept > most)
            return TOO_MUCH;
    }
    return code;
}

/* The rows there are, then the end or the failure in c: nothing comes after it. */
static void end(struct conn *c, struct cursor *q, int failed)
{
    struct job *job = q->job;
    int lost = hand_over(q);
    cursor_detach(c, q);
    free(job->rows.data);
    job->rows = (struct buffer){0};
    uv_mutex_lock(&q->mutex);
    if (failed)
        failure_move(&job->failure, &c->failure);
    else if (lost)
        failure_set(&job->failure, SQLITE_NOMEM, "out of memory");
    q->done = 1;
    wake_reader(q);
    uv_mutex_unlock(&q->mutex);
}

static void aim(struct cursor *q, sqlite3 *target)
{
    uv_mutex_lock(&q->mutex);
    q->target = target;
    uv_mutex_unlock(&q->mutex);
}

/* A transaction that is over, or that SQLite has undone, has no rows. */
static int is_too_late(struct worker *k, struct cursor *q, struct conn *c)
{
    uint64_t lease = q->job->lease;
    if (lease && lease != k->lease)
        return failure_set(&c->failure, FAIL_CLOSED, "the transaction has ended");
    if (lease && sqlite3_get_autocommit(c->db))
        return failure_set(&c->failure, FAIL_ABORTED,
                           "the transaction was rolled back by an earlier failure or interruption");
    if (!q->own && !c->db)
        return failure_set(&c->failure, FAIL_CLOSED, "the database is closed");
    return 0;
}

static void advance(struct worker *k, struct cursor *q, struct conn *c)
{
    c->job = q->job;
    c->on_loop = c->deaf = 0;
    c->limit = 0;
    if (is_too_late(k, q, c) || (q->own && !c->db && conn_open(c, k->db, CONN_READER)) ||
        (!q->stmt && prepare(c, q))) {
        end(c, q, 1);
        return;
    }
    sqlite3_limit(c->db, SQLITE_LIMIT_LENGTH, INT32_MAX);
    aim(q, c->db);
    int code = fill(c, q, CURSOR_BLOCKS, SIZE_MAX);
    aim(q, NULL);
    if (code == SQLITE_DONE)
        end(c, q, 0);
    else if (code != SQLITE_ROW && code != SQLITE_OK)
        end(c, q, conn_failed(c, code));
}

static void let_go(struct cursor *q, struct conn *c)
{
    cursor_detach(c, q);
    if (q->own) {
        spare_keep(q->job->db, q->own);
        q->own = NULL;
    }
}

static int is_closed(struct cursor *q)
{
    uv_mutex_lock(&q->mutex);
    int closed = q->closed;
    uv_mutex_unlock(&q->mutex);
    return closed;
}

void cursor_run(struct worker *k, struct job *job)
{
    struct cursor *q = job->cursor;
    struct conn *c = q->own ? q->own : &k->conn;
    if (!is_closed(q) && !q->done) // only a thread sets done
        advance(k, q, c);
    c->job = NULL;
    if (is_closed(q)) // now, if it can be: under the thread's mutex it holds up the loop
        let_go(q, c);
}

void cursor_delivered(struct worker *k, struct job *job)
{
    struct cursor *q = job->cursor;
    struct database *db = job->db;
    uv_mutex_lock(&q->mutex);
    int closed = q->closed, counted = q->counted;
    q->busy = 0;
    wake_reader(q);
    uv_mutex_unlock(&q->mutex);
    if (!closed)
        return;
    let_go(q, q->own ? q->own : &k->conn);
    cursor_free(q);
    if (counted)
        worker_closed(db);
}

/* ---- before other work on the same connection ---- */

static int changes(struct conn *c, struct job *job)
{
    if (job->kind != JOB_RUN)
        return 1;
    struct stmt *s = stmt_get(c, job->sql, job->length);
    return s && (!s->readonly || s->more);
}

/* Reads what is left, as it was before the change. It must not be stopped by who changes, so it
 * has little time. */
static void read_rest(struct conn *c, struct cursor *q)
{
    c->job = q->job;
    c->on_loop = c->deaf = 0;
    c->limit = uv_hrtime() + c->owner->options.busy_ns;
    q->kept = 0;
    sqlite3_limit(c->db, SQLITE_LIMIT_LENGTH, INT32_MAX);
    int code = fill(c, q, INT32_MAX, KEPT_MAX);
    c->limit = 0;
    c->job = NULL;
    if (code == SQLITE_DONE)
        end(c, q, 0);
    else if (code == TOO_MUCH)
        end(c, q,
            failure_set(&c->failure, FAIL_ABORTED,
                        "the database is changed while rows of it are read, and those left "
                        "are more than 64 MiB: read them first, or in portions"));
    else if ((code & 0xff) == SQLITE_INTERRUPT)
        end(c, q,
            failure_set(&c->failure, FAIL_ABORTED,
                        "the database is changed while rows of it are read, and reading "
                        "those left took too long"));
    else
        end(c, q, code == SQLITE_OK ? 0 : conn_failed(c, code));
}

static void aim_thread(struct worker *k, sqlite3 *target)
{
    uv_mutex_lock(&k->mutex);
    k->target = target;
    uv_mutex_unlock(&k->mutex);
}

static void read_all(struct worker *k)
{
    aim_thread(k, NULL); // an interrupt of what follows must not hit them
    for (struct cursor *next, *q = k->conn.cursors; q; q = next) {
        next = q->next;
        read_rest(&k->conn, q);
    }
    aim_thread(k, k->conn.db);
}

static void end_all(struct conn *c, uint64_t lease, const char *why)
{
    for (struct cursor *next, *q = c->cursors; q; q = next) {
        next = q->next;
        if (!lease || q->job->lease == lease)
            end(c, q, failure_set(&c->failure, FAIL_CLOSED, "%s", why));
    }
}

void cursors_settle(struct worker *k, struct job *job)
{
    struct conn *c = &k->conn;
    if (job->kind == JOB_CLOSE)
        end_all(c, 0, "the database is closed");
    else if (job->kind == JOB_COMMIT || job->kind == JOB_ROLLBACK)
        end_all(c, job->lease, "the transaction has ended");
    else if (changes(c, job))
        read_all(k);
}

/* sqlite_thread.c: a thread with a connection, its lines, its lease. */
#include <stdlib.h>
#include <string.h>

#include "sqlite_cursor.h"

int worker_init(struct worker *k, struct database *db, enum conn_role role)
{
    k->db = db;
    k->role = role;
    k->conn.owner = db;
    k->tail = &k->head;
    k->held_tail = &k->held;
    if (uv_mutex_init(&k->mutex))
        return -1;
    if (uv_cond_init(&k->wake)) {
        uv_mutex_destroy(&k->mutex);
        return -1;
    }
    return 0;
}

void worker_free(struct worker *k)
{
    uv_cond_destroy(&k->wake);
    uv_mutex_destroy(&k->mutex);
}

/* ---- the thread ---- */

static struct job *line_take(struct job **head, struct job ***tail)
{
    struct job *job = *head;
    if (job && !(*head = job->next))
        *tail = head;
    return job;
}

/* Two connections that close at once each take the other for the last: the log is left to neither.
 */
static int must_close_last(struct worker *k)
{
    return k->role == CONN_WRITER && k->head && k->head->kind == JOB_CLOSE &&
           atomic_load(&k->db->closers) > 1;
}

/* While a party has the lease only its jobs are taken, then whatever is first. What came for a
 * lease that has ended meanwhile goes before that, to fail: not into the next one's transaction. */
static struct job *next_job(struct worker *k)
{
    if (k->lease || k->held)
        return line_take(&k->held, &k->held_tail);
    if (must_close_last(k))
        return NULL;
    struct job *job = line_take(&k->head, &k->tail);
    if (job && job->kind == JOB_BEGIN)
        k->lease = job->lease;
    return job;
}

static void wake_worker(struct worker *k)
{
    uv_mutex_lock(&k->mutex);
    uv_cond_signal(&k->wake);
    uv_mutex_unlock(&k->mutex);
}

void worker_closed(struct database *db)
{
    int left = atomic_fetch_sub(&db->closers, 1) - 1;
    if (left == 0)
        tusk_post(db->closer);
    else if (left == 1)
        wake_worker(&db->writer);
}

static void deliver_close(struct job *job)
{
    struct database *db = job->db;
    if (!job->wait) // a reader's
        job_free(job);
    worker_closed(db);
}

static void deliver(struct worker *k, struct job *job)
{
    if (job->kind == JOB_FILL) {
        cursor_delivered(k, job);
        return;
    }
    if (job->kind == JOB_CLOSE) {
        deliver_close(job);
        return;
    }
    if (job->wait)
        tusk_post(job->wait); // from here on it is the loop's
    else
        job_free(job);
}

static void run_one(struct worker *k, struct job *job)
{
    k->current = job;
    k->target = k->conn.db;
    uv_mutex_unlock(&k->mutex);
    work_run(k, job);
    uv_mutex_lock(&k->mutex);
    k->current = NULL;
    if (job->ended && k->lease == job->lease)
        k->lease = 0;
    deliver(k, job);
}

static void thread_main(void *data)
{
    struct worker *k = data;
    uv_mutex_lock(&k->mutex);
    for (;;) {
        struct job *job = next_job(k);
        if (job)
            run_one(k, job);
        else if (k->stopping)
            break;
        else
            uv_cond_wait(&k->wake, &k->mutex);
    }
    uv_mutex_unlock(&k->mutex);
    conn_close(&k->conn); // may have the log to put into the file: not the loop's business
    uv_mutex_lock(&k->mutex);
    k->finished = 1;
    uv_mutex_unlock(&k->mutex);
}

/* ---- the loop thread ---- */

static int start_thread(struct worker *k)
{
    if (!k->started && !k->stopping)
        k->started = uv_thread_create(&k->thread, thread_main, k) == 0;
    return k->started ? 0 : -1;
}

int worker_submit(struct worker *k, struct job *job)
{
    if (start_thread(k))
        return -1;
    int leased = job->lease && job->kind != JOB_BEGIN;
    job->worker = k;
    job->next = NULL;
    uv_mutex_lock(&k->mutex);
    struct job ***tail = leased ? &k->held_tail : &k->tail;
    **tail = job;
    *tail = &job->next;
    uv_cond_signal(&k->wake);
    uv_mutex_unlock(&k->mutex);
    return 0;
}

static int line_remove(struct job **head, struct job ***tail, struct job *job)
{
    struct job **at = head;
    while (*at && *at != job)
        at = &(*at)->next;
    if (!*at)
        return 0;
    *at = job->next;
    if (!*at)
        *tail = at;
    return 1;
}

/* Under the mutex, and only for the job that runs: an interrupt must never hit another. */
static void interrupt(struct worker *k)
{
    int kind = k->current->kind;
    if (kind == JOB_COMMIT || kind == JOB_ROLLBACK || kind == JOB_CLOSE)
        return;
    atomic_store(&k->current->cancelled, 1);
    if (k->target)
        sqlite3_interrupt(k->target);
}

int worker_cancel(struct worker *k, struct job *job)
{
    uv_mutex_lock(&k->mutex);
    int removed = line_remove(&k->head, &k->tail, job) || line_remove(&k->held, &k->held_tail, job);
    if (!removed && k->current == job)
        interrupt(k);
    uv_mutex_unlock(&k->mutex);
    return removed;
}

struct conn *worker_borrow(struct worker *k, uint64_t lease)
{
    if (k->stopping)
        return NULL;
    uv_mutex_lock(&k->mutex);
    int idle = !k->current && !k->held && k->lease == lease && (lease || !k->head) && k->conn.db;
    uv_mutex_unlock(&k->mutex);
    if (!idle)
        return NULL;
    k->conn.on_loop = 1;
    return &k->conn;
}

int worker_leased(struct worker *k)
{
    uv_mutex_lock(&k->mutex);
    int leased = k->lease != 0;
    uv_mutex_unlock(&k->mutex);
    return leased;
}

static void ask_to_end(struct worker *k, int now)
{
    uv_mutex_lock(&k->mutex);
    k->stopping = 1;
    if (now && k->current)
        interrupt(k);
    uv_cond_signal(&k->wake);
    uv_mutex_unlock(&k->mutex);
}

void worker_end(struct worker *k)
{
    ask_to_end(k, 0);
}

int worker_ended(struct worker *k)
{
    uv_mutex_lock(&k->mutex);
    int ended = !k->started || k->finished;
    uv_mutex_unlock(&k->mutex);
    return ended;
}

void worker_stop(struct worker *k)
{
    ask_to_end(k, 1);
    if (k->started)
        uv_thread_join(&k->thread);
    k->started = 0;
    conn_close(&k->conn);
}

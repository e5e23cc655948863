/* sqlite_thread.c: a thread with a connection, its lines, its lease. */
#include <stdlib.h>
#include <string.h>

#include "sqlite_cursor.h"
#include "sqlite_fast.h"

int worker_init(struct worker *k, struct database *db, enum conn_role role)
{
    k->db = db;
    k->role = role;
    k->conn.owner = db;
    k->tail = &k->head;
    k->held_tail = &k->held;
    k->later_tail = &k->later;
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

/* Whether it may stand in a group, as far as can be told before it is prepared. */
static int is_groupable(const struct worker *k, const struct job *job)
{
    return k->role == CONN_WRITER && !k->db->memory && job->kind == JOB_RUN && !job->lease;
}

/* The first in line; if that is a write of no transaction, with all of them that follow it. */
static struct job *take_group(struct worker *k)
{
    struct job *first = k->head, *last = first;
    for (int n = 1; is_groupable(k, last) && n < GROUP_MAX; n++) {
        if (!last->next || !is_groupable(k, last->next))
            break;
        last = last->next;
    }
    k->head = last->next;
    if (!k->head)
        k->tail = &k->head;
    last->next = NULL;
    return first;
}

/* While a party has the lease only its jobs are taken, then whatever is first. What came for a
 * lease that has ended meanwhile goes before that, to fail: not into the next one's transaction. */
static struct job *next_jobs(struct worker *k)
{
    struct job *job;
    if (k->lease || k->held) {
        if ((job = line_take(&k->held, &k->held_tail)))
            job->next = NULL;
        return job;
    }
    if (!k->head || must_close_last(k))
        return NULL;
    job = take_group(k);
    if (job->kind == JOB_BEGIN)
        k->lease = job->lease;
    return job;
}

void worker_wake(struct worker *k)
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
        worker_wake(&db->writer);
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

void worker_current(struct worker *k, struct job *job)
{
    uv_mutex_lock(&k->mutex);
    k->current = job;
    k->target = k->conn.db;
    uv_mutex_unlock(&k->mutex);
}

void worker_answer(struct worker *k, struct job *job)
{
    uv_mutex_lock(&k->mutex);
    if (job->ended && k->lease == job->lease)
        k->lease = 0;
    deliver(k, job);
    uv_mutex_unlock(&k->mutex);
}

static void run_one(struct worker *k, struct job *job)
{
    worker_current(k, job);
    work_run(k, job);
    worker_current(k, NULL);
    worker_answer(k, job);
}

static void run_all(struct worker *k, struct job *jobs)
{
    for (struct job *rest; jobs; jobs = rest) {
        rest = group_split(k, jobs);
        if (jobs->next)
            group_run(k, jobs);
        else
            run_one(k, jobs);
    }
}

/* Waits until there is something to do: 0 when that is to end. */
static int await_jobs(struct worker *k, struct job **jobs)
{
    while (!(*jobs = next_jobs(k)) && !k->stopping) {
        k->idle = 1;
        uv_cond_wait(&k->wake, &k->mutex);
        k->idle = 0;
    }
    return *jobs != NULL;
}

static void thread_main(void *data)
{
    struct worker *k = data;
    struct job *jobs;
    uv_mutex_lock(&k->mutex);
    while (await_jobs(k, &jobs)) {
        uv_mutex_unlock(&k->mutex);
        run_all(k, jobs);
        if (k->role == CONN_WRITER && !k->lease && checkpoint_is_due(&k->conn))
            checkpoint_run(k);
        uv_mutex_lock(&k->mutex);
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

static void line_add(struct job ***tail, struct job *job)
{
    job->next = NULL;
    **tail = job;
    *tail = &job->next;
}

int worker_submit(struct worker *k, struct job *job)
{
    if (start_thread(k))
        return -1;
    worker_flush(k);
    job->worker = k;
    uv_mutex_lock(&k->mutex);
    line_add(job->lease && job->kind != JOB_BEGIN ? &k->held_tail : &k->tail, job);
    if (k->idle)
        uv_cond_signal(&k->wake);
    uv_mutex_unlock(&k->mutex);
    return 0;
}

int worker_submit_later(struct worker *k, struct job *job)
{
    if (start_thread(k))
        return -1;
    job->worker = k;
    line_add(&k->later_tail, job);
    turn_watch(k->db);
    return 0;
}

void worker_flush(struct worker *k)
{
    if (!k->later)
        return;
    uv_mutex_lock(&k->mutex);
    *k->tail = k->later;
    k->tail = k->later_tail;
    if (k->idle)
        uv_cond_signal(&k->wake);
    uv_mutex_unlock(&k->mutex);
    k->later = NULL;
    k->later_tail = &k->later;
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

/* Under the mutex. The job runs, or will if it does not look; an interrupt must never hit another.
 */
static void interrupt(struct worker *k, struct job *job)
{
    if (job->kind == JOB_COMMIT || job->kind == JOB_ROLLBACK || job->kind == JOB_CLOSE)
        return;
    atomic_store(&job->cancelled, 1);
    if (k->current == job && k->target)
        sqlite3_interrupt(k->target);
}

int worker_cancel(struct worker *k, struct job *job)
{
    if (line_remove(&k->later, &k->later_tail, job))
        return 1;
    uv_mutex_lock(&k->mutex);
    int removed = line_remove(&k->head, &k->tail, job) || line_remove(&k->held, &k->held_tail, job);
    if (!removed)
        interrupt(k, job);
    uv_mutex_unlock(&k->mutex);
    return removed;
}

struct conn *worker_borrow(struct worker *k, uint64_t lease)
{
    if (k->stopping || (!lease && k->later))
        return NULL;
    uv_mutex_lock(&k->mutex);
    int idle = (k->idle || !k->started) && !k->held && k->lease == lease && (lease || !k->head) &&
               k->conn.db;
    uv_mutex_unlock(&k->mutex);
    if (!idle)
        return NULL;
    k->conn.on_loop = 1;
    k->conn.nowait = !lease; // its statements can be run again
    return &k->conn;
}

int worker_leased(struct worker *k)
{
    uv_mutex_lock(&k->mutex);
    int leased = k->lease != 0;
    uv_mutex_unlock(&k->mutex);
    return leased;
}

int worker_in_transaction(struct worker *k)
{
    uv_mutex_lock(&k->mutex);
    int found = k->lease != 0;
    for (const struct job *job = k->head; job && !found; job = job->next)
        found = job->kind == JOB_BEGIN;
    uv_mutex_unlock(&k->mutex);
    return found;
}

static void ask_to_end(struct worker *k, int now)
{
    worker_flush(k);
    uv_mutex_lock(&k->mutex);
    k->stopping = 1;
    if (now && k->current)
        interrupt(k, k->current);
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

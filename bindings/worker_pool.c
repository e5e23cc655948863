/* worker_pool.c: threads that take calls from one line. */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "worker.h"

#define QUEUE_MAX 1024
#define CLOSE_NS  2000000000u /* how long a close waits for code that does not end */

void job_free(struct job *job)
{
    free(job->request.at);
    free(job->reply.at);
    free(job);
}

struct pool *pool_new(void)
{
    struct pool *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    unsigned cores = uv_available_parallelism();
    p->threads = cores < 1 ? 1 : cores > THREADS_MAX ? THREADS_MAX : cores;
    p->queue_max = QUEUE_MAX;
    p->tail = &p->head;
    p->at_close.run = pool_close;
    if (uv_mutex_init(&p->mutex))
        goto fail_mutex;
    if (uv_cond_init(&p->work))
        goto fail_work;
    if (uv_cond_init(&p->ended))
        goto fail_ended;
    return p;

fail_ended:
    uv_cond_destroy(&p->work);
fail_work:
    uv_mutex_destroy(&p->mutex);
fail_mutex:
    free(p);
    return NULL;
}

static void pool_free(struct pool *p)
{
    uv_cond_destroy(&p->ended);
    uv_cond_destroy(&p->work);
    uv_mutex_destroy(&p->mutex);
    free(p);
}

/* ---- a thread ---- */

static struct job *next_job(struct pool *p)
{
    struct job *job = p->head;
    if (!job)
        return NULL;
    p->head = job->next;
    if (!p->head)
        p->tail = &p->head;
    p->queued--;
    return job;
}

static void deliver(struct job *job)
{
    job->delivered = 1;
    if (job->wait)
        tusk_post(&job->wait->base); // from here on it is the loop's
    else
        job_free(job);
}

static void thread_main(void *data)
{
    struct worker *k = data;
    struct pool *p = k->pool;
    uv_mutex_lock(&p->mutex);
    while (!p->stopping) {
        struct job *job = next_job(p);
        if (!job) {
            p->idle++;
            uv_cond_wait(&p->work, &p->mutex);
            p->idle--;
            continue;
        }
        k->current = job;
        uv_mutex_unlock(&p->mutex);
        run_job(k, job);
        uv_mutex_lock(&p->mutex);
        k->current = NULL;
        deliver(job);
    }
    uv_mutex_unlock(&p->mutex);
    run_end(k);
    uv_mutex_lock(&p->mutex);
    p->alive--;
    uv_cond_signal(&p->ended);
    uv_mutex_unlock(&p->mutex);
}

/* ---- the loop thread ---- */

/* Signals are for the program's own threads. */
static int start_thread(struct pool *p)
{
    struct worker *k = &p->workers[p->started];
    sigset_t all, before;
    k->pool = p;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = uv_thread_create(&k->thread, thread_main, k);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc)
        return -1;
    p->started++;
    p->alive++;
    return 0;
}

const char *pool_submit(struct pool *p, struct job *job)
{
    const char *why = NULL;
    uv_mutex_lock(&p->mutex);
    if (p->queued >= p->queue_max)
        why = "too many calls wait for a worker";
    else if (p->queued >= p->idle && p->started < p->threads && start_thread(p) && !p->started)
        why = "no thread can be started";
    if (!why) {
        job->next = NULL;
        *p->tail = job;
        p->tail = &job->next;
        p->queued++;
        uv_cond_signal(&p->work);
    }
    uv_mutex_unlock(&p->mutex);
    return why;
}

static int take_out(struct pool *p, struct job *job)
{
    struct job **at = &p->head;
    while (*at && *at != job)
        at = &(*at)->next;
    if (!*at)
        return 0;
    *at = job->next;
    if (!*at)
        p->tail = at;
    p->queued--;
    return 1;
}

enum forgotten pool_forget(struct pool *p, struct worker_wait *w)
{
    struct job *job = w->job;
    enum forgotten how = FORGOT_TOO_LATE;
    uv_mutex_lock(&p->mutex);
    if (!job->delivered) {
        how = take_out(p, job) ? FORGOT_QUEUED : FORGOT_BEGUN;
        w->job = NULL;
    }
    if (how == FORGOT_BEGUN) {
        job->wait = NULL;
        atomic_store(&job->interrupted, 1);
    }
    uv_mutex_unlock(&p->mutex);
    if (how == FORGOT_QUEUED)
        job_free(job);
    return how;
}

/* Calls whose tasks were left behind by a host that closes. */
static void forget_all(struct pool *p)
{
    for (struct job *job; (job = next_job(p));)
        job_free(job);
    for (unsigned i = 0; i < p->started; i++) {
        struct job *job = p->workers[i].current;
        if (!job)
            continue;
        job->wait = NULL;
        atomic_store(&job->interrupted, 1);
    }
}

void pool_close(struct tusk_hook *hook)
{
    struct pool *p = (struct pool *)hook; // its first member
    uint64_t until = uv_hrtime() + CLOSE_NS, now;
    uv_mutex_lock(&p->mutex);
    p->stopping = 1;
    forget_all(p);
    uv_cond_broadcast(&p->work);
    while (p->alive && (now = uv_hrtime()) < until)
        uv_cond_timedwait(&p->ended, &p->mutex, until - now);
    unsigned left = p->alive;
    uv_mutex_unlock(&p->mutex);
    if (left) // compiled code that never looks: it goes with the process
        return;
    for (unsigned i = 0; i < p->started; i++)
        uv_thread_join(&p->workers[i].thread);
    pool_free(p);
}

/* sqlite_database.c: a database's life, and the loop thread's read transaction of one turn. */
#include <stdlib.h>
#include <string.h>

#include "sqlite_cursor.h"

/* ---- the turn ---- */

static int is_open(struct database *db)
{
    return atomic_load_explicit(&db->turn_open, memory_order_relaxed); // only this thread sets it
}

/* The writer's thread may wait for it, to move the log. */
static void turn_ended(struct database *db)
{
    atomic_store(&db->turn_open, 0);
    atomic_fetch_add(&db->turns, 1);
    if (atomic_load(&db->turn_awaited))
        worker_wake(&db->writer);
}

void turn_end(struct database *db)
{
    if (!is_open(db))
        return;
    conn_control(&db->inliner, "COMMIT");
    turn_ended(db);
}

static void turn_hook(struct tusk_hook *hook)
{
    struct database *db = (struct database *)((char *)hook - offsetof(struct database, turn));
    turn_end(db);
    worker_flush(&db->writer);
    if (db->doomed)
        database_unref(db);
}

void turn_watch(struct database *db)
{
    tusk_before_poll(db->state->host, &db->turn);
}

int turn_begin(struct database *db)
{
    if (is_open(db))
        return 0;
    atomic_store(&db->turn_open, 1); // before its first read
    int code = conn_control(&db->inliner, "BEGIN");
    if (code) {
        turn_ended(db);
        return code;
    }
    turn_watch(db);
    return 0;
}

void turn_check(struct database *db)
{
    if (is_open(db) && sqlite3_get_autocommit(db->inliner.db))
        turn_ended(db);
}

/* Our own commits must be seen by what follows them. */
static void turn_refresh(struct database *db)
{
    unsigned long long epoch = atomic_load_explicit(&db->epoch, memory_order_acquire);
    if (epoch != db->seen)
        turn_end(db);
    db->seen = epoch;
}

struct conn *database_inline(struct database *db, uint64_t lease)
{
    if (db->memory || lease)
        return worker_borrow(&db->writer, lease);
    if (!atomic_load_explicit(&db->ready, memory_order_acquire))
        return NULL;
    turn_refresh(db);
    return &db->inliner;
}

/* ---- life ---- */

struct database *database_new(struct state *st, const char *path, const struct options *options)
{
    database_reap(st);
    struct database *db = calloc(1, sizeof *db);
    if (!db || !(db->path = strdup(path)) || worker_init(&db->writer, db, CONN_WRITER)) {
        if (db)
            free(db->path);
        free(db);
        return NULL;
    }
    db->state = st;
    db->options = *options;
    db->memory = strcmp(path, ":memory:") == 0;
    db->turn.run = turn_hook;
    db->inliner.owner = db;
    db->refs = 1;
    db->next = st->databases;
    st->databases = db;
    return db;
}

static void free_jobs(struct database *db)
{
    while (db->newest)
        job_free(db->newest);
}

void database_unref(struct database *db)
{
    if (--db->refs)
        return;
    free_jobs(db);
    for (int i = 0; i < db->reader_count; i++) {
        worker_free(db->readers[i]);
        free(db->readers[i]);
    }
    worker_free(&db->writer);
    free(db->path);
    free(db);
}

void database_release(struct database *db)
{
    if (db->refs == 2 && !db->closed) // the other is the state's
        database_abandon(db);
    database_unref(db);
}

void database_count(struct database *db, enum count what, unsigned n)
{
    unsigned long long was = atomic_load_explicit(&db->counts[what], memory_order_relaxed);
    atomic_store_explicit(&db->counts[what], was + n, memory_order_relaxed);
}

static void close_inliner(struct database *db)
{
    turn_end(db);
    if (atomic_exchange(&db->ready, 0))
        conn_close(&db->inliner);
}

static void stop_all(struct database *db)
{
    close_inliner(db);
    cursors_close(db, 1);
    for (int i = 0; i < db->reader_count; i++)
        worker_stop(db->readers[i]);
    worker_stop(&db->writer);
    close_inliner(db); // opened while the writer was ending
}

void database_stop(struct database *db)
{
    if (!db->closed || db->abandoned)
        stop_all(db);
    db->closed = 1;
    db->abandoned = 0;
}

/* A reader closes its connection when it has done what it was given. */
static void close_reader(struct worker *k)
{
    struct job *job = job_new(k->db, JOB_CLOSE, 0, "", 0);
    atomic_fetch_add(&k->db->closers, 1);
    if (job && worker_submit(k, job) == 0)
        return;
    atomic_fetch_sub(&k->db->closers, 1); // then it is closed with the host
    if (job)
        job_free(job);
}

void database_closing(struct database *db, struct tusk_wait *closer)
{
    db->closing = 1;
    db->closer = closer;
    atomic_store(&db->closers, 1); // the writer
    close_inliner(db);
    cursors_close(db, 0);
    for (int i = 0; i < db->reader_count; i++)
        close_reader(db->readers[i]);
}

void database_abandon(struct database *db)
{
    db->closing = db->closed = db->abandoned = 1;
    close_inliner(db); // never the last: closing that one puts the log into the file
    spares_close(db);
    for (int i = 0; i < db->reader_count; i++)
        worker_end(db->readers[i]);
    worker_end(&db->writer);
}

static int has_ended(struct database *db)
{
    int ended = worker_ended(&db->writer);
    for (int i = 0; i < db->reader_count; i++)
        ended = ended && worker_ended(db->readers[i]);
    return ended;
}

void database_reap(struct state *st)
{
    for (struct database **at = &st->databases, *db; (db = *at);) {
        int over =
            db->refs == 1 && db->closed && !db->turn.queued && (!db->abandoned || has_ended(db));
        if (!over) {
            at = &db->next;
            continue;
        }
        *at = db->next;
        database_stop(db);
        database_unref(db);
    }
}

static struct worker *reader_new(struct database *db)
{
    struct worker *k = calloc(1, sizeof *k);
    if (!k || worker_init(k, db, CONN_READER)) {
        free(k);
        return NULL;
    }
    db->readers[db->reader_count++] = k;
    return k;
}

static int is_idle(struct worker *k)
{
    uv_mutex_lock(&k->mutex);
    int idle = !k->started || (k->idle && !k->head);
    uv_mutex_unlock(&k->mutex);
    return idle;
}

struct worker *database_reader(struct database *db)
{
    if (db->closing)
        return NULL;
    for (int i = 0; i < db->reader_count; i++)
        if (is_idle(db->readers[i]))
            return db->readers[i];
    if (db->reader_count < db->options.readers) {
        struct worker *k = reader_new(db);
        if (k)
            return k;
    }
    if (!db->reader_count)
        return NULL;
    return db->readers[db->reader_turn++ % db->reader_count];
}

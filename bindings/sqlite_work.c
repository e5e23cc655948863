/* sqlite_work.c: what a thread does for a job. No Lua here. */
#include <string.h>

#include "sqlite_cursor.h"

static int fail(struct job *job, struct conn *c)
{
    failure_move(&job->failure, &c->failure);
    return -1;
}

/* ---- one statement ---- */

static int keep_row(struct job *job, struct stmt *s)
{
    if (job->mode == MODE_EXEC || (job->mode != MODE_QUERY && job->row_count))
        return 0;
    int columns = job->mode == MODE_VALUE ? 1 : sqlite3_column_count(s->handle);
    if (!job->row_count && row_keep_names(job, s->handle, columns))
        return -1;
    return row_keep(job, s->handle, columns);
}

static int enough(const struct job *job, const struct stmt *s)
{
    return s->readonly && job->row_count && job->mode != MODE_QUERY;
}

static int step_all(struct conn *c, struct job *job, struct stmt *s)
{
    c->deaf = 0;
    int code = stmt_start(s);
    while (code == SQLITE_ROW) {
        if (keep_row(job, s)) {
            sqlite3_reset(s->handle);
            return conn_failed(c, SQLITE_NOMEM);
        }
        code = enough(job, s) ? SQLITE_DONE : sqlite3_step(s->handle);
    }
    sqlite3_reset(s->handle);
    return code == SQLITE_DONE ? 0 : conn_failed(c, code);
}

static int run_statement(struct conn *c, struct job *job, struct stmt *s)
{
    if (!s->handle)
        return failure_set(&c->failure, FAIL_ARGUMENT, "the statement is empty");
    sqlite3_set_last_insert_rowid(c->db, 0);
    int64_t before = sqlite3_total_changes64(c->db);
    c->internal = s->vacuum; // VACUUM attaches a file of its own
    int failed = step_all(c, job, s);
    c->internal = 0;
    if (failed)
        return -1;
    job->changes += sqlite3_total_changes64(c->db) != before ? sqlite3_changes64(c->db) : 0;
    int64_t id = sqlite3_last_insert_rowid(c->db);
    job->last_id = id ? id : job->last_id;
    job->ddl |= s->ddl;
    return 0;
}

/* ---- several, all or none ---- */

static int begin_all(struct conn *c, const struct job *job)
{
    return conn_control(c, job->lease ? "SAVEPOINT tusk_all" : "BEGIN IMMEDIATE");
}

/* An interrupt that comes between two steps hits the statement after them; there is only one. */
static int insist(struct conn *c, const char *sql)
{
    int code = conn_control(c, sql);
    for (int tries = 0; tries < 2 && (code & 0xff) == SQLITE_INTERRUPT; tries++)
        code = conn_control(c, sql);
    return code;
}

static void undo_all(struct conn *c, const struct job *job)
{
    struct failure kept = {0};
    failure_move(&kept, &c->failure);
    int open = !sqlite3_get_autocommit(c->db);
    if (open && (!job->lease || insist(c, "ROLLBACK TO tusk_all") || insist(c, "RELEASE tusk_all")))
        insist(c, "ROLLBACK");
    failure_move(&c->failure, &kept);
}

static int end_all(struct conn *c, const struct job *job, int failed)
{
    if (!failed && conn_control(c, job->lease ? "RELEASE tusk_all" : "COMMIT") == 0)
        return 0;
    undo_all(c, job);
    return -1;
}

static int run_prepared(struct conn *c, struct job *job, sqlite3_stmt *handle)
{
    struct stmt s = {.handle = handle, .ddl = c->ddl};
    if (sqlite3_bind_parameter_count(handle))
        return failure_set(&c->failure, FAIL_ARGUMENT, "several statements cannot have parameters");
    return run_statement(c, job, &s);
}

static int line_of(const struct job *job, const char *at)
{
    int line = 1;
    for (const char *p = job->sql; p < at; p++)
        line += *p == '\n';
    return line;
}

/* Runs the statements of a script one after the other, each prepared when its turn has come. */
static int run_each(struct conn *c, struct job *job)
{
    const char *p = job->sql, *end = job->sql + job->length;
    while (p < end) {
        sqlite3_stmt *handle = NULL;
        const char *start = p = stmt_skip_blank(p, end);
        c->ddl = 0;
        c->refusal = NULL;
        int code = sqlite3_prepare_v2(c->db, p, (int)(end - p) + 1, &handle, &p);
        if (code)
            return stmt_failed_at(c, code, job->sql, start);
        if (!handle)
            continue;
        int failed = run_prepared(c, job, handle);
        sqlite3_finalize(handle);
        if (failed) {
            c->failure.line = line_of(job, start);
            return -1;
        }
    }
    return 0;
}

static int run_script(struct conn *c, struct job *job)
{
    return begin_all(c, job) ? -1 : end_all(c, job, run_each(c, job));
}

static int run_sql(struct conn *c, struct job *job)
{
    struct stmt *s = stmt_get(c, job->sql, job->length);
    if (!s)
        return -1;
    if (s->more) {
        if (job->mode == MODE_EXEC && !job->count && !job->named)
            return run_script(c, job);
        return failure_set(&c->failure, FAIL_ARGUMENT, "one statement at a time");
    }
    if (!s->handle && job->mode == MODE_EXEC)
        return 0;
    if (s->handle && stmt_bind(c, s, job->values, job->count, job->named))
        return -1;
    return run_statement(c, job, s);
}

static int run_rows(struct conn *c, struct job *job, struct stmt *s)
{
    for (int i = 0; i < job->repeat; i++)
        if (stmt_bind(c, s, job->values + (size_t)i * (size_t)job->params, job->params, 0) ||
            run_statement(c, job, s))
            return -1;
    return 0;
}

/* One statement for many rows of values. */
static int run_many(struct conn *c, struct job *job)
{
    struct stmt *s = stmt_get(c, job->sql, job->length);
    if (!s || begin_all(c, job))
        return -1;
    return end_all(c, job, run_rows(c, job, s));
}

/* ---- transactions ---- */

static int run_end(struct conn *c, struct job *job)
{
    int open = !sqlite3_get_autocommit(c->db);
    if (open && conn_control(c, job->kind == JOB_COMMIT ? "COMMIT" : "ROLLBACK")) {
        if (job->kind == JOB_COMMIT)
            return -1; // still open: whoever began it rolls back
        conn_close(c); // nothing else can be done; the next job opens it again
    }
    job->ended = 1;
    return 0;
}

/* Between transactions only: within one a PRAGMA for it has no effect. */
static void set_foreign_keys(struct conn *c, int on)
{
    sqlite3_db_config(c->db, SQLITE_DBCONFIG_ENABLE_FKEY, on, NULL);
    c->loose = !on;
}

static int run_begin(struct conn *c, struct job *job)
{
    if (job->loose)
        set_foreign_keys(c, 0);
    if (conn_control(c, job->sql)) {
        job->ended = 1;
        return -1;
    }
    return 0;
}

/* A statement of a transaction that has ended, or that SQLite has undone, must not run outside it.
 */
static int is_too_late(struct worker *k, const struct job *job)
{
    struct conn *c = &k->conn;
    if (!job->lease || job->kind == JOB_BEGIN)
        return 0;
    if (job->lease != k->lease) // only this thread changes it
        return failure_set(&c->failure, FAIL_CLOSED, "the transaction has ended");
    if (job->kind == JOB_ROLLBACK || !sqlite3_get_autocommit(c->db))
        return 0;
    return failure_set(&c->failure, FAIL_ABORTED,
                       "the transaction was rolled back by an earlier failure or interruption");
}

static int run_kind(struct conn *c, struct job *job)
{
    switch (job->kind) {
    case JOB_RUN:
        return run_sql(c, job);
    case JOB_MANY:
        return run_many(c, job);
    case JOB_BEGIN:
        return run_begin(c, job);
    case JOB_CONTROL:
        return conn_control(c, job->sql) ? -1 : 0;
    case JOB_COMMIT:
    case JOB_ROLLBACK:
        return run_end(c, job);
    default:
        conn_close(c);
        return 0;
    }
}

/* ---- the connection ---- */

/* Opens the loop thread's connection for it, the schema read; without one all reads use threads. */
static void open_inliner(struct database *db)
{
    if (db->memory || atomic_load(&db->ready))
        return;
    if (conn_open(&db->inliner, db, CONN_INLINE))
        return;
    db->inliner.on_loop = db->inliner.nowait = 1; // from here on
    atomic_store_explicit(&db->ready, 1, memory_order_release);
}

int work_open(struct worker *k)
{
    struct conn *c = &k->conn;
    if (c->db)
        return 0;
    if (conn_open(c, k->db, k->role))
        return -1;
    if (k->role == CONN_WRITER)
        open_inliner(k->db);
    return 0;
}

void work_ready(struct conn *c)
{
    c->on_loop = c->nowait = 0;
    c->limit = 0;
    if (c->db)
        sqlite3_limit(c->db, SQLITE_LIMIT_LENGTH, INT32_MAX);
}

/* Nothing is left of a run before this one. */
static void forget(struct job *job)
{
    struct failure none = {0};
    failure_move(&job->failure, &none);
    job->taken = job->rows.size = job->names.size = job->row_count = 0;
    job->columns = 0;
    job->changes = job->last_id = 0;
    job->ddl = 0;
}

/* One that was cancelled while it stood in line behind others. */
static int is_cancelled(struct conn *c, struct job *job)
{
    return job->kind == JOB_RUN && atomic_load(&job->cancelled)
               ? failure_set(&c->failure, SQLITE_INTERRUPT, "interrupted")
               : 0;
}

void work_statement(struct conn *c, struct job *job)
{
    c->job = job;
    forget(job);
    if (is_cancelled(c, job) || run_sql(c, job)) {
        fail(job, c);
        job->row_count = 0;
    }
    c->job = NULL;
}

/* How long statements of a transaction have run on the thread: told when it ends. */
static void account(struct worker *k, struct job *job, uint64_t began)
{
    if (job->kind == JOB_BEGIN)
        k->lease_busy = 0;
    else if (job->lease)
        k->lease_busy += uv_hrtime() - began;
    if (job->kind == JOB_COMMIT || job->kind == JOB_ROLLBACK)
        job->changes = (int64_t)k->lease_busy;
}

void work_run(struct worker *k, struct job *job)
{
    struct conn *c = &k->conn;
    if (job->kind == JOB_FILL) {
        cursor_run(k, job);
        return;
    }
    if (c->cursors)
        cursors_settle(k, job);
    uint64_t began = uv_hrtime();
    c->job = job;
    work_ready(c);
    forget(job);
    int reads = k->role == CONN_READER;
    if (reads)
        atomic_fetch_add(&k->db->reading, 1);
    if ((job->kind != JOB_CLOSE && work_open(k)) || is_cancelled(c, job) || is_too_late(k, job) ||
        run_kind(c, job)) {
        fail(job, c);
        job->row_count = 0;
    }
    if (reads)
        atomic_fetch_sub(&k->db->reading, 1);
    job->spent = uv_hrtime() - began;
    if (job->failure.code && job->kind == JOB_BEGIN)
        job->ended = 1;
    if (k->role == CONN_WRITER && (!job->lease || job->ended))
        atomic_fetch_add_explicit(&k->db->epoch, 1, memory_order_release);
    if (job->ended && c->loose && c->db)
        set_foreign_keys(c, 1);
    account(k, job, began);
    c->job = NULL;
}

/*
 * sqlite_group.c: writes of many tasks in one transaction.
 *
 * Most statements that fail undo what they did, so none needs a savepoint. One whose failure may
 * leave something behind, or undoes the whole transaction, or would make the commit fail, is left
 * out: those before it are done again and committed, it runs alone, those after it form the next
 * group. So every answer is what it would have been had each run by itself, in the order they came.
 */
#include "sqlite.h"
#include "sqlite_fast.h"

/* ---- which share ---- */

/* Failing to prepare is the job's own affair: it is told when it runs alone. */
static int may_share(struct worker *k, struct job *job)
{
    if (work_open(k))
        return 0;
    struct stmt *s = stmt_get(&k->conn, job->sql, job->length);
    return s && s->handle && s->shares && !s->more;
}

struct job *group_split(struct worker *k, struct job *jobs)
{
    struct job *last = jobs, *rest;
    if (jobs->next && may_share(k, jobs))
        while (last->next && may_share(k, last->next))
            last = last->next;
    rest = last->next;
    last->next = NULL;
    return rest;
}

/* ---- one transaction ---- */

static void undo(struct conn *c)
{
    struct failure why = {0};
    failure_move(&why, &c->failure);
    if (!sqlite3_get_autocommit(c->db) && conn_control(c, "ROLLBACK"))
        conn_close(c); // nothing else can be done; what comes next opens it again
    failure_move(&c->failure, &why);
}

/* Those that did not fail by themselves fail with the connection. */
static void fail_all(struct conn *c, struct job *jobs)
{
    for (struct job *job = jobs; job; job = job->next) {
        if (!job->failure.code)
            failure_set(&job->failure, c->failure.code, "%s", c->failure.message);
        job->row_count = 0;
    }
}

/*
 * Whether the failure is one after which SQLite has undone just the statement, or kept what FAIL
 * keeps. It is for the constraints that a statement's own code checks; a value of the wrong type in
 * a STRICT table, or a function that fails, leaves the rows before it in the transaction.
 */
static int is_clean(int code)
{
    switch (code) {
    case 0:
    case SQLITE_CONSTRAINT_CHECK:
    case SQLITE_CONSTRAINT_FOREIGNKEY:
    case SQLITE_CONSTRAINT_NOTNULL:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
    case SQLITE_CONSTRAINT_ROWID:
    case SQLITE_CONSTRAINT_TRIGGER:
    case SQLITE_CONSTRAINT_UNIQUE:
    case FAIL_ARGUMENT: // of the wrong number: it has not begun
        return 1;
    default:
        return 0;
    }
}

static int leaves_foreign_keys(struct conn *c)
{
    int open = 0, highest;
    sqlite3_db_status(c->db, SQLITE_DBSTATUS_DEFERRED_FKS, &open, &highest, 0);
    return open;
}

/* 0, or -1 when it cannot stay in the transaction. */
static int run_in_group(struct worker *k, struct job *job)
{
    struct conn *c = &k->conn;
    worker_current(k, job);
    work_statement(c, job);
    worker_current(k, NULL);
    if (sqlite3_get_autocommit(c->db) || leaves_foreign_keys(c))
        return -1;
    return is_clean(job->failure.code) || atomic_load(&job->cancelled) ? 0 : -1;
}

static int begin(struct worker *k, struct job *jobs)
{
    if (work_open(k))
        return -1;
    k->conn.group = jobs;
    int failed = conn_control(&k->conn, "BEGIN IMMEDIATE");
    k->conn.group = NULL;
    return failed ? -1 : 0;
}

enum outcome { DONE, SPLIT, SINGLY, UNBEGUN };

/* All in one transaction. DONE: they have their answers. SPLIT: not with *odd among them. */
static enum outcome try_all(struct worker *k, struct job *jobs, struct job **odd)
{
    struct conn *c = &k->conn;
    if (begin(k, jobs))
        return UNBEGUN;
    for (*odd = jobs; *odd; *odd = (*odd)->next)
        if (run_in_group(k, *odd)) {
            undo(c);
            return SPLIT;
        }
    int code = conn_control(c, "COMMIT");
    if (code == 0)
        return DONE;
    undo(c);
    if ((code & 0xff) == SQLITE_FULL) // what is too much for all may be enough for some
        return SINGLY;
    fail_all(c, jobs);
    return DONE;
}

/* ---- answers ---- */

static void answer(struct worker *k, struct job *jobs)
{
    atomic_fetch_add_explicit(&k->db->epoch, 1, memory_order_release);
    for (struct job *next; jobs; jobs = next) {
        next = jobs->next; // from its answer on a job is the loop's
        worker_answer(k, jobs);
    }
}

static void run_alone(struct worker *k, struct job *job)
{
    worker_current(k, job);
    if (work_open(k))
        failure_move(&job->failure, &k->conn.failure);
    else
        work_statement(&k->conn, job);
    worker_current(k, NULL);
    job->next = NULL;
    answer(k, job);
}

/* The lock was not had. Those whose tasks have been cancelled wait no longer; returns the others.
 */
static struct job *answer_cancelled(struct worker *k, struct job *jobs)
{
    struct job *kept = NULL, **tail = &kept;
    for (struct job *next, *job = jobs; job; job = next) {
        next = job->next;
        if (!atomic_load(&job->cancelled)) {
            *tail = job;
            tail = &job->next;
            continue;
        }
        failure_set(&job->failure, SQLITE_INTERRUPT, "interrupted");
        job->next = NULL;
        answer(k, job);
    }
    *tail = NULL;
    return kept;
}

static int any_cancelled(const struct job *jobs)
{
    while (jobs && !atomic_load(&jobs->cancelled))
        jobs = jobs->next;
    return jobs != NULL;
}

/* -> those that are still to be done */
static struct job *begin_failed(struct worker *k, struct job *jobs)
{
    if ((k->conn.failure.code & 0xff) == SQLITE_BUSY && any_cancelled(jobs))
        return answer_cancelled(k, jobs);
    fail_all(&k->conn, jobs);
    answer(k, jobs);
    return NULL;
}

static void cut_before(struct job **jobs, struct job *at)
{
    while (*jobs != at)
        jobs = &(*jobs)->next;
    *jobs = NULL;
}

static void run_singly(struct worker *k, struct job *jobs)
{
    for (struct job *next; jobs; jobs = next) {
        next = jobs->next;
        run_alone(k, jobs);
    }
}

/* Runs those before the odd one, without it, then that one; returns those after it. */
static struct job *split(struct worker *k, struct job *jobs, struct job *odd)
{
    struct job *after = odd->next;
    cut_before(&jobs, odd);
    database_count(k->db, COUNT_AGAIN, 1);
    if (jobs)
        group_run(k, jobs);
    run_alone(k, odd);
    return after;
}

void group_run(struct worker *k, struct job *jobs)
{
    struct job *odd = NULL;
    work_ready(&k->conn);
    while (jobs && jobs->next) {
        enum outcome came_to = try_all(k, jobs, &odd);
        if (came_to == DONE) {
            database_count(k->db, COUNT_GROUPS, 1);
            for (const struct job *job = jobs; job; job = job->next)
                database_count(k->db, COUNT_GROUPED, 1);
            answer(k, jobs);
            return;
        }
        if (came_to == SINGLY)
            break;
        jobs = came_to == SPLIT ? split(k, jobs, odd) : begin_failed(k, jobs);
    }
    run_singly(k, jobs);
}

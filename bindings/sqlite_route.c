/*
 * sqlite_route.c: which statements begin on the loop thread. A plan that visits whole tables begins
 * on a thread, since a step of it may take any time; when it proves quick several times in a row it
 * is tried inline, and goes back when it is not quick there. One that was stopped by the budget
 * goes to the threads too, until it has become quick.
 */
#include <string.h>

#include "sqlite.h"
#include "sqlite_fast.h"

#define QUICK_NS   50000
#define QUICK_RUNS 5 /* on a thread, in a row */
#define SLOW_RUNS  3 /* on the loop thread */
#define RETRY_RUNS 16

int route_is_shut(struct database *db)
{
    // behind a transaction a read would wait for its task, and perhaps its task for the read
    return !db->wal && !db->memory && db->writing > 0 && !worker_in_transaction(&db->writer);
}

void route_note(struct job *job, const struct stmt *s)
{
    if (job->lease || (s && s->readonly))
        return;
    job->writes = 1;
    job->db->writing++;
}

/* Does its program have an operation that visits a whole table, or what a module likes, in one
 * step? */
static int is_blind(struct conn *c, const struct stmt *s)
{
    sqlite3_stmt *program = NULL;
    int blind = 1;
    char *sql = sqlite3_mprintf("EXPLAIN %s", s->sql);
    if (sql && sqlite3_prepare_v2(c->db, sql, -1, &program, NULL) == SQLITE_OK)
        blind = 0;
    while (!blind && sqlite3_step(program) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(program, 1);
        blind = !name || strcmp(name, "Count") == 0 || strcmp(name, "VFilter") == 0;
    }
    sqlite3_finalize(program);
    sqlite3_free(sql);
    return blind;
}

/* On the writer's connection nobody learns: what was stopped is tried again now and then. */
int route_needs_thread(struct conn *c, struct stmt *s)
{
    if (!s->on_thread || s->scans || c == &c->owner->inliner)
        return s->on_thread;
    if (++s->quick < RETRY_RUNS)
        return 1;
    s->quick = s->on_thread = 0;
    return 0;
}

void route_learn(struct job *job)
{
    struct database *db = job->db;
    struct conn *c = &db->inliner;
    if (job->kind != JOB_RUN || job->lease || !atomic_load(&db->ready))
        return;
    struct stmt *s = stmt_known(c, job->sql, job->length);
    if (!s || !s->on_thread || s->blind || !s->readonly)
        return;
    s->quick = job->spent < QUICK_NS ? s->quick + 1 : 0;
    if (s->quick < QUICK_RUNS)
        return;
    s->quick = s->slow = 0;
    s->blind = (uint8_t)(s->scans && is_blind(c, s));
    s->on_thread = s->blind;
}

void route_judge(struct stmt *s, uint64_t spent)
{
    if (spent && spent < QUICK_NS) {
        s->slow = 0;
        return;
    }
    if (spent && ++s->slow < SLOW_RUNS)
        return;
    s->on_thread = 1;
    s->quick = 0;
}

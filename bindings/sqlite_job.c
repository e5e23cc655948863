/* sqlite_job.c: pieces of work for a thread, with copies of all they need. */
#include <stdlib.h>
#include <string.h>

#include "sqlite.h"

struct job *job_new(struct database *db, enum job_kind kind, uint64_t lease, const char *sql,
                    size_t length)
{
    struct job *job = calloc(1, sizeof *job + length + 1);
    if (!job)
        return NULL;
    job->db = db;
    job->kind = (uint8_t)kind;
    job->lease = lease;
    job->sql = (char *)(job + 1);
    if (length)
        memcpy(job->sql, sql, length);
    job->length = length;
    return job;
}

int job_reserve(struct job *job, int count, size_t bytes)
{
    job->values = malloc((size_t)count * sizeof *job->values + bytes + 1);
    if (!job->values)
        return -1;
    job->count = count;
    return 0;
}

static const char *copy(struct job *job, const char *p, size_t n)
{
    char *to = (char *)(job->values + job->count) + job->taken;
    memcpy(to, p, n);
    job->taken += n;
    return to;
}

void job_set(struct job *job, int i, const struct value *v)
{
    struct value *to = &job->values[i];
    *to = *v;
    if (v->type == SQLITE_TEXT || v->type == SQLITE_BLOB)
        to->bytes = v->length ? copy(job, v->bytes, v->length) : "";
    if (v->name)
        to->name = copy(job, v->name, strlen(v->name) + 1);
}

void job_track(struct job *job)
{
    job->older = job->db->newest;
    if (job->older)
        job->older->newer = job;
    job->db->newest = job;
    job->tracked = 1;
}

static void untrack(struct job *job)
{
    if (job->newer)
        job->newer->older = job->older;
    else
        job->db->newest = job->older;
    if (job->older)
        job->older->newer = job->newer;
}

void job_free(struct job *job)
{
    if (job->tracked)
        untrack(job);
    if (job->writes)
        job->db->writing--;
    free(job->values);
    free(job->rows.data);
    free(job->names.data);
    free(job->failure.names);
    free(job);
}

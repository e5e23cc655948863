/* sqlite_stmt.c: statements, prepared once per connection; what their plans promise; their
 * parameters. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "sqlite.h"

#define CACHE_MAX 256

/* ---- the cache ---- */

static uint32_t hash_text(const char *p, size_t n)
{
    uint64_t h = n * 0x9e3779b97f4a7c15u, word;
    for (; n >= 8; p += 8, n -= 8) {
        memcpy(&word, p, 8);
        h = (h ^ word) * 0x9e3779b97f4a7c15u;
        h ^= h >> 32;
    }
    word = 0;
    memcpy(&word, p, n);
    h = (h ^ word) * 0x9e3779b97f4a7c15u;
    return (uint32_t)(h >> 32);
}

static void unlink_age(struct cache *k, struct stmt *s)
{
    *(s->newer ? &s->newer->older : &k->newest) = s->older;
    *(s->older ? &s->older->newer : &k->oldest) = s->newer;
}

static void link_newest(struct cache *k, struct stmt *s)
{
    s->newer = NULL;
    s->older = k->newest;
    *(k->newest ? &k->newest->newer : &k->oldest) = s;
    k->newest = s;
}

static int is_same(const struct stmt *s, uint32_t hash, const char *sql, size_t length,
                   int internal)
{
    return s->hash == hash && s->length == length && s->internal == internal &&
           memcmp(s->sql, sql, length) == 0;
}

static struct stmt *cache_find(struct cache *k, uint32_t hash, const char *sql, size_t length,
                               int internal)
{
    struct stmt *s = k->buckets[hash & 255];
    while (s && !is_same(s, hash, sql, length, internal))
        s = s->chain;
    if (s && s != k->newest) {
        unlink_age(k, s);
        link_newest(k, s);
    }
    return s;
}

void stmt_free(struct stmt *s)
{
    sqlite3_finalize(s->handle);
    free(s->sql);
    free(s);
}

static void cache_drop(struct cache *k, struct stmt *s)
{
    struct stmt **at = &k->buckets[s->hash & 255];
    while (*at != s)
        at = &(*at)->chain;
    *at = s->chain;
    unlink_age(k, s);
    k->count--;
    stmt_free(s);
}

static void cache_add(struct cache *k, struct stmt *s)
{
    if (k->count >= CACHE_MAX)
        cache_drop(k, k->oldest);
    s->chain = k->buckets[s->hash & 255];
    k->buckets[s->hash & 255] = s;
    link_newest(k, s);
    k->count++;
}

void cache_clear(struct cache *k)
{
    while (k->oldest)
        cache_drop(k, k->oldest);
}

/* ---- preparing ---- */

const char *stmt_skip_blank(const char *p, const char *end)
{
    while (p < end) {
        if (isspace((unsigned char)*p) || *p == ';') {
            p++;
        } else if (end - p > 1 && p[0] == '-' && p[1] == '-') {
            const char *line = memchr(p, '\n', (size_t)(end - p));
            p = line ? line + 1 : end;
        } else if (end - p > 1 && p[0] == '/' && p[1] == '*') {
            const char *close = memmem(p + 2, (size_t)(end - p - 2), "*/", 2);
            p = close ? close + 2 : end;
        } else {
            return p;
        }
    }
    return end;
}

/* One line of a query plan: how much may it visit? */
static void judge_step(struct stmt *s, const char *step)
{
    if (step && strstr(step, "(rowid=?)"))
        return;
    s->by_key = 0;
    // a step of a trigger may have no text
    if (step && strncmp(step, "SCAN ", 5) == 0 && !strstr(step, "CONSTANT ROW"))
        s->scans = 1;
}

static void judge_plan(struct conn *c, struct stmt *s)
{
    s->by_key = 1;
    char *sql = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", s->sql);
    sqlite3_stmt *plan = NULL;
    if (!sql || sqlite3_prepare_v2(c->db, sql, -1, &plan, NULL))
        s->by_key = 0, s->scans = 1;
    while (plan && sqlite3_step(plan) == SQLITE_ROW)
        judge_step(s, (const char *)sqlite3_column_text(plan, 3));
    sqlite3_finalize(plan);
    sqlite3_free(sql);
}

static void judge(struct conn *c, struct stmt *s)
{
    s->scans = s->stale = 0;
    if (s->internal)
        return;
    if (sqlite3_stmt_isexplain(s->handle) || s->ddl || s->vacuum || s->blind)
        s->scans = 1;
    else
        judge_plan(c, s);
    s->on_thread = s->scans;
}

static void describe(struct conn *c, struct stmt *s)
{
    s->internal = c->internal;
    s->params = sqlite3_bind_parameter_count(s->handle);
    s->readonly = (uint8_t)sqlite3_stmt_readonly(s->handle);
    s->ddl = c->ddl;
    const char *text = stmt_skip_blank(s->sql, s->sql + s->length);
    int pragma = sqlite3_strnicmp(text, "pragma", 6) == 0;
    s->vacuum = sqlite3_strnicmp(text, "vacuum", 6) == 0;
    s->shares = !s->readonly && !s->ddl && !s->vacuum && !pragma;
    s->blind = (uint8_t)(sqlite3_stmt_isexplain(s->handle) || pragma);
    if (pragma) // says it changes nothing, and has no plan to judge
        s->readonly = 0;
    judge(c, s);
}

static struct stmt *stmt_alloc(const char *sql, size_t length, uint32_t hash)
{
    struct stmt *s = calloc(1, sizeof *s);
    if (!s || !(s->sql = malloc(length + 1))) {
        free(s);
        return NULL;
    }
    memcpy(s->sql, sql, length);
    s->sql[length] = 0;
    s->length = length;
    s->hash = hash;
    return s;
}

int stmt_failed_at(struct conn *c, int code, const char *text, const char *statement)
{
    int line = 1, offset = sqlite3_error_offset(c->db);
    const char *at = offset < 0 ? statement : statement + offset;
    conn_failed(c, code);
    for (const char *p = text; p < at; p++)
        line += *p == '\n';
    c->failure.line = line;
    return -1;
}

static int prepare(struct conn *c, struct stmt *s)
{
    const char *tail = NULL, *end = s->sql + s->length;
    c->ddl = 0;
    c->refusal = NULL;
    if (memchr(s->sql, 0, s->length))
        return failure_set(&c->failure, FAIL_ARGUMENT, "the statement contains a zero byte");
    // preparing looks at the schema as it was, and a plan without an index that is new visits all
    if (!c->internal)
        sqlite3_exec(c->db, "SELECT 1 FROM sqlite_schema LIMIT 0", NULL, NULL, NULL);
    int code = sqlite3_prepare_v3(c->db, s->sql, (int)s->length + 1, SQLITE_PREPARE_PERSISTENT,
                                  &s->handle, &tail);
    if (code)
        return stmt_failed_at(c, code, s->sql, s->sql);
    s->more = stmt_skip_blank(tail, end) < end;
    if (s->handle)
        describe(c, s);
    return 0;
}

static struct stmt *make(struct conn *c, const char *sql, size_t length, uint32_t hash)
{
    struct stmt *s = length > INT32_MAX ? NULL : stmt_alloc(sql, length, hash);
    if (!s) {
        conn_failed(c, SQLITE_NOMEM);
        return NULL;
    }
    if (prepare(c, s) == 0)
        return s;
    stmt_free(s);
    return NULL;
}

struct stmt *stmt_new(struct conn *c, const char *sql, size_t length)
{
    return make(c, sql, length, 0);
}

/* What was stepped through on the loop and left by an error, for want of memory for its rows. */
static void settle(struct conn *c)
{
    if (c->stepping)
        sqlite3_reset(c->stepping);
    c->stepping = NULL;
}

struct stmt *stmt_known(struct conn *c, const char *sql, size_t length)
{
    settle(c);
    return cache_find(&c->cache, hash_text(sql, length), sql, length, 0);
}

struct stmt *stmt_get(struct conn *c, const char *sql, size_t length)
{
    settle(c);
    uint32_t hash = hash_text(sql, length);
    struct stmt *s = cache_find(&c->cache, hash, sql, length, c->internal);
    if (s && s->stale)
        judge(c, s);
    if (s)
        return s;
    s = make(c, sql, length, hash);
    if (s)
        cache_add(&c->cache, s);
    return s;
}

int stmt_start(struct stmt *s)
{
    int code = sqlite3_step(s->handle);
    int n = sqlite3_stmt_status(s->handle, SQLITE_STMTSTATUS_REPREPARE, 0);
    if (n != s->reprepared) { // the schema changed: so may have the columns
        s->reprepared = n;
        s->shape.ref = 0;
        s->stale = 1; // and the plan
    }
    return code;
}

/* ---- parameters ---- */

int stmt_expect(struct conn *c, struct stmt *s, int count)
{
    if (count == s->params)
        return 0;
    const char *name = s->params ? sqlite3_bind_parameter_name(s->handle, 1) : NULL;
    if (name && name[0] != '?')
        return failure_set(&c->failure, FAIL_ARGUMENT,
                           "the statement's parameters have names (%s …): pass them as one table",
                           name);
    return failure_set(&c->failure, FAIL_ARGUMENT, "the statement has %d parameter%s, %d given",
                       s->params, s->params == 1 ? "" : "s", count);
}

int stmt_expect_names(struct conn *c, struct stmt *s)
{
    sqlite3_clear_bindings(s->handle);
    for (int i = 1; i <= s->params; i++) {
        const char *name = sqlite3_bind_parameter_name(s->handle, i);
        if (!name || name[0] == '?')
            return failure_set(&c->failure, FAIL_ARGUMENT,
                               "parameter %d of the statement has no name: pass values one by one",
                               i);
    }
    return 0;
}

int stmt_bind_one(struct stmt *s, int i, const struct value *v)
{
    switch (v->type) {
    case SQLITE_INTEGER:
        return sqlite3_bind_int64(s->handle, i, v->integer);
    case SQLITE_FLOAT:
        return sqlite3_bind_double(s->handle, i, v->number);
    case SQLITE_TEXT:
        return sqlite3_bind_text64(s->handle, i, v->bytes, v->length, SQLITE_STATIC, SQLITE_UTF8);
    case SQLITE_BLOB:
        return sqlite3_bind_blob64(s->handle, i, v->bytes, v->length, SQLITE_STATIC);
    default:
        return sqlite3_bind_null(s->handle, i);
    }
}

/* Binds v to ":name", "@name" and "$name"; how many there are, or -1. */
int stmt_bind_name(struct conn *c, struct stmt *s, const char *name, const struct value *v)
{
    char full[256];
    size_t n = strlen(name);
    int found = 0;
    if (n + 2 <= sizeof full)
        memcpy(full + 1, name, n + 1);
    for (const char *sigil = ":@$"; *sigil && n + 2 <= sizeof full; sigil++) {
        full[0] = *sigil;
        int at = sqlite3_bind_parameter_index(s->handle, full);
        int code = at ? stmt_bind_one(s, at, v) : 0;
        if (code)
            return conn_failed(c, code);
        found += at > 0;
    }
    if (found)
        return found;
    return failure_set(&c->failure, FAIL_ARGUMENT, "the statement has no parameter \":%s\"", name);
}

int stmt_bind(struct conn *c, struct stmt *s, const struct value *values, int count, int named)
{
    if (named) {
        if (stmt_expect_names(c, s))
            return -1;
        for (int i = 0; i < count; i++)
            if (stmt_bind_name(c, s, values[i].name, &values[i]) < 0)
                return -1;
        return 0;
    }
    if (stmt_expect(c, s, count))
        return -1;
    for (int i = 0; i < count; i++) {
        int code = stmt_bind_one(s, i + 1, &values[i]);
        if (code)
            return conn_failed(c, code);
    }
    return 0;
}

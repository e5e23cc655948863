/* sqlite_conn.c: a connection: how it is opened, what it refuses, how it waits, what went wrong. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "sqlite_cursor.h"
#include "sqlite_fast.h"

#define PROGRESS_STEPS    100
#define INLINE_CACHE_KIB  (16 * 1024)
#define BUSY_SLEEP_MAX_NS 10000000L

/* ---- failures ---- */

int failure_set(struct failure *f, int code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(f->message, sizeof f->message, fmt, args);
    va_end(args);
    f->code = code;
    f->line = 0;
    free(f->names);
    f->names = NULL;
    return -1;
}

void failure_move(struct failure *to, struct failure *from)
{
    free(to->names);
    *to = *from;
    from->code = 0;
    from->names = NULL;
}

static const char *names_wanted(const char *message)
{
    if (strstr(message, "no such column") || strstr(message, "has no column named"))
        return "SELECT m.name, p.name FROM sqlite_schema m JOIN pragma_table_xinfo(m.name) p "
               "WHERE m.type IN ('table', 'view') ORDER BY m.rowid, p.cid";
    if (strstr(message, "no such table"))
        return "SELECT name, '' FROM sqlite_schema WHERE type IN ('table', 'view') "
               "AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";
    return NULL;
}

/* "table 0x1f column 0x1e ..." of the whole schema; NULL if it cannot be had. */
static char *names_read(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *q = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &q, NULL))
        return NULL;
    sqlite3_str *out = sqlite3_str_new(NULL);
    while (sqlite3_step(q) == SQLITE_ROW && sqlite3_str_length(out) < 1 << 16)
        sqlite3_str_appendf(out, "%s\x1f%s\x1e", sqlite3_column_text(q, 0),
                            sqlite3_column_text(q, 1));
    sqlite3_finalize(q);
    char *text = sqlite3_str_finish(out);
    char *copy = text ? strdup(text) : NULL;
    sqlite3_free(text);
    return copy;
}

int conn_failed(struct conn *c, int code)
{
    struct failure *f = &c->failure;
    if (code == SQLITE_AUTH && c->refusal)
        return failure_set(f, FAIL_REFUSED, "%s", c->refusal);
    if (code == SQLITE_NOMEM || !c->db)
        return failure_set(f, code, "%s", sqlite3_errstr(code));
    failure_set(f, sqlite3_extended_errcode(c->db), "%s", sqlite3_errmsg(c->db));
    if ((f->code & 0xff) != (code & 0xff)) // said by us, not by the last call
        failure_set(f, code, "%s", sqlite3_errstr(code));
    const char *wanted = f->code == SQLITE_ERROR ? names_wanted(f->message) : NULL;
    f->names = wanted ? names_read(c->db, wanted) : NULL;
    return -1;
}

/* ---- callbacks ---- */

/* SQLite asks once more after the last step: what is committed by then must not fail. */
static int on_progress(void *data)
{
    struct conn *c = data;
    if (c->deaf)
        return 0;
    if (c->limit)
        return uv_hrtime() > c->limit;
    if (!c->job)
        return 0;
    if (c->job->kind == JOB_FILL)
        cursor_tick(c->job);
    return atomic_load_explicit(&c->job->cancelled, memory_order_relaxed);
}

static int on_commit(void *data)
{
    struct conn *c = data;
    c->deaf = 1;
    return 0;
}

/* Without a log, a commit waits for reads to end. Those of our own do. */
static int waits_for_reader(const struct conn *c)
{
    return c == &c->owner->writer.conn && !c->owner->wal && atomic_load(&c->owner->reading) > 0;
}

static int is_cancelled(const struct conn *c)
{
    for (const struct job *job = c->group; job; job = job->next)
        if (atomic_load(&job->cancelled))
            return 1;
    return c->job && atomic_load(&c->job->cancelled);
}

/* Another process has the lock: sleep a little, unless cancelled, too late, or on the loop. */
static int on_busy(void *data, int tries)
{
    struct conn *c = data;
    if (c->on_loop || is_cancelled(c))
        return 0;
    uint64_t now = uv_hrtime();
    if (tries == 0 || waits_for_reader(c))
        c->busy_since = now;
    if (now - c->busy_since > c->owner->options.busy_ns)
        return 0;
    long pause = 200000L << (tries < 6 ? tries : 6);
    struct timespec t = {0, pause < BUSY_SLEEP_MAX_NS ? pause : BUSY_SLEEP_MAX_NS};
    nanosleep(&t, NULL);
    return 1;
}

static int pragma_allowed(const char *name)
{
    static const char *const names[] = {
        "application_id",    "auto_vacuum",
        "collation_list",    "compile_options",
        "data_version",      "defer_foreign_keys",
        "foreign_key_check", "foreign_key_list",
        "function_list",     "incremental_vacuum",
        "index_info",        "index_list",
        "index_xinfo",       "integrity_check",
        "optimize",          "quick_check",
        "table_info",        "table_list",
        "table_xinfo",       "user_version",
        "wal_checkpoint",    NULL,
    };
    for (const char *const *n = names; *n; n++)
        if (sqlite3_stricmp(*n, name) == 0)
            return 1;
    return 0;
}

static int refuse(struct conn *c, const char *why)
{
    c->refusal = why;
    return SQLITE_DENY;
}

static int on_authorize(void *data, int action, const char *a, const char *b, const char *schema,
                        const char *trigger)
{
    struct conn *c = data;
    (void)schema, (void)trigger;
    if (c->internal)
        return SQLITE_OK;
    switch (action) {
    case SQLITE_TRANSACTION:
    case SQLITE_SAVEPOINT:
        return refuse(
            c, "transactions are not written in SQL here: use @db.transaction(function(tx) … end)");
    case SQLITE_ATTACH:
    case SQLITE_DETACH:
        return refuse(c, "ATTACH and DETACH are refused: open the other file with @db.open(path)");
    case SQLITE_PRAGMA:
        if (!b || pragma_allowed(a))
            return SQLITE_OK;
        return refuse(
            c, "this PRAGMA would set one of several connections: use the options of @db.open");
    case SQLITE_CREATE_TEMP_TABLE:
    case SQLITE_CREATE_TEMP_VIEW:
    case SQLITE_CREATE_TEMP_TRIGGER:
    case SQLITE_CREATE_TEMP_INDEX:
        if (!c->owner->memory)
            return refuse(
                c, "a temporary table lives on one of several connections: use an ordinary one");
        /* fall through */
    case SQLITE_CREATE_TABLE:
    case SQLITE_CREATE_VIEW:
    case SQLITE_CREATE_VTABLE:
    case SQLITE_DROP_TABLE:
    case SQLITE_DROP_VIEW:
    case SQLITE_DROP_VTABLE:
    case SQLITE_ALTER_TABLE:
    case SQLITE_CREATE_INDEX:
    case SQLITE_DROP_INDEX:
    case SQLITE_CREATE_TRIGGER:
    case SQLITE_DROP_TRIGGER:
    case SQLITE_REINDEX:
    case SQLITE_ANALYZE:
        c->ddl = 1;
        return SQLITE_OK;
    default:
        return SQLITE_OK;
    }
}

/* ---- opening ---- */

int conn_control(struct conn *c, const char *sql)
{
    c->internal = c->deaf = 1;
    struct stmt *s = stmt_get(c, sql, strlen(sql));
    int code = SQLITE_ERROR;
    if (s) {
        sqlite3_step(s->handle);
        code = sqlite3_reset(s->handle);
        if (code)
            conn_failed(c, code);
    }
    c->internal = c->deaf = 0;
    return code;
}

static int configure(struct conn *c, enum conn_role role)
{
    const struct options *o = &c->owner->options;
    char sql[512];
    int64_t kib = role == CONN_INLINE && !o->cache_bytes ? INLINE_CACHE_KIB : o->cache_bytes / 1024;
    int writes = role == CONN_WRITER && !o->readonly;
    const char *journal =
        o->rollback ? "PRAGMA journal_mode=DELETE; " : "PRAGMA journal_mode=WAL; ";
    snprintf(sql, sizeof sql, "%sPRAGMA synchronous=%d; PRAGMA foreign_keys=ON; %s",
             writes && !c->owner->memory ? journal : "", o->synchronous,
             writes ? "" : "PRAGMA query_only=ON; ");
    if (kib)
        snprintf(sql + strlen(sql), sizeof sql - strlen(sql), "PRAGMA cache_size=-%lld; ",
                 (long long)kib);
    if (role == CONN_INLINE) // reads the schema now, on the thread that opens it
        snprintf(sql + strlen(sql), sizeof sql - strlen(sql), "SELECT 1 FROM sqlite_schema; ");
    return sqlite3_exec(c->db, sql, NULL, NULL, NULL);
}

/* It may have one whatever was asked: it cannot be read only and changed, nor on every disk. */
static int has_log(struct conn *c)
{
    sqlite3_stmt *q = NULL;
    int yes = 0;
    if (sqlite3_prepare_v2(c->db, "PRAGMA journal_mode", -1, &q, NULL) == SQLITE_OK &&
        sqlite3_step(q) == SQLITE_ROW)
        yes = sqlite3_stricmp((const char *)sqlite3_column_text(q, 0), "wal") == 0;
    sqlite3_finalize(q);
    return yes;
}

static void harden(sqlite3 *db)
{
    static const struct {
        int what, value;
    } settings[] = {
        {SQLITE_DBCONFIG_DEFENSIVE, 1},   {SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
        {SQLITE_DBCONFIG_DQS_DML, 0},     {SQLITE_DBCONFIG_DQS_DDL, 0},
        {SQLITE_DBCONFIG_TRIGGER_EQP, 1},
    };
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        sqlite3_db_config(db, settings[i].what, settings[i].value, NULL);
}

/* Creates the folder that holds the file, not those above it. */
static void make_folder(const char *path)
{
    char folder[4096];
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path || (size_t)(slash - path) >= sizeof folder)
        return;
    memcpy(folder, path, (size_t)(slash - path));
    folder[slash - path] = 0;
    mkdir(folder, 0777); // if it cannot be, opening says so
}

static int open_failed(struct conn *c, int code)
{
    if (c->db && sqlite3_errcode(c->db) == (code & 0xff))
        conn_failed(c, code);
    else
        failure_set(&c->failure, code, "%s", sqlite3_errstr(code));
    struct failure why = c->failure;
    failure_set(&c->failure, why.code, "%.200s: %.200s", c->owner->path, why.message);
    conn_close(c);
    return -1;
}

/* Opening a FIFO may never return, and nothing could stop it. */
static int is_special(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

int conn_open(struct conn *c, struct database *db, enum conn_role role)
{
    c->owner = db;
    if (!db->memory && is_special(db->path))
        return failure_set(&c->failure, SQLITE_CANTOPEN, "%.200s: not a regular file", db->path);
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    // a read only one leaves a journal that needs to be played back to a thread
    if (role == CONN_INLINE || (db->options.readonly && !db->memory))
        flags |= SQLITE_OPEN_READONLY;
    else
        flags |= SQLITE_OPEN_READWRITE | (role == CONN_WRITER ? SQLITE_OPEN_CREATE : 0);
    if (!db->memory && (flags & SQLITE_OPEN_CREATE))
        make_folder(db->path);
    int own_vfs = role != CONN_READER && !db->memory; // it may come to the loop thread
    c->on_loop = c->nowait = 0;
    int code = own_vfs ? vfs_open_database(c, db->path, flags)
                       : sqlite3_open_v2(db->path, &c->db, flags, NULL);
    if (code)
        return open_failed(c, code);
    harden(c->db);
    if (role != CONN_INLINE)
        sqlite3_busy_handler(c->db, on_busy, c);
    sqlite3_progress_handler(c->db, PROGRESS_STEPS, on_progress, c);
    sqlite3_commit_hook(c->db, on_commit, c);
    code = configure(c, role);
    if (code)
        return open_failed(c, code);
    sqlite3_set_authorizer(c->db, on_authorize, c);
    if (role == CONN_WRITER && !db->memory && (db->wal = (uint8_t)has_log(c)))
        checkpoint_watch(c);
    return 0;
}

void conn_close(struct conn *c)
{
    c->stepping = NULL;
    cache_clear(&c->cache);
    free(c->failure.names);
    c->failure.names = NULL;
    sqlite3_close_v2(c->db);
    c->db = NULL;
}

/* sqlite_tx.c: transactions, many rows by one statement, closing. */
#include <string.h>

#include "sqlite.h"

/* ---- handles ---- */

struct handle *handle_push(lua_State *L, struct database *db, uint64_t lease)
{
    struct handle *h = lua_newuserdata(L, sizeof *h);
    *h = (struct handle){.magic = HANDLE_MAGIC, .db = db, .lease = lease};
    db->refs++;
    lua_rawgeti(L, LUA_REGISTRYINDEX, db->state->handle_type);
    lua_setmetatable(L, -2);
    return h;
}

/* Work that nobody waits for. */
static void submit_alone(struct worker *k, enum job_kind kind, uint64_t lease)
{
    struct job *job = job_new(k->db, kind, lease, "", 0);
    if (job && worker_submit(k, job))
        job_free(job);
}

/* A transaction that was forgotten is rolled back, a database that was is let go. */
int handle_gc(lua_State *L)
{
    struct handle *h = lua_touserdata(L, 1);
    struct database *db = h->db;
    if (!db)
        return 0;
    h->db = NULL;
    if (h->lease && !h->ended && !db->closed)
        submit_alone(&db->writer, JOB_ROLLBACK, h->lease);
    database_release(db);
    return 0;
}

/* outside(database) -> a handle for tasks whose ancestor has a transaction on it */
int op_outside(lua_State *L)
{
    struct handle *h = handle_check(L, 1);
    handle_push(L, h->db, 0)->outside = 1;
    return 1;
}

/* ---- begin, end ---- */

static int begin_finish(lua_State *L, struct tusk_wait *w)
{
    struct job *job = ((struct call_wait *)w)->job;
    struct database *db = job->db;
    uint64_t lease = job->lease;
    if (job->failure.code)
        return call_failed(L, db->state, w, job);
    job_free(job);
    handle_push(L, db, lease);
    return 1;
}

static const struct tusk_wait_ops begin_ops = {begin_finish, call_cancel};

/* begin(database, "BEGIN IMMEDIATE", without foreign keys?) -> handle of the transaction */
int op_begin(lua_State *L)
{
    struct handle *h = handle_check(L, 1);
    struct database *db = h->db;
    size_t n;
    const char *sql = luaL_checklstring(L, 2, &n);
    call_outside(L, h);
    struct call_wait *w = tusk_wait_new(L, sizeof *w, &begin_ops);
    struct job *job = job_new(db, JOB_BEGIN, ++db->leases, sql, n);
    if (!job)
        return call_no_memory(L);
    job->loose = (uint8_t)lua_toboolean(L, 3);
    return call_park(L, &db->writer, job, w);
}

struct end_wait {
    struct call_wait c;
    struct handle *handle; /* the caller's, anchored by it */
};

static int end_finish(lua_State *L, struct tusk_wait *w)
{
    struct end_wait *e = (struct end_wait *)w;
    struct job *job = e->c.job;
    if (job->ended)
        e->handle->ended = 1;
    if (job->failure.code)
        return call_failed(L, job->db->state, w, job);
    lua_pushnumber(L, (double)job->changes / 1e9);
    job_free(job);
    return 1;
}

static const struct tusk_wait_ops end_ops = {end_finish, call_cancel};

static int control(lua_State *L, enum job_kind kind, const char *sql, size_t n)
{
    struct handle *h = handle_check(L, 1);
    struct end_wait *w = tusk_wait_new(L, sizeof *w, &end_ops);
    struct job *job = job_new(h->db, kind, h->lease, sql, n);
    if (!job)
        return call_no_memory(L);
    w->handle = h;
    return call_park(L, &h->db->writer, job, &w->c);
}

/* commit(transaction) -> seconds that a thread has spent in its statements */
int op_commit(lua_State *L)
{
    return control(L, JOB_COMMIT, "", 0);
}

/* rollback(transaction) -> the same */
int op_rollback(lua_State *L)
{
    return control(L, JOB_ROLLBACK, "", 0);
}

/* control(transaction, sql): SAVEPOINT, RELEASE, ROLLBACK TO */
int op_control(lua_State *L)
{
    size_t n;
    const char *sql = luaL_checklstring(L, 2, &n);
    return control(L, JOB_CONTROL, sql, n);
}

/* ping(database): waits until it is open, or raises why it cannot be */
int op_ping(lua_State *L)
{
    return control(L, JOB_CONTROL, "SELECT 1", 8);
}

/* counts(database) -> what it has done so far, each a number */
int op_counts(lua_State *L)
{
    static const char *const names[COUNTS] = {
        "inline", "writes", "overrun", "cold", "groups", "grouped", "again", "checkpoints",
    };
    struct database *db = handle_check(L, 1)->db;
    lua_createtable(L, 0, COUNTS);
    for (int i = 0; i < COUNTS; i++) {
        lua_pushnumber(L, (double)atomic_load(&db->counts[i]));
        lua_setfield(L, -2, names[i]);
    }
    return 1;
}

/* ---- many rows ---- */

static size_t many_bytes(lua_State *L, struct state *st, int params, int rows)
{
    size_t bytes = 0;
    struct value v;
    int first = (int)luaL_optinteger(L, 6, 1);
    for (int i = 1; i <= params * rows; i++) {
        lua_rawgeti(L, 3, i);
        if (!value_is_parameter(L, st, lua_gettop(L)))
            value_refuse(L, lua_gettop(L), "row %d", first + (i - 1) / params);
        value_read(L, st, -1, &v);
        bytes += v.length;
        lua_pop(L, 1);
    }
    return bytes;
}

static void copy_list(lua_State *L, struct state *st, int list, struct job *job)
{
    struct value v = {0};
    for (int i = 0; i < job->count; i++) {
        lua_rawgeti(L, list, i + 1);
        value_read(L, st, -1, &v);
        job_set(job, i, &v);
        lua_pop(L, 1);
    }
}

/* many(handle, sql, values of all rows in one list, values per row, rows, number of the first row)
 * -> {changes, last_id} */
int op_many(lua_State *L)
{
    struct handle *h = handle_check(L, 1);
    struct database *db = h->db;
    size_t n;
    const char *sql = luaL_checklstring(L, 2, &n);
    int params = (int)luaL_checkinteger(L, 4), rows = (int)luaL_checkinteger(L, 5);
    luaL_checktype(L, 3, LUA_TTABLE);
    call_outside(L, h);
    size_t bytes = many_bytes(L, db->state, params, rows);
    struct call_wait *w = tusk_wait_new(L, sizeof *w, &call_statement_ops);
    struct job *job = job_new(db, JOB_MANY, h->lease, sql, n);
    if (!job || job_reserve(job, params * rows, bytes)) {
        if (job)
            job_free(job);
        return call_no_memory(L);
    }
    job->mode = MODE_EXEC;
    job->params = params;
    job->repeat = rows;
    copy_list(L, db->state, 3, job);
    return call_park(L, &db->writer, job, w);
}

/* ---- closing ---- */

static int close_finish(lua_State *L, struct tusk_wait *w)
{
    struct job *job = ((struct call_wait *)w)->job;
    struct database *db = job->db;
    (void)L;
    job_free(job);
    database_abandon(db);
    return 0;
}

static const struct tusk_wait_ops close_ops = {close_finish, call_cancel};

/* close(database): every further use of it raises `closed`; parks until what was asked before is
 * done */
int op_close(lua_State *L)
{
    struct handle *h = handle_check(L, 1);
    struct call_wait *w = tusk_wait_new(L, sizeof *w, &close_ops);
    struct job *job = job_new(h->db, JOB_CLOSE, 0, "", 0);
    if (!job)
        return call_no_memory(L);
    database_closing(h->db, &w->w);
    return call_park(L, &h->db->writer, job, w);
}

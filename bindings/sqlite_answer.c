/* sqlite_answer.c: a thread's answer, turned into Lua's values in the task. */
#include "sqlite.h"
#include "sqlite_fast.h"

#define SLICE_ROWS 500 /* turned into tables before other tasks have their turn */

static int finish_rows(lua_State *L, struct state *st, struct job *job)
{
    struct shape shape;
    int from = (int)lua_objlen(L, -1);
    row_shape(L, st, job, &shape);
    for (int i = 1; i <= SLICE_ROWS && job->row_count; i++) {
        row_take(L, st, job, &shape);
        lua_rawseti(L, -2, from + i);
    }
    return 1;
}

/* What Lua holds of an answer it has taken in part; keeps the database. */
static void rest_push(lua_State *L, struct state *st, struct job *job)
{
    struct job **rest = lua_newuserdata(L, sizeof *rest);
    *rest = job;
    job->db->refs++;
    lua_rawgeti(L, LUA_REGISTRYINDEX, st->rest_type);
    lua_setmetatable(L, -2);
}

int call_rest_gc(lua_State *L)
{
    struct job **rest = lua_touserdata(L, 1);
    struct job *job = *rest;
    *rest = NULL;
    if (!job)
        return 0;
    struct database *db = job->db;
    job_free(job);
    database_unref(db);
    return 0;
}

static int finish_query(lua_State *L, struct state *st, struct job *job)
{
    lua_createtable(L, job->row_count < SLICE_ROWS ? (int)job->row_count : SLICE_ROWS, 0);
    if (job->row_count)
        finish_rows(L, st, job);
    if (!job->row_count)
        return 1;
    rest_push(L, st, job);
    return 2;
}

static int finish_answer(lua_State *L, struct state *st, struct job *job)
{
    struct shape shape;
    if (job->mode == MODE_QUERY)
        return finish_query(L, st, job);
    if (job->mode == MODE_EXEC) {
        call_push_changes(L, job->db, job->changes, job->last_id);
        lua_pushboolean(L, job->ddl);
        return 2;
    }
    if (!job->row_count) {
        lua_pushnil(L);
    } else if (job->mode == MODE_VALUE) {
        row_take_value(L, st, job);
    } else {
        row_shape(L, st, job, &shape);
        row_take(L, st, job, &shape);
    }
    return 1;
}

int call_failed(lua_State *L, struct state *st, struct tusk_wait *w, struct job *job)
{
    int code = job->failure.code & 0xff, cancelled = w->cancelled;
    if (cancelled && (code == SQLITE_INTERRUPT || code == SQLITE_BUSY)) {
        job_free(job);
        return tusk_fail_cancelled(L, 0);
    }
    struct failure f = {0};
    failure_move(&f, &job->failure);
    lua_pushlstring(L, job->sql, job->length);
    job_free(job);
    return call_raise(L, st, &f, lua_tostring(L, -1), lua_objlen(L, -1));
}

static int statement_finish(lua_State *L, struct tusk_wait *w)
{
    struct job *job = ((struct call_wait *)w)->job;
    struct state *st = job->db->state;
    if (job->failure.code)
        return call_failed(L, st, w, job);
    route_learn(job);
    int n = finish_answer(L, st, job);
    if (!(job->mode == MODE_QUERY && n == 2))
        job_free(job);
    return n;
}

void call_cancel(struct tusk_wait *w)
{
    struct job *job = ((struct call_wait *)w)->job;
    if (!worker_cancel(job->worker, job))
        return; // it runs, interrupted: its end is the wake
    job_free(job);
    tusk_drop(w);
}

const struct tusk_wait_ops call_statement_ops = {statement_finish, call_cancel};
/* more(rest, rows): adds the next rows of a long answer; true while there are others */
int op_more(lua_State *L)
{
    struct job *job = *(struct job **)lua_touserdata(L, 1);
    lua_settop(L, 2);
    finish_rows(L, job->db->state, job);
    int left = job->row_count > 0;
    if (!left) {
        lua_settop(L, 1);
        call_rest_gc(L);
    }
    lua_pushboolean(L, left);
    return 1;
}

/*
 * sqlite_checkpoint.c: moving the write-ahead log into the file, on the writer's thread when it has
 * answered. SQLite's own way, after a commit, would make the one who commits wait for it, and never
 * come to an end beside a loop that reads in one turn after the other: a reader that began before
 * the last commit keeps its part of the log. So one turn's end is waited for before, that all can
 * be moved, and one after, that the next write may begin the log anew.
 */
#include "sqlite.h"
#include "sqlite_fast.h"

#define DUE_FRAMES 1000
#define PATIENCE   20000000u /* ns for the end of a turn: its task may compute for long */

static int on_log(void *data, sqlite3 *db, const char *schema, int frames)
{
    struct conn *c = data;
    (void)db, (void)schema;
    if (frames < c->log_kept) // begun anew
        c->log_kept = 0;
    c->log_frames = frames;
    return SQLITE_OK;
}

void checkpoint_watch(struct conn *c)
{
    c->log_frames = c->log_kept = 0;
    sqlite3_wal_hook(c->db, on_log, c); // and with that, none by SQLite itself
}

int checkpoint_is_due(const struct conn *c)
{
    return c->log_frames - c->log_kept >= DUE_FRAMES;
}

int checkpoint_is_near(const struct conn *c)
{
    // the first commit to a log waits for the disk, even under NORMAL
    return c->log_frames == 0 || checkpoint_is_due(c);
}

/* Until the turn that is open has ended, or the loop is seen to be busy elsewhere. */
static void await_turn(struct worker *k)
{
    struct database *db = k->db;
    uint64_t until = uv_hrtime() + PATIENCE, now;
    unsigned turn = atomic_load(&db->turns);
    uv_mutex_lock(&k->mutex);
    for (;;) {
        atomic_store(&db->turn_awaited, 1);
        now = uv_hrtime();
        if (!atomic_load(&db->turn_open) || atomic_load(&db->turns) != turn || k->stopping ||
            now >= until)
            break;
        uv_cond_timedwait(&k->wake, &k->mutex, until - now);
    }
    atomic_store(&db->turn_awaited, 0);
    uv_mutex_unlock(&k->mutex);
}

void checkpoint_run(struct worker *k)
{
    struct conn *c = &k->conn;
    int frames = 0, moved = 0;
    c->deaf = 1; // nobody's work: nothing ends it
    await_turn(k);
    if (sqlite3_wal_checkpoint_v2(c->db, "main", SQLITE_CHECKPOINT_PASSIVE, &frames, &moved))
        frames = c->log_frames; // another process is at it
    c->deaf = 0;
    c->log_kept = frames;
    if (frames == moved)
        c->log_frames = 0;
    database_count(k->db, COUNT_CHECKPOINTS, 1);
    await_turn(k);
}

/* sqlite_spare.c: connections that cursors have left, for those to come: opening one takes ten
 * times as long as a short answer. */
#include <stdlib.h>

#include "sqlite_cursor.h"

#define SPARES_MAX 2

static void close_conn(struct conn *c)
{
    conn_close(c);
    free(c);
}

void spare_keep(struct database *db, struct conn *c)
{
    uv_mutex_lock(&db->writer.mutex);
    int room = c->db && db->spare_count < SPARES_MAX && !db->spares_shut;
    if (room) {
        c->next_spare = db->spares;
        db->spares = c;
        db->spare_count++;
    }
    uv_mutex_unlock(&db->writer.mutex);
    if (!room)
        close_conn(c);
}

static struct conn *take(struct database *db)
{
    uv_mutex_lock(&db->writer.mutex);
    struct conn *c = db->spares;
    if (c) {
        db->spares = c->next_spare;
        db->spare_count--;
    }
    uv_mutex_unlock(&db->writer.mutex);
    return c;
}

struct conn *spare_take(struct database *db)
{
    struct conn *c = take(db);
    if (!c && (c = calloc(1, sizeof *c)))
        c->owner = db;
    return c;
}

void spares_close(struct database *db)
{
    uv_mutex_lock(&db->writer.mutex);
    db->spares_shut = 1;
    uv_mutex_unlock(&db->writer.mutex);
    for (struct conn *c; (c = take(db));)
        close_conn(c);
}

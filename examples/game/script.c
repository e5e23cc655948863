/* script.c: @game.spawn, @game.news and @game.board for scripts, and what they hear of the game. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tusk.h>

#include "script.h"

struct script {
    tusk_host *host;
    struct world *world;
    struct board *board;
    double seconds; /* of the game: what scripts take for the time */
};

/* ---- @game.spawn(kind, x, speed): waits until that enemy is gone -> "shot" or "escaped", seconds
 */

static void refuse(tusk_op *op, const char *kind, const char *message)
{
    tusk_op_fail(op, kind, message);
    tusk_op_free(op);
}

static double number(const tusk_val *args, uint32_t n, uint32_t i, double otherwise)
{
    double d;
    return i < n && tusk_get_num(&args[i], &d) ? d : otherwise;
}

static void spawn(void *ud, tusk_op *op, const tusk_val *args, uint32_t n)
{
    struct script *s = ud;
    const struct kind *kind = NULL;
    if (n && args[0].type == TUSK_STR)
        kind = kind_find(args[0].u.s.p, (int)args[0].u.s.len);
    if (!kind) {
        refuse(op, "game.kind", "kind: drone, wasp or hulk expected");
        return;
    }
    struct enemy *e =
        world_spawn(s->world, kind, (float)number(args, n, 1, 0.5), (float)number(args, n, 2, 1));
    if (e)
        e->owner = op;
    else
        refuse(op, "game.full", "there are too many enemies");
}

static void cancel(void *ud, tusk_op *op)
{
    struct script *s = ud;
    world_remove(s->world, op);
    refuse(op, "cancelled", NULL);
}

/* Its task goes on, and all who listen are told. */
static void gone(void *ud, const struct enemy *e, const char *fate)
{
    struct script *s = ud;
    tusk_val results[] = {tusk_str(fate), tusk_num(e->age)};
    tusk_val told[] = {tusk_str(e->kind->name), tusk_int(e->kind->points), tusk_num(e->age)};
    tusk_op_done(e->owner, results, 2);
    tusk_op_free(e->owner);
    tusk_emit(s->host, fate, told, 3);
}

/* ---- @game.news(text), @game.board(row, ...) ---- */

static int copy_line(char line[LINE_MAX], const tusk_val *v)
{
    if (v->type != TUSK_STR)
        return -1;
    snprintf(line, LINE_MAX, "%.*s", (int)v->u.s.len, v->u.s.p);
    return 0;
}

static tusk_rc news(void *ud, const tusk_val *args, uint32_t n, tusk_val *result)
{
    struct script *s = ud;
    if (n == 1 && !copy_line(s->board->news, &args[0]))
        return TUSK_OK;
    *result = tusk_str("a text expected");
    return TUSK_E_ARG;
}

static tusk_rc board(void *ud, const tusk_val *args, uint32_t n, tusk_val *result)
{
    struct script *s = ud;
    memset(s->board->rows, 0, sizeof s->board->rows);
    for (uint32_t i = 0; i < n && i < BOARD_ROWS; i++)
        if (copy_line(s->board->rows[i], &args[i])) {
            *result = tusk_str("texts expected");
            return TUSK_E_ARG;
        }
    return TUSK_OK;
}

/* ---- the host ---- */

static uint64_t game_now(void *ud)
{
    struct script *s = ud;
    return (uint64_t)(s->seconds * 1e9) + 1;
}

static void log_line(void *ud, tusk_level level, const char *plugin, const char *line,
                     size_t length)
{
    (void)ud, (void)level, (void)plugin;
    fprintf(stderr, "%.*s\n", (int)length, line);
}

static tusk_rc define_operators(struct script *s)
{
    tusk_rc rc = tusk_def_async(s->host, "game.spawn", spawn, cancel, s);
    if (!rc)
        rc = tusk_def(s->host, "game.news", news, s);
    if (!rc)
        rc = tusk_def(s->host, "game.board", board, s);
    return rc;
}

/* What is opened while scripts are set up (libraries, files, connections) costs no frame. */
static void finish_loading(struct script *s, const char *dir)
{
    tusk_stats stats;
    tusk_stats_init(&stats);
    while (!tusk_get_stats(s->host, dir, &stats)) { // the load is a task of that name
        struct pollfd fd = {tusk_wait_fd(s->host), POLLIN, 0};
        poll(&fd, 1, 5);
        s->seconds += 0.005;
        tusk_step(s->host, 5000);
    }
}

struct script *script_open(const char *dir, struct world *world, struct board *board)
{
    tusk_config config;
    struct script *s = malloc(sizeof *s);
    if (!s)
        return NULL;
    *s = (struct script){.world = world, .board = board};
    world->gone = gone;
    world->ud = s;
    tusk_config_init(&config);
    config.ud = s;
    config.log = log_line;
    config.now_ns = game_now;
    if (tusk_open(&config, &s->host) || define_operators(s) || tusk_load_dir(s->host, dir)) {
        fprintf(stderr, "game: %s\n", s->host ? tusk_errmsg(s->host) : "cannot open a host");
        script_close(s);
        return NULL;
    }
    finish_loading(s, dir);
    return s;
}

void script_step(struct script *s, double seconds, unsigned budget_us)
{
    tusk_stats stats;
    s->seconds += seconds;
    tusk_stats_init(&stats);
    tusk_step(s->host, budget_us);
    if (!tusk_get_stats(s->host, NULL, &stats))
        s->board->tasks = (unsigned)stats.tasks;
}

void script_spare(struct script *s, unsigned budget_us)
{
    tusk_gc_idle(s->host, budget_us);
}

void script_close(struct script *s)
{
    tusk_close(s->host);
    free(s);
}

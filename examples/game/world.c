/* world.c: enemies fall, the ship follows them and shoots. */
#include <math.h>
#include <string.h>

#include "world.h"

#define SHOT_SPEED 900.0f
#define SHIP_SPEED 620.0f
#define SHIP_Y     (HEIGHT - 96)
#define RELOAD     0.08f
#define REACH      17.0f /* a shot this near hits */

static const struct kind kinds[] = {
    {"drone",
     70,
     1,
     10,
     0x6ee7b7,
     {{0x3c, 0x7e, 0xdb, 0xff, 0xbd, 0x24, 0x5a, 0x81},
      {0x3c, 0x7e, 0xdb, 0xff, 0xbd, 0x24, 0x42, 0x24}}},
    {"wasp",
     130,
     1,
     25,
     0xfbbf24,
     {{0x81, 0x42, 0x3c, 0x5a, 0xff, 0xbd, 0xa5, 0x18},
      {0x00, 0xc3, 0x3c, 0x5a, 0xff, 0xbd, 0x24, 0x5a}}},
    {"hulk",
     45,
     4,
     80,
     0xf87171,
     {{0x7e, 0xff, 0x99, 0xff, 0xff, 0x5a, 0xa5, 0x42},
      {0x7e, 0xff, 0x99, 0xff, 0xff, 0x5a, 0x24, 0xc3}}},
};

const struct kind *kind_find(const char *name, int length)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (!strncmp(kinds[i].name, name, (size_t)length) && !kinds[i].name[length])
            return &kinds[i];
    return NULL;
}

float world_chance(struct world *w)
{
    w->chance ^= w->chance << 13;
    w->chance ^= w->chance >> 17;
    w->chance ^= w->chance << 5;
    return (float)(w->chance >> 8) / (1 << 24);
}

void world_open(struct world *w)
{
    memset(w, 0, sizeof *w);
    w->chance = 2463534242u;
    w->ship = WIDTH / 2.0f;
}

struct enemy *world_spawn(struct world *w, const struct kind *kind, float x, float speed)
{
    if (w->enemy_count == ENEMIES_MAX)
        return NULL;
    struct enemy *e = &w->enemies[w->enemy_count++];
    *e = (struct enemy){.kind = kind,
                        .x = 32 + x * (WIDTH - 64),
                        .y = -16,
                        .speed = kind->speed * speed,
                        .strength = kind->strength};
    return e;
}

void world_remove(struct world *w, const void *owner)
{
    for (int i = 0; i < w->enemy_count; i++)
        if (w->enemies[i].owner == owner)
            w->enemies[i--] = w->enemies[--w->enemy_count];
}

static void burst(struct world *w, const struct enemy *e, int count)
{
    for (int i = 0; i < count && w->spark_count < SPARKS_MAX; i++) {
        float angle = world_chance(w) * 6.2832f, speed = 30 + world_chance(w) * 150;
        w->sparks[w->spark_count++] =
            (struct body){e->x, e->y, cosf(angle) * speed, sinf(angle) * speed, 0, e->kind->colour};
    }
}

static void end_enemy(struct world *w, int i, const char *fate)
{
    struct enemy e = w->enemies[i];
    w->enemies[i] = w->enemies[--w->enemy_count];
    if (w->gone)
        w->gone(w->ud, &e, fate);
}

static void hit(struct world *w, int i)
{
    struct enemy *e = &w->enemies[i];
    burst(w, e, 4);
    if (--e->strength > 0)
        return;
    burst(w, e, 24);
    w->score += (unsigned)e->kind->points;
    w->shot_down++;
    end_enemy(w, i, "shot");
}

static int hits(const struct enemy *e, const struct body *shot)
{
    return fabsf(e->x - shot->x) < REACH && fabsf(e->y - shot->y) < REACH;
}

static void move_shots(struct world *w, float dt)
{
    for (int i = 0; i < w->shot_count; i++) {
        struct body *shot = &w->shots[i];
        shot->y += shot->dy * dt;
        int over = shot->y < -8;
        for (int j = 0; j < w->enemy_count && !over; j++)
            if (hits(&w->enemies[j], shot)) {
                hit(w, j);
                over = 1;
            }
        if (over)
            w->shots[i--] = w->shots[--w->shot_count];
    }
}

static void move_enemies(struct world *w, float dt)
{
    for (int i = 0; i < w->enemy_count; i++) {
        struct enemy *e = &w->enemies[i];
        e->age += dt;
        e->y += e->speed * dt;
        e->x += sinf(e->age * 2 + (float)(i % 7)) * 18 * dt;
        if (e->y < SHIP_Y + 24)
            continue;
        w->escaped++;
        end_enemy(w, i--, "escaped");
    }
}

static void move_sparks(struct world *w, float dt)
{
    for (int i = 0; i < w->spark_count; i++) {
        struct body *s = &w->sparks[i];
        s->age += dt;
        s->x += s->dx * dt;
        s->y += s->dy * dt;
        if (s->age > 0.6f)
            w->sparks[i--] = w->sparks[--w->spark_count];
    }
}

/* Where the ship should be: below the enemy that is low and near; where it is if there is none. */
static float aim(const struct world *w)
{
    const struct enemy *best = NULL;
    float most = 0;
    for (int i = 0; i < w->enemy_count; i++) {
        const struct enemy *e = &w->enemies[i];
        float need = 1000 + e->y - fabsf(e->x - w->ship);
        if (need < most)
            continue;
        most = need;
        best = e;
    }
    return best ? best->x : w->ship;
}

static void steer(struct world *w, float dt)
{
    float way = w->by_hand ? (float)w->steer * SHIP_SPEED * dt : aim(w) - w->ship;
    float most = SHIP_SPEED * dt;
    w->ship += way > most ? most : way < -most ? -most : way;
    w->ship = w->ship < 24 ? 24 : w->ship > WIDTH - 24 ? WIDTH - 24 : w->ship;
    w->reload -= dt;
    int fire = w->by_hand ? w->fire : fabsf(way) < 20 && w->enemy_count > 0;
    if (!fire || w->reload > 0 || w->shot_count == SHOTS_MAX)
        return;
    w->reload = RELOAD;
    w->shots[w->shot_count++] = (struct body){w->ship, SHIP_Y - 12, 0, -SHOT_SPEED, 0, 0xe0f2fe};
}

void world_step(struct world *w, float dt)
{
    w->time += dt;
    steer(w, dt);
    move_shots(w, dt);
    move_enemies(w, dt);
    move_sparks(w, dt);
}

/* world.h: what happens in the game. Knows no scripts, no window; time is what it is told. */
#ifndef WORLD_H
#define WORLD_H 1

#include <stdint.h>

#define WIDTH  960
#define HEIGHT 540

#define ENEMIES_MAX 256
#define SHOTS_MAX   64
#define SPARKS_MAX  512

struct kind {
    const char *name;
    float speed; /* pixels a second */
    int strength, points;
    uint32_t colour; /* 0xRRGGBB */
    uint8_t sprite[2][8];
};

/* The kind of that name, or NULL. */
const struct kind *kind_find(const char *name, int length);

struct enemy {
    const struct kind *kind;
    float x, y, speed, age;
    int strength;
    void *owner; /* whose it is: handed to `gone` */
};

struct body {
    float x, y, dx, dy, age;
    uint32_t colour;
};

struct world {
    struct enemy enemies[ENEMIES_MAX];
    struct body shots[SHOTS_MAX], sparks[SPARKS_MAX];
    int enemy_count, shot_count, spark_count;
    float ship, reload, time;
    int steer, fire; /* by hand: -1, 0, 1 and 0, 1; while `by_hand` */
    int by_hand;
    unsigned score, shot_down, escaped;
    uint32_t chance;
    /* An enemy is no more: "shot" or "escaped". Its place is already another's. */
    void (*gone)(void *ud, const struct enemy *e, const char *fate);
    void *ud;
};

void world_open(struct world *w);
/* A new enemy at the top; x and speed as parts of the usual (0..1, 1). NULL: there are too many. */
struct enemy *world_spawn(struct world *w, const struct kind *kind, float x, float speed);
/* Takes an enemy away without anybody hearing of it. */
void world_remove(struct world *w, const void *owner);
/* Goes on by so many seconds. */
void world_step(struct world *w, float dt);
/* 0..1 */
float world_chance(struct world *w);

#endif

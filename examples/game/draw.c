/* draw.c: sky, sprites, panels. */
#include <math.h>
#include <stdio.h>

#include "draw.h"
#include "font.h"

#define STARS 140

static void colour(SDL_Renderer *to, uint32_t rgb, int alpha)
{
    SDL_SetRenderDrawColor(to, rgb >> 16 & 255, rgb >> 8 & 255, rgb & 255, (Uint8)alpha);
}

static void box(SDL_Renderer *to, float x, float y, float w, float h)
{
    SDL_RenderFillRectF(to, &(SDL_FRect){x, y, w, h});
}

/* Three layers of stars, the nearer the faster. */
static void draw_sky(SDL_Renderer *to, float time)
{
    colour(to, 0x0b1020, 255);
    SDL_RenderClear(to);
    for (unsigned i = 0; i < STARS; i++) {
        unsigned place = i * 2654435761u, layer = i % 3 + 1;
        float y = fmodf((float)(place >> 8 & 1023) + time * 14 * (float)layer, HEIGHT);
        colour(to, 0x94a3b8, 50 + 45 * (int)layer);
        box(to, (float)(place >> 18) / 16384 * WIDTH, y, (float)layer, (float)layer);
    }
}

static void draw_sprite(SDL_Renderer *to, const uint8_t rows[8], float x, float y, float size)
{
    for (int i = 0; i < 64; i++)
        if (rows[i / 8] >> (7 - i % 8) & 1)
            box(to, x + (float)(i % 8 - 4) * size, y + (float)(i / 8 - 4) * size, size, size);
}

static void draw_ship(SDL_Renderer *to, const struct world *w)
{
    static const uint8_t ship[8] = {0x18, 0x18, 0x3c, 0x3c, 0x7e, 0xff, 0xdb, 0x81};
    float flame = 6 + 4 * sinf(w->time * 40);
    colour(to, 0xfb923c, 200);
    box(to, w->ship - 4, HEIGHT - 80, 8, flame);
    colour(to, 0xe0f2fe, 255);
    draw_sprite(to, ship, w->ship, HEIGHT - 96, 4);
}

static void draw_world(SDL_Renderer *to, const struct world *w)
{
    for (int i = 0; i < w->enemy_count; i++) {
        const struct enemy *e = &w->enemies[i];
        colour(to, e->kind->colour, 255);
        draw_sprite(to, e->kind->sprite[(int)(e->age * 4) & 1], e->x, e->y,
                    e->kind->strength > 1 ? 5 : 3);
    }
    for (int i = 0; i < w->shot_count; i++) {
        colour(to, w->shots[i].colour, 255);
        box(to, w->shots[i].x - 1.5f, w->shots[i].y, 3, 12);
    }
    for (int i = 0; i < w->spark_count; i++) {
        const struct body *s = &w->sparks[i];
        colour(to, s->colour, (int)(255 * (1 - s->age / 0.6f)) & 255);
        box(to, s->x, s->y, 3, 3);
    }
    draw_ship(to, w);
}

static void draw_score(SDL_Renderer *to, const struct world *w, const struct board *b)
{
    char line[LINE_MAX];
    colour(to, 0xe2e8f0, 255);
    snprintf(line, sizeof line, "%06u", w->score);
    font_draw(to, 16, 16, 5, line);
    colour(to, 0x94a3b8, 255);
    snprintf(line, sizeof line, "%u shot  %u escaped  %u tasks", w->shot_down, w->escaped,
             b->tasks);
    font_draw(to, 16, 50, 2, line);
}

static void draw_board(SDL_Renderer *to, const struct board *b)
{
    colour(to, 0x38bdf8, 255);
    font_draw(to, WIDTH - 216, 16, 2, "select from the database");
    for (int i = 0; i < BOARD_ROWS; i++) {
        colour(to, 0xe2e8f0, 255);
        font_draw(to, WIDTH - 216, 36 + i * 18, 2, b->rows[i]);
    }
}

static void draw_news(SDL_Renderer *to, const struct board *b)
{
    colour(to, 0x0f172a, 220);
    box(to, 0, HEIGHT - 28, WIDTH, 28);
    colour(to, 0x38bdf8, 255);
    int x = 16 + font_draw(to, 16, HEIGHT - 19, 2, "http ");
    colour(to, 0xe2e8f0, 255);
    font_draw(to, x + 8, HEIGHT - 19, 2, b->news);
}

void draw(SDL_Renderer *to, const struct world *w, const struct board *b, const struct plot *p)
{
    draw_sky(to, w->time);
    draw_world(to, w);
    draw_score(to, w, b);
    draw_board(to, b);
    draw_news(to, b);
    plot_draw(p, to, (WIDTH - PLOT_WIDTH) / 2, 12);
}

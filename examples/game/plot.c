/* plot.c: bars for the last frames, and the figures of all. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "font.h"
#include "plot.h"

#define BAR_HEIGHT 60
#define FULL       4.0f /* ms: as high as the plot */

static int by_size(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static float quantile(const float *values, unsigned count, float q)
{
    float *sorted = count ? malloc(count * sizeof *sorted) : NULL;
    if (!sorted)
        return 0;
    memcpy(sorted, values, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, by_size);
    float found = sorted[(unsigned)(q * (float)(count - 1) + 0.5f)];
    free(sorted);
    return found;
}

static void keep(struct plot *p, float step)
{
    if (p->count == p->room) {
        unsigned room = p->room ? p->room * 2 : 4096;
        float *all = realloc(p->all, room * sizeof *all);
        if (!all)
            return;
        p->all = all;
        p->room = room;
    }
    p->all[p->count++] = step;
}

void plot_add(struct plot *p, float step, float spare, float frame)
{
    unsigned i = p->next++ % PLOT_FRAMES;
    p->steps[i] = step;
    p->spare[i] = spare;
    p->frames[i] = frame;
    keep(p, step);
}

float plot_recent(const struct plot *p, float q)
{
    return quantile(p->steps, p->next < PLOT_FRAMES ? p->next : PLOT_FRAMES, q);
}

float plot_overall(const struct plot *p, float q)
{
    return quantile(p->all, p->count, q);
}

void plot_close(struct plot *p)
{
    free(p->all);
}

static int height_of(float ms)
{
    int h = (int)(ms / FULL * BAR_HEIGHT + 0.5f);
    return h > BAR_HEIGHT ? BAR_HEIGHT : h;
}

static void bar(SDL_Renderer *to, int x, int bottom, int height, uint32_t colour)
{
    SDL_SetRenderDrawColor(to, colour >> 16 & 255, colour >> 8 & 255, colour & 255, 255);
    SDL_RenderFillRect(to, &(SDL_Rect){x, bottom - height, 1, height});
}

static void draw_bars(const struct plot *p, SDL_Renderer *to, int x, int bottom)
{
    for (int i = 0; i < PLOT_FRAMES; i++) {
        unsigned at = (p->next + (unsigned)i) % PLOT_FRAMES;
        bar(to, x + i, bottom, height_of(p->steps[at] + p->spare[at]), 0x334155);
        bar(to, x + i, bottom, height_of(p->steps[at]), 0x38bdf8);
    }
    SDL_SetRenderDrawColor(to, 248, 113, 113, 160);
    SDL_RenderDrawLine(to, x, bottom - height_of(2), x + PLOT_FRAMES - 1, bottom - height_of(2));
}

void plot_draw(const struct plot *p, SDL_Renderer *to, int x, int y)
{
    char line[80];
    SDL_SetRenderDrawColor(to, 15, 23, 42, 220);
    SDL_RenderFillRect(to, &(SDL_Rect){x, y, PLOT_WIDTH, PLOT_HEIGHT});
    SDL_SetRenderDrawColor(to, 148, 163, 184, 255);
    font_draw(to, x + 8, y + 8, 2, "scripts, ms a frame");
    SDL_SetRenderDrawColor(to, 248, 113, 113, 255);
    font_draw(to, x + 8 + PLOT_FRAMES - font_width(2, "2 ms"), y + 8, 2, "2 ms");
    draw_bars(p, to, x + 8, y + 24 + BAR_HEIGHT);
    snprintf(line, sizeof line, "p50 %.2f p99 %.2f max %.2f", plot_recent(p, 0.5f),
             plot_recent(p, 0.99f), plot_recent(p, 1));
    SDL_SetRenderDrawColor(to, 226, 232, 240, 255);
    font_draw(to, x + 8, y + PLOT_HEIGHT - 18, 2, line);
}

/* plot.h: what scripts have cost, frame by frame. */
#ifndef PLOT_H
#define PLOT_H 1

#include <SDL.h>

#define PLOT_FRAMES 240
#define PLOT_WIDTH  (PLOT_FRAMES + 16)
#define PLOT_HEIGHT 108

struct plot {
    float steps[PLOT_FRAMES], spare[PLOT_FRAMES], frames[PLOT_FRAMES]; /* ms: rings */
    unsigned next;
    float *all; /* every step of the run, for its end */
    unsigned count, room;
};

/* One more frame: its step, what was spent of its spare time, all of it; milliseconds. */
void plot_add(struct plot *p, float step, float spare, float frame);
/* The share q (0..1) of the last frames' steps took no longer than this. */
float plot_recent(const struct plot *p, float q);
/* The same of all frames of the run. */
float plot_overall(const struct plot *p, float q);
void plot_draw(const struct plot *p, SDL_Renderer *to, int x, int y);
void plot_close(struct plot *p);

#endif

/* draw.h: the game on the screen. */
#ifndef DRAW_H
#define DRAW_H 1

#include <SDL.h>

#include "plot.h"
#include "world.h"

#define BOARD_ROWS 4
#define LINE_MAX   120

/* What scripts have written. */
struct board {
    char news[LINE_MAX], rows[BOARD_ROWS][LINE_MAX];
    unsigned tasks; /* of theirs, alive */
};

void draw(SDL_Renderer *to, const struct world *w, const struct board *b, const struct plot *p);

#endif

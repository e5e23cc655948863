/* font.h: letters of three by five squares. */
#ifndef FONT_H
#define FONT_H 1

#include <SDL.h>

/* Draws text (ASCII; small letters as capitals) in the renderer's colour, each square `size` wide.
 * Its width. */
int font_draw(SDL_Renderer *to, int x, int y, int size, const char *text);
int font_width(int size, const char *text);

#endif

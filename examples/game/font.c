/* font.c: one octal digit is one row of a letter. */
#include <ctype.h>
#include <stdint.h>
#include <string.h>

#include "font.h"

static const uint16_t letters[128] = {
    ['!'] = 022202, ['"'] = 055000, ['#'] = 057575, ['%'] = 051245, ['\''] = 022000, ['('] = 012221,
    [')'] = 042224, ['*'] = 005250, ['+'] = 002720, [','] = 000024, ['-'] = 000700,  ['.'] = 000002,
    ['/'] = 011244, ['0'] = 075557, ['1'] = 026227, ['2'] = 071747, ['3'] = 071717,  ['4'] = 055711,
    ['5'] = 074717, ['6'] = 074757, ['7'] = 071122, ['8'] = 075757, ['9'] = 075717,  [':'] = 002020,
    ['<'] = 012421, ['='] = 007070, ['>'] = 042124, ['?'] = 061202, ['@'] = 025743,  ['A'] = 025755,
    ['B'] = 065656, ['C'] = 034443, ['D'] = 065556, ['E'] = 074647, ['F'] = 074644,  ['G'] = 034553,
    ['H'] = 055755, ['I'] = 072227, ['J'] = 011152, ['K'] = 055655, ['L'] = 044447,  ['M'] = 057755,
    ['N'] = 065555, ['O'] = 025552, ['P'] = 065644, ['Q'] = 025563, ['R'] = 065655,  ['S'] = 034216,
    ['T'] = 072222, ['U'] = 055557, ['V'] = 055552, ['W'] = 055775, ['X'] = 055255,  ['Y'] = 055222,
    ['Z'] = 071247, ['_'] = 000007, ['|'] = 022222,
};

static void draw_letter(SDL_Renderer *to, int x, int y, int size, int letter)
{
    for (int bit = 0; bit < 15; bit++)
        if (letters[letter] >> (14 - bit) & 1)
            SDL_RenderFillRect(to, &(SDL_Rect){x + bit % 3 * size, y + bit / 3 * size, size, size});
}

int font_width(int size, const char *text)
{
    return (int)strlen(text) * 4 * size;
}

int font_draw(SDL_Renderer *to, int x, int y, int size, const char *text)
{
    for (int i = 0; text[i]; i++)
        draw_letter(to, x + i * 4 * size, y, size, toupper((unsigned char)text[i]) & 127);
    return font_width(size, text);
}

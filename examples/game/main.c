/*
 * main.c: a window, sixty frames a second, and scripts that fetch, read and query between them.
 *
 *   game [--mods DIR] [--frames N] [--fast] [--picture FILE.bmp]
 */
/* needs: sdl2 */
#include <SDL.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "draw.h"
#include "script.h"

#define FRAME_US 16667
#define STEP_US  2000 /* of a frame, for scripts */
#define SPARE_US 2000 /* at most, to collect their garbage in what is left of it */

struct options {
    const char *mods, *picture;
    long frames; /* then it ends; 0: when the window is closed */
    int fast;    /* does not wait for the next frame's time */
};

struct game {
    struct options options;
    SDL_Window *window;
    SDL_Renderer *renderer;
    struct script *script;
    struct world world;
    struct board board;
    struct plot plot;
};

static double now_us(void)
{
    return (double)SDL_GetPerformanceCounter() * 1e6 / (double)SDL_GetPerformanceFrequency();
}

/* ---- options ---- */

static int usage(void)
{
    fprintf(stderr, "usage: game [--mods DIR] [--frames N] [--fast] [--picture FILE.bmp]\n");
    return -1;
}

static int read_options(int argc, char **argv, struct options *o)
{
    memset(o, 0, sizeof *o);
    o->mods = "examples/game/mods";
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (!strcmp(argv[i], "--fast"))
            o->fast = 1;
        else if (!value)
            return usage();
        else if (!strcmp(argv[i], "--mods"))
            o->mods = argv[++i];
        else if (!strcmp(argv[i], "--picture"))
            o->picture = argv[++i];
        else if (!strcmp(argv[i], "--frames") && (o->frames = atol(value)) > 0)
            i++;
        else
            return usage();
    }
    return 0;
}

/* ---- keys: the ship flies by itself until somebody takes it over ---- */

static void steer(struct world *w)
{
    const Uint8 *keys = SDL_GetKeyboardState(NULL);
    int left = keys[SDL_SCANCODE_LEFT], right = keys[SDL_SCANCODE_RIGHT];
    w->fire = keys[SDL_SCANCODE_SPACE];
    w->steer = right - left;
    w->by_hand |= left | right | w->fire;
}

/* Whether to go on. */
static int take_events(struct world *w)
{
    SDL_Event event;
    while (SDL_PollEvent(&event)) {
        if (event.type == SDL_QUIT)
            return 0;
        if (event.type == SDL_KEYDOWN && event.key.keysym.sym == SDLK_ESCAPE)
            return 0;
    }
    steer(w);
    return 1;
}

/* ---- frames ---- */

static void frame(struct game *g)
{
    double began = now_us();
    script_step(g->script, FRAME_US / 1e6, STEP_US);
    double stepped = now_us();
    world_step(&g->world, FRAME_US / 1e6f);
    draw(g->renderer, &g->world, &g->board, &g->plot);
    double drawn = now_us(), left = FRAME_US - (drawn - began);
    if (left > 500)
        script_spare(g->script, (unsigned)(left / 2 < SPARE_US ? left / 2 : SPARE_US));
    double ended = now_us();
    SDL_RenderPresent(g->renderer);
    plot_add(&g->plot, (float)(stepped - began) / 1e3f, (float)(ended - drawn) / 1e3f,
             (float)(ended - began) / 1e3f);
    left = FRAME_US - (now_us() - began);
    if (!g->options.fast && left > 1000)
        SDL_Delay((Uint32)(left / 1000));
}

static int save_picture(struct game *g)
{
    SDL_Surface *s = SDL_CreateRGBSurfaceWithFormat(0, WIDTH, HEIGHT, 24, SDL_PIXELFORMAT_RGB24);
    draw(g->renderer, &g->world, &g->board, &g->plot);
    int failed =
        !s || SDL_RenderReadPixels(g->renderer, NULL, SDL_PIXELFORMAT_RGB24, s->pixels, s->pitch) ||
        SDL_SaveBMP(s, g->options.picture);
    SDL_FreeSurface(s);
    return failed;
}

static int play(struct game *g)
{
    for (long n = 0; (!g->options.frames || n < g->options.frames) && take_events(&g->world); n++)
        frame(g);
    printf("%u frames: %u shot down, %u escaped, score %u\n", g->plot.count, g->world.shot_down,
           g->world.escaped, g->world.score);
    printf("scripts, ms a frame: p50 %.3f, p99.9 %.3f, max %.3f\n", plot_overall(&g->plot, 0.5f),
           plot_overall(&g->plot, 0.999f), plot_overall(&g->plot, 1));
    return g->options.picture && save_picture(g);
}

/* ---- opening and closing ---- */

static int complain(void)
{
    fprintf(stderr, "game: %s\n", SDL_GetError());
    return 1;
}

static int open_and_play(struct game *g)
{
    int status = 1;
    g->window =
        SDL_CreateWindow("Tusk", SDL_WINDOWPOS_CENTERED, SDL_WINDOWPOS_CENTERED, WIDTH, HEIGHT, 0);
    if (!g->window)
        return complain();
    g->renderer = SDL_CreateRenderer(g->window, -1, 0);
    if (!g->renderer) {
        complain();
        goto fail_renderer;
    }
    SDL_SetRenderDrawBlendMode(g->renderer, SDL_BLENDMODE_BLEND);
    world_open(&g->world);
    g->script = script_open(g->options.mods, &g->world, &g->board);
    if (!g->script)
        goto fail_script;
    status = play(g);
    script_close(g->script);
fail_script:
    SDL_DestroyRenderer(g->renderer);
fail_renderer:
    SDL_DestroyWindow(g->window);
    return status;
}

int main(int argc, char **argv)
{
    static struct game game;
    if (read_options(argc, argv, &game.options))
        return 2;
    if (SDL_Init(SDL_INIT_VIDEO))
        return complain();
    int status = open_and_play(&game);
    plot_close(&game.plot);
    SDL_Quit();
    return status;
}

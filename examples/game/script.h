/* script.h: the scripts of the game: all that main.c knows of Tusk. */
#ifndef SCRIPT_H
#define SCRIPT_H 1

#include "draw.h"
#include "world.h"

struct script;

/* Loads the script directory `dir`; NULL after a line on stderr. world and board outlive it. */
struct script *script_open(const char *dir, struct world *world, struct board *board);
/* So many seconds of the game are over: lets scripts run, for so many microseconds; never blocks.
 */
void script_step(struct script *s, double seconds, unsigned budget_us);
/* Collects garbage for so many microseconds, in time that nobody needs. */
void script_spare(struct script *s, unsigned budget_us);
void script_close(struct script *s);

#endif

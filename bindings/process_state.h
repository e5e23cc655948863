/* process_state.h: what a host keeps of its programs. */
#ifndef TUSK_PROCESS_STATE_H
#define TUSK_PROCESS_STATE_H 1

#include "process.h"

enum { PROCESS_PIECE = 64 * 1024 };

/* An upvalue of every verb. */
struct process_state {
    struct tusk_hook at_close;
    struct process *all;
    uint8_t closed;
    char scratch[PROCESS_PIECE]; /* for reads */
};

/* From a task: gives p to the innermost scope. */
void process_owned(lua_State *L, struct process *p);

#endif

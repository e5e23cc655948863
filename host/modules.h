/* modules.h: where `require` finds the host's own Lua files and bindings. */
#ifndef MODULES_H
#define MODULES_H 1

#include <lua.h>

struct tusk;

/* Takes the table of the host's functions on top of L as module "tusk.kernel", then loads
 * "tusk.core". */
void modules_open(lua_State *L);

/*
 * Bindings and plugins in C use the library's functions, by name. One that was loaded for a single
 * user of the process (a Lua module, a plugin of an editor) is shown to those it loads, and stays
 * as they do.
 */
void modules_show(void);

#endif

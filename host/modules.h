/* modules.h: where `require` finds the host's own Lua files and bindings. */
#ifndef MODULES_H
#define MODULES_H 1

#include <lua.h>

struct tusk;

/* Takes the table of the host's functions on top of L as module "tusk.kernel", then loads
 * "tusk.core". */
void modules_open(lua_State *L);

#endif

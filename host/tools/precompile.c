/* precompile.c: at build time, turns one of the host's Lua files into bytecode: precompile NAME IN
 * OUT. */
#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>

static int write_piece(lua_State *L, const void *piece, size_t size, void *file)
{
    (void)L;
    return fwrite(piece, 1, size, file) != size;
}

/* The chunk is named as modules.c names it, so that places in errors are the same from either form.
 */
static int compile(lua_State *L, const char *name, const char *path)
{
    static char text[1 << 20];
    FILE *file = fopen(path, "rb");
    if (!file)
        return -1;
    size_t n = fread(text, 1, sizeof text, file);
    fclose(file);
    return luaL_loadbuffer(L, text, n, lua_pushfstring(L, "=[%s]", name));
}

int main(int argc, char **argv)
{
    lua_State *L = luaL_newstate();
    if (argc != 4 || !L)
        return EXIT_FAILURE;
    if (compile(L, argv[1], argv[2])) {
        fprintf(stderr, "%s: %s\n", argv[2],
                lua_isstring(L, -1) ? lua_tostring(L, -1) : "cannot read");
        return EXIT_FAILURE;
    }
    FILE *out = fopen(argv[3], "wb");
    int failed = !out || lua_dump(L, write_piece, out);
    if (out && fclose(out))
        failed = 1;
    lua_close(L);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

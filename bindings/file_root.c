/*
 * file_root.c: a folder that is held open, for paths that stay beneath it.
 *
 * The folder is the one that was opened, whatever becomes of its name.
 */
#include "file_place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define FILE_ROOT "tusk.file.root"

void file_root_unref(struct file_root *root)
{
    if (--root->refs)
        return;
    close(root->fd);
    free(root);
}

struct file_root *file_root_arg(lua_State *L)
{
    if (lua_isnoneornil(L, 1))
        return NULL;
    return *(struct file_root **)luaL_checkudata(L, 1, FILE_ROOT);
}

static void root_run(struct file_job *job)
{
    job->fd = file_open_at(job, job->path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    if (job->fd < 0)
        job->err = errno;
}

static int root_push(lua_State *L, struct file_job *job)
{
    struct file_root **box = lua_newuserdata(L, sizeof *box);
    struct file_root *root = malloc(sizeof *root);
    if (!root)
        return luaL_error(L, "not enough memory");
    root->fd = job->fd;
    root->refs = 1;
    job->fd = -1;
    *box = root;
    luaL_getmetatable(L, FILE_ROOT);
    lua_setmetatable(L, -2);
    return 1;
}

static int root_gc(lua_State *L)
{
    file_root_unref(*(struct file_root **)lua_touserdata(L, 1));
    return 0;
}

static const struct file_verb verb_root = {"open", root_run, root_push, 0};

/* root(root, path) -> root */
int op_root(lua_State *L)
{
    return file_start(L, file_job_at(L, &verb_root, file_path(L, 2), NULL));
}

void file_root_open_lua(lua_State *L)
{
    luaL_newmetatable(L, FILE_ROOT);
    lua_pushcfunction(L, root_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}

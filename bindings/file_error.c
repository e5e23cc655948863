/* file_error.c: what a failed operation raises. */
#include "file.h"

#include <errno.h>

struct kind {
    int err;
    const char *name;
};

static const struct kind kinds[] = {
    {ENOENT, "file.not_found"},     {EEXIST, "file.exists"},
    {ENOTEMPTY, "file.not_empty"},  {EACCES, "file.permission"},
    {EPERM, "file.permission"},     {EROFS, "file.permission"},
    {EISDIR, "file.is_directory"},  {ENOTDIR, "file.not_directory"},
    {ENOSPC, "file.no_space"},      {EDQUOT, "file.no_space"},
    {EFBIG, "file.too_large"},      {EMFILE, "file.too_many_open"},
    {ENFILE, "file.too_many_open"}, {EBUSY, "file.busy"},
    {ETXTBSY, "file.busy"},         {EXDEV, "file.cross_device"},
};

static const char *kind_of(int err)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (kinds[i].err == err)
            return kinds[i].name;
    return "file.io";
}

const char *file_type_name(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return "file";
    case S_IFDIR:
        return "directory";
    case S_IFLNK:
        return "link";
    case S_IFIFO:
        return "fifo";
    case S_IFSOCK:
        return "socket";
    case S_IFCHR:
        return "char_device";
    case S_IFBLK:
        return "block_device";
    default:
        return "unknown";
    }
}

/* A control byte in a path must not break the line of a message. */
static const char *push_shown(lua_State *L, const char *path)
{
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (; *path; path++)
        luaL_addchar(&b, (unsigned char)*path < 0x20 || *path == 0x7f ? '?' : *path);
    luaL_pushresult(&b);
    return lua_tostring(L, -1);
}

static const char *push_subject(lua_State *L, const struct file_job *job)
{
    const char *path = push_shown(L, job->path), *doing = job->verb->doing;
    if (!job->to)
        return lua_pushfstring(L, "cannot %s \"%s\"", doing, path);
    const char *to = push_shown(L, job->to);
    if (!job->inner)
        return lua_pushfstring(L, "cannot %s \"%s\" to \"%s\"", doing, path, to);
    const char *inner = push_shown(L, job->inner);
    return lua_pushfstring(L, "cannot %s \"%s\" to \"%s\": at \"%s\"", doing, path, to, inner);
}

static void set_string(lua_State *L, const char *key, const char *value)
{
    lua_pushstring(L, value);
    lua_setfield(L, -2, key);
}

static void push_errno(lua_State *L, const char *subject, int err)
{
    char name[32], text[128];
    uv_err_name_r(-err, name, sizeof name);
    uv_strerror_r(-err, text, sizeof text);
    tusk_error(L, kind_of(err), "%s: %s (%s)", subject, text, name);
    set_string(L, "errno", name);
}

/* What allows a type that was refused. */
static const char *way_out(const struct file_job *job)
{
    if (job->plain)
        return "only a plain file can be";
    if (S_ISFIFO(job->found) && job->verb->writes == FILE_READS)
        return "fifo = true waits for what is written to it";
    return "special = true allows that";
}

/* Raises the failure of a job; its memory is the state's by now. */
int file_fail(lua_State *L, struct file_job *job)
{
    file_job_release(job);
    const char *subject = push_subject(L, job), *type = file_type_name(job->found);
    if (job->fault == FAULT_TYPE)
        tusk_error(L, "file.type", "%s: it is a %s (%s)", subject, type, way_out(job));
    else if (job->fault == FAULT_NOT_FIFO)
        tusk_error(L, "file.type", "%s: it is a %s and no FIFO", subject, type);
    else if (job->fault == FAULT_ESCAPE)
        tusk_error(L, "file.escape", "%s: that leads out of the root", subject);
    else if (job->fault == FAULT_WATCHES)
        tusk_error(L, "file.too_many_open",
                   "%s: the system allows no more watches (fs.inotify.max_user_watches)", subject);
    else if (job->fault == FAULT_SHRUNK)
        tusk_error(L, "file.busy", "%s: it became shorter meanwhile", subject);
    else if (job->fault == FAULT_LARGE)
        tusk_error(L, "file.too_large", "%s: larger than %f bytes", subject, (double)job->max);
    else
        push_errno(L, subject, job->err);
    set_string(L, "path", job->path);
    if (job->to)
        set_string(L, "to", job->to);
    if (job->done) {
        lua_pushboolean(L, 1);
        lua_setfield(L, -2, "sent");
    }
    return lua_error(L);
}

void file_push_failure(lua_State *L, const char *doing, const char *path, int err)
{
    int at = lua_gettop(L) + 1;
    const char *shown = push_shown(L, path);
    push_errno(L, lua_pushfstring(L, "cannot %s \"%s\"", doing, shown), err);
    set_string(L, "path", path);
    lua_replace(L, at);
    lua_settop(L, at);
}

/* file_dir.c: listing, making and removing folders. */
#include "file_place.h"
#include "file_put.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A folder of more entries than this is not listed at once. */
enum { ENTRIES_MAX = 1000000 };

/* Listing: data holds, for each entry, a byte of type and its name, zero-terminated. */

struct listing {
    struct file_job *job;
    size_t cap, index_cap;
};

static int grow(void **p, size_t *cap, size_t need, size_t unit)
{
    if (need <= *cap)
        return 1;
    size_t want = *cap * 2 > need ? *cap * 2 : need + 1024;
    void *q = realloc(*p, want * unit);
    if (!q)
        return 0;
    *p = q;
    *cap = want;
    return 1;
}

static char entry_type(int dir, const struct dirent *e)
{
    if (e->d_type != DT_UNKNOWN)
        return (char)e->d_type;
    struct stat st;
    if (fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return DT_UNKNOWN;
    return (char)IFTODT(st.st_mode);
}

static int listing_add(struct listing *l, char type, const char *name)
{
    struct file_job *job = l->job;
    size_t len = strlen(name) + 2;
    if (job->count == job->max) {
        job->err = EFBIG;
        return 0;
    }
    if (!grow((void **)&job->data, &l->cap, job->len + len, 1) ||
        !grow((void **)&job->index, &l->index_cap, job->count + 1, sizeof *job->index)) {
        job->err = ENOMEM;
        return 0;
    }
    job->index[job->count++] = job->len;
    job->data[job->len] = type;
    memcpy(job->data + job->len + 1, name, len - 1);
    job->len += len;
    return 1;
}

int file_is_dots(const char *name)
{
    return !strcmp(name, ".") || !strcmp(name, "..");
}

static int by_name(const void *a, const void *b, void *data)
{
    const char *base = data;
    return strcmp(base + *(const size_t *)a + 1, base + *(const size_t *)b + 1);
}

static DIR *folder_open(struct file_job *job)
{
    int fd = file_open_at(job, job->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK, 0);
    if (fd < 0)
        return NULL;
    DIR *dir = fdopendir(fd);
    if (!dir)
        close(fd);
    return dir;
}

static void list_run(struct file_job *job)
{
    struct listing l = {.job = job};
    DIR *dir = folder_open(job);
    if (!dir) {
        job->err = errno;
        return;
    }
    struct dirent *e;
    while ((errno = 0, e = readdir(dir)) && !atomic_load(&job->abandoned))
        if (!file_is_dots(e->d_name) && !listing_add(&l, entry_type(dirfd(dir), e), e->d_name))
            break;
    if (!e && errno)
        job->err = errno;
    closedir(dir);
    if (!job->err && job->count)
        qsort_r(job->index, job->count, sizeof *job->index, by_name, job->data);
}

/* Where the keys of entries lie on the stack, and the room in which their paths are built. */
struct entry_place {
    int name, path, type;
    char *text;
    size_t folder;
};

/* Some file systems have names beyond NAME_MAX. */
static size_t longest_name(const struct file_job *job)
{
    size_t most = 0;
    for (size_t i = 0; i < job->count; i++) {
        size_t len = strlen(job->data + job->index[i] + 1);
        most = len > most ? len : most;
    }
    return most;
}

static struct entry_place entry_place(lua_State *L, const struct file_job *job)
{
    const char *folder = job->path;
    struct entry_place p = {.folder = strlen(folder)};
    p.text = lua_newuserdata(L, p.folder + 1 + longest_name(job));
    memcpy(p.text, folder, p.folder);
    if (folder[p.folder - 1] != '/')
        p.text[p.folder++] = '/';
    lua_pushliteral(L, "name");
    lua_pushliteral(L, "path");
    lua_pushliteral(L, "type");
    p.type = lua_gettop(L);
    p.path = p.type - 1;
    p.name = p.type - 2;
    return p;
}

static void push_entry(lua_State *L, const struct entry_place *p, const char *entry)
{
    const char *name = entry + 1;
    size_t len = strlen(name);
    memcpy(p->text + p->folder, name, len);
    lua_createtable(L, 0, 3);
    lua_pushvalue(L, p->name);
    lua_pushlstring(L, name, len);
    lua_rawset(L, -3);
    lua_pushvalue(L, p->path);
    lua_pushlstring(L, p->text, p->folder + len);
    lua_rawset(L, -3);
    lua_pushvalue(L, p->type);
    lua_pushstring(L, file_type_name(DTTOIF((unsigned char)entry[0])));
    lua_rawset(L, -3);
}

static int list_push(lua_State *L, struct file_job *job)
{
    luaL_checkstack(L, 12, "a list");
    struct entry_place p = entry_place(L, job);
    lua_createtable(L, (int)job->count, 0);
    for (size_t i = 0; i < job->count; i++) {
        push_entry(L, &p, job->data + job->index[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

static const struct file_verb verb_list = {"list", list_run, list_push, 0};

/* read_dir(root, path) -> list of {name, path, type} */
int op_read_dir(lua_State *L)
{
    struct file_job *job = file_job_at(L, &verb_list, file_path(L, 2), NULL);
    job->max = ENTRIES_MAX;
    return file_start(L, job);
}

/* Making. len: it was made now. */

static int is_folder(struct file_job *job, const char *path)
{
    struct stat st;
    return file_stat_at(job, path, 1, &st) == 0 && S_ISDIR(st.st_mode);
}

static int make_one(struct file_job *job, int parents)
{
    if (file_mkdir_at(job, job->path, job->mode < 0 ? 0777 : (mode_t)job->mode) == 0) {
        job->len = 1;
        return 1;
    }
    int err = errno;
    if (parents && err == EEXIST && is_folder(job, job->path))
        return 1;
    errno = err;
    return 0;
}

static int make_parents(struct file_job *job)
{
    char *path = job->path;
    for (char *p = path + 1; *p; p++) {
        if (*p != '/' || p[-1] == '/' || !p[strspn(p, "/")])
            continue;
        *p = 0;
        int r = file_mkdir_at(job, path, 0777), err = errno;
        int there = r == 0 || is_folder(job, path);
        *p = '/';
        if (!there) {
            errno = err == EEXIST ? ENOTDIR : err;
            return 0;
        }
    }
    return 1;
}

static void mkdir_run(struct file_job *job)
{
    if (make_one(job, job->flag))
        return;
    int retry = job->flag && errno == ENOENT && *job->path;
    if (!retry || !make_parents(job) || !make_one(job, 1))
        job->err = errno;
}

static int made_push(lua_State *L, struct file_job *job)
{
    lua_pushboolean(L, job->len != 0);
    return 1;
}

static const struct file_verb verb_mkdir = {"make", mkdir_run, made_push, 1};

/* mkdir(root, path, parents, mode or nil) -> true: made; false: it was there (parents only) */
int op_mkdir(lua_State *L)
{
    const char *path = file_path(L, 2);
    int parents = lua_toboolean(L, 3), mode = (int)luaL_optinteger(L, 4, -1);
    struct file_job *job = file_job_at(L, &verb_mkdir, path, NULL);
    job->flag = parents;
    job->mode = mode;
    return file_start(L, job);
}

/*
 * sqlite_vfs.c: a connection that, on the loop thread, does not wait for a disk and does not sleep.
 *
 * The process's own way of opening files stays as it is: SQLite's xSetSystemCall would change it
 * for every other user of SQLite in the process. Each connection has a VFS of its own instead, in
 * its own memory, which hands everything to the default one but for two things: sleeping, and
 * reading a page of the database or its log, which on the loop thread is preadv2(RWF_NOWAIT). It is
 * known to SQLite by name only while the connection is opened.
 *
 * A second descriptor for reading is out of the question: closing it would drop all locks that this
 * process has on the file. So the descriptor is the one SQLite has opened, found where every
 * version so far keeps it and believed only after it has shown to be that file's; otherwise pages
 * are read in the ordinary way.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "sqlite.h"
#include "sqlite_fast.h"

struct unix_file { /* how SQLite's own struct begins */
    const sqlite3_io_methods *methods;
    sqlite3_vfs *vfs;
    void *inode;
    int fd;
};

static struct conn *conn_of(sqlite3_vfs *vfs)
{
    return (struct conn *)((char *)vfs - offsetof(struct conn, vfs));
}

static sqlite3_vfs *base_of(sqlite3_vfs *vfs)
{
    return vfs->pAppData;
}

/* ---- reading ---- */

static struct warm *warm_of(sqlite3_file *file)
{
    return (struct warm *)((char *)file->pMethods - offsetof(struct warm, methods));
}

static int would_wait(struct conn *c)
{
    c->cold = 1;
    return SQLITE_IOERR_READ;
}

/* Fewer bytes than asked for: the end of the file, or of what is in memory. */
static int read_part(struct warm *w, char *buffer, size_t n, size_t got, sqlite3_int64 offset)
{
    struct stat st;
    if (fstat(w->fd, &st) || offset + (sqlite3_int64)got < st.st_size)
        return would_wait(w->conn);
    memset(buffer + got, 0, n - got);
    return SQLITE_IOERR_SHORT_READ;
}

static int file_read(sqlite3_file *file, void *buffer, int n, sqlite3_int64 offset)
{
    struct warm *w = warm_of(file);
    struct iovec v = {buffer, (size_t)n};
    if (!w->conn->on_loop || w->fd < 0)
        return w->real->xRead(file, buffer, n, offset);
    ssize_t got = preadv2(w->fd, &v, 1, offset, RWF_NOWAIT);
    if (got == n)
        return SQLITE_OK;
    if (got >= 0)
        return read_part(w, buffer, (size_t)n, (size_t)got, offset);
    if (errno == EAGAIN)
        return would_wait(w->conn);
    w->fd = -1; // this file system cannot tell
    return w->real->xRead(file, buffer, n, offset);
}

/* The descriptor behind an open file, or -1 when that is not certain. */
static int descriptor_of(sqlite3_file *file, sqlite3_vfs *base, const char *path)
{
    const struct unix_file *f = (const struct unix_file *)(void *)file;
    struct stat by_name, by_fd;
    if (!path || (size_t)base->szOsFile < sizeof *f || strcmp(base->zName, "unix") != 0)
        return -1;
    if (f->vfs != base || f->fd < 0 || fstat(f->fd, &by_fd) || stat(path, &by_name))
        return -1;
    return S_ISREG(by_fd.st_mode) && by_fd.st_dev == by_name.st_dev &&
                   by_fd.st_ino == by_name.st_ino
               ? f->fd
               : -1;
}

static void keep_warm(struct warm *w, struct conn *c, sqlite3_file *file, int fd)
{
    w->conn = c;
    w->fd = fd;
    w->real = file->pMethods;
    w->methods = *file->pMethods;
    w->methods.xRead = file_read;
    file->pMethods = &w->methods;
}

/* ---- the VFS ---- */

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out)
{
    struct conn *c = conn_of(vfs);
    int code = base_of(vfs)->xOpen(base_of(vfs), path, file, flags, out);
    int log = (flags & SQLITE_OPEN_WAL) != 0;
    if (code || !(log || (flags & SQLITE_OPEN_MAIN_DB)))
        return code;
    int fd = descriptor_of(file, base_of(vfs), path);
    if (fd >= 0)
        keep_warm(&c->warm[log], c, file, fd);
    return SQLITE_OK;
}

/* Between two looks at a lock that another process keeps for long: the loop has no time for it. */
static int vfs_sleep(sqlite3_vfs *vfs, int microseconds)
{
    return conn_of(vfs)->on_loop ? 0 : base_of(vfs)->xSleep(base_of(vfs), microseconds);
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync)
{
    return base_of(vfs)->xDelete(base_of(vfs), path, sync);
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *out)
{
    return base_of(vfs)->xAccess(base_of(vfs), path, flags, out);
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *path, int n, char *out)
{
    return base_of(vfs)->xFullPathname(base_of(vfs), path, n, out);
}

static int vfs_random(sqlite3_vfs *vfs, int n, char *out)
{
    return base_of(vfs)->xRandomness(base_of(vfs), n, out);
}

static int vfs_time(sqlite3_vfs *vfs, double *out)
{
    return base_of(vfs)->xCurrentTime(base_of(vfs), out);
}

static int vfs_time_64(sqlite3_vfs *vfs, sqlite3_int64 *out)
{
    return base_of(vfs)->xCurrentTimeInt64(base_of(vfs), out);
}

static int vfs_last_error(sqlite3_vfs *vfs, int n, char *out)
{
    return base_of(vfs)->xGetLastError ? base_of(vfs)->xGetLastError(base_of(vfs), n, out) : 0;
}

static void make_vfs(struct conn *c, sqlite3_vfs *base)
{
    c->vfs = (sqlite3_vfs){
        .iVersion = base->iVersion < 2 ? 1 : 2, // 3 would add the system calls
        .szOsFile = base->szOsFile,
        .mxPathname = base->mxPathname,
        .pAppData = base,
        .xOpen = vfs_open,
        .xDelete = vfs_delete,
        .xAccess = vfs_access,
        .xFullPathname = vfs_full_path,
        .xRandomness = vfs_random,
        .xSleep = vfs_sleep,
        .xCurrentTime = vfs_time,
        .xGetLastError = vfs_last_error,
        .xCurrentTimeInt64 = base->iVersion < 2 ? NULL : vfs_time_64,
    };
}

int vfs_open_database(struct conn *c, const char *path, int flags)
{
    char name[40];
    sqlite3_vfs *base = sqlite3_initialize() == SQLITE_OK ? sqlite3_vfs_find(NULL) : NULL;
    if (!base)
        return sqlite3_open_v2(path, &c->db, flags, NULL);
    make_vfs(c, base);
    snprintf(name, sizeof name, "tusk-%p", (void *)c);
    c->vfs.zName = name;
    int code = sqlite3_vfs_register(&c->vfs, 0);
    if (code == SQLITE_OK) {
        code = sqlite3_open_v2(path, &c->db, flags, name);
        sqlite3_vfs_unregister(&c->vfs);
    }
    c->vfs.zName = base->zName; // by which VACUUM opens its temporary file
    return code;
}

/* sqlite_rows.c: rows. A constructor made once per list of column names turns values into a table.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sqlite.h"

#define SHAPES_MAX  1024 /* then all are forgotten and made again as needed */
#define COLUMNS_MAX 60   /* of a constructor; a wider row is filled by name */

/* ---- shapes ---- */

static void add_quoted(luaL_Buffer *b, const char *name)
{
    luaL_addchar(b, '"');
    for (const unsigned char *p = (const unsigned char *)name; *p; p++) {
        char escape[8];
        if (*p >= ' ' && *p != '"' && *p != '\\' && *p != 0x7f) {
            luaL_addchar(b, (char)*p);
            continue;
        }
        snprintf(escape, sizeof escape, "\\%03d", *p);
        luaL_addstring(b, escape);
    }
    luaL_addchar(b, '"');
}

/* Pushes "return function(a0, …) return {["name"] = a0, …} end", compiled and run. */
static void compile_constructor(lua_State *L, const char *names, int columns)
{
    luaL_Buffer b;
    char text[32];
    luaL_buffinit(L, &b);
    luaL_addstring(&b, "return function(");
    for (int i = 0; i < columns; i++) {
        snprintf(text, sizeof text, "%sa%d", i ? "," : "", i);
        luaL_addstring(&b, text);
    }
    luaL_addstring(&b, ") return {");
    for (int i = 0; i < columns; i++, names += strlen(names) + 1) {
        luaL_addchar(&b, '[');
        add_quoted(&b, names);
        snprintf(text, sizeof text, "]=a%d,", i);
        luaL_addstring(&b, text);
    }
    luaL_addstring(&b, "} end");
    luaL_pushresult(&b);
    size_t n;
    const char *source = lua_tolstring(L, -1, &n);
    if (luaL_loadbuffer(L, source, n, "=[tusk.row]")) // the host's: no interrupt cuts it in two
        lua_error(L);
    lua_remove(L, -2);
    lua_call(L, 0, 1);
}

static void list_names(lua_State *L, const char *names, int columns)
{
    lua_createtable(L, columns, 0);
    for (int i = 1; i <= columns; i++, names += strlen(names) + 1) {
        lua_pushstring(L, names);
        lua_rawseti(L, -2, i);
    }
}

static void forget_shapes(lua_State *L, struct state *st)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, st->shapes);
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        luaL_unref(L, LUA_REGISTRYINDEX, (int)lua_tointeger(L, -1));
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    lua_newtable(L);
    lua_rawseti(L, LUA_REGISTRYINDEX, st->shapes);
    st->shape_count = 0;
    st->generation++;
}

/* Finds or makes the shape for "name 0 name 0 …". */
static void shape_find(lua_State *L, struct state *st, const struct buffer *names, int columns,
                       struct shape *shape)
{
    if (st->shape_count >= SHAPES_MAX)
        forget_shapes(L, st);
    luaL_checkstack(L, 8, "a row");
    lua_rawgeti(L, LUA_REGISTRYINDEX, st->shapes);
    lua_pushlstring(L, names->size ? names->data : "", names->size); // shapes, key
    lua_pushvalue(L, -1);
    lua_rawget(L, -3); // shapes, key, ref or nil
    int ref = (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    if (!ref) {
        if (columns <= COLUMNS_MAX)
            compile_constructor(L, names->data, columns);
        else
            list_names(L, names->data, columns);
        ref = luaL_ref(L, LUA_REGISTRYINDEX);
        st->shape_count++;
        lua_pushvalue(L, -1);
        lua_pushinteger(L, ref);
        lua_rawset(L, -4);
    }
    lua_pop(L, 2);
    *shape = (struct shape){ref, st->generation, columns};
}

void row_shape(lua_State *L, struct state *st, struct job *job, struct shape *shape)
{
    shape_find(L, st, &job->names, job->columns, shape);
}

/* ---- straight from a statement ---- */

static int put(struct buffer *b, const void *data, size_t n);

static int put_names(struct buffer *b, sqlite3_stmt *handle, int columns)
{
    for (int i = 0; i < columns; i++) {
        const char *name = sqlite3_column_name(handle, i);
        if (!name || put(b, name, strlen(name) + 1))
            return -1;
    }
    return 0;
}

static void stmt_shape(lua_State *L, struct state *st, struct stmt *s)
{
    struct buffer names = {0};
    int columns = sqlite3_column_count(s->handle);
    if (put_names(&names, s->handle, columns)) {
        free(names.data);
        luaL_error(L, "not enough memory");
    }
    lua_pushlstring(L, names.size ? names.data : "",
                    names.size); // Lua's copy: what follows may raise
    free(names.data);
    names.data = (char *)(uintptr_t)lua_tolstring(L, -1, &names.size);
    shape_find(L, st, &names, columns, &s->shape);
    lua_pop(L, 1);
}

void row_push_column(lua_State *L, struct state *st, sqlite3_stmt *handle, int i)
{
    const char *p;
    switch (sqlite3_column_type(handle, i)) {
    case SQLITE_INTEGER:
        value_push_integer(L, st, sqlite3_column_int64(handle, i));
        return;
    case SQLITE_FLOAT:
        lua_pushnumber(L, sqlite3_column_double(handle, i));
        return;
    case SQLITE_NULL:
        lua_pushnil(L);
        return;
    default:
        p = sqlite3_column_blob(handle, i);
        lua_pushlstring(L, p ? p : "", (size_t)sqlite3_column_bytes(handle, i));
    }
}

/* The values on top, one per column, become a table under the names in the list below them. */
static void fill_wide(lua_State *L, int columns)
{
    int first = lua_gettop(L) - columns + 1; // list, values …
    lua_createtable(L, 0, columns);
    for (int i = 0; i < columns; i++) {
        lua_rawgeti(L, first - 1, i + 1);
        lua_pushvalue(L, first + i);
        lua_rawset(L, -3);
    }
    lua_replace(L, first - 1);
    lua_settop(L, first - 1);
}

static inline void row_close(lua_State *L, int columns)
{
    if (columns <= COLUMNS_MAX)
        lua_call(L, columns, 1);
    else
        fill_wide(L, columns);
}

void row_push(lua_State *L, struct state *st, struct stmt *s)
{
    if (!s->shape.ref || s->shape.generation != st->generation)
        stmt_shape(L, st, s);
    int columns = s->shape.columns;
    luaL_checkstack(L, columns + 8, "a row");
    lua_rawgeti(L, LUA_REGISTRYINDEX, s->shape.ref);
    for (int i = 0; i < columns; i++)
        row_push_column(L, st, s->handle, i);
    row_close(L, columns);
}

/* ---- through a job: per value a byte of type, then 8 bytes, or a length and the bytes ---- */

static int put(struct buffer *b, const void *data, size_t n)
{
    if (b->size + n > b->capacity) {
        size_t capacity = (b->size + n) * 2 + 256;
        char *grown = realloc(b->data, capacity);
        if (!grown)
            return -1;
        b->data = grown;
        b->capacity = capacity;
    }
    if (n)
        memcpy(b->data + b->size, data, n);
    b->size += n;
    return 0;
}

static int keep_bytes(struct buffer *b, sqlite3_stmt *handle, int i)
{
    const void *p = sqlite3_column_blob(handle, i);
    size_t n = (size_t)sqlite3_column_bytes(handle, i);
    return put(b, &n, sizeof n) || put(b, p, n) ? -1 : 0;
}

static int keep_column(struct buffer *b, sqlite3_stmt *handle, int i)
{
    char type = (char)sqlite3_column_type(handle, i);
    if (put(b, &type, 1))
        return -1;
    if (type == SQLITE_NULL)
        return 0;
    if (type == SQLITE_INTEGER) {
        int64_t v = sqlite3_column_int64(handle, i);
        return put(b, &v, sizeof v);
    }
    if (type == SQLITE_FLOAT) {
        double v = sqlite3_column_double(handle, i);
        return put(b, &v, sizeof v);
    }
    return keep_bytes(b, handle, i);
}

int row_keep(struct job *job, sqlite3_stmt *handle, int columns)
{
    for (int i = 0; i < columns; i++)
        if (keep_column(&job->rows, handle, i))
            return -1;
    job->row_count++;
    return 0;
}

int row_keep_names(struct job *job, sqlite3_stmt *handle, int columns)
{
    job->columns = columns;
    return put_names(&job->names, handle, columns);
}

static const char *take(struct job *job, size_t n)
{
    const char *p = job->rows.data + job->taken;
    job->taken += n;
    return p;
}

void row_take_value(lua_State *L, struct state *st, struct job *job)
{
    int64_t integer;
    double number;
    size_t n;
    switch (*take(job, 1)) {
    case SQLITE_INTEGER:
        memcpy(&integer, take(job, sizeof integer), sizeof integer);
        value_push_integer(L, st, integer);
        return;
    case SQLITE_FLOAT:
        memcpy(&number, take(job, sizeof number), sizeof number);
        lua_pushnumber(L, number);
        return;
    case SQLITE_NULL:
        lua_pushnil(L);
        return;
    default:
        memcpy(&n, take(job, sizeof n), sizeof n);
        lua_pushlstring(L, take(job, n), n);
    }
}

void row_take(lua_State *L, struct state *st, struct job *job, struct shape *shape)
{
    luaL_checkstack(L, job->columns + 8, "a row");
    lua_rawgeti(L, LUA_REGISTRYINDEX, shape->ref);
    for (int i = 0; i < job->columns; i++)
        row_take_value(L, st, job);
    row_close(L, job->columns);
    job->row_count--;
}

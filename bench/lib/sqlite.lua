-- sqlite.lua: as much of SQLite through LuaJIT's FFI as a peer needs.
local ffi = require "ffi"

ffi.cdef [[
typedef struct sqlite3 sqlite3;
typedef struct sqlite3_stmt sqlite3_stmt;
int sqlite3_open(const char *, sqlite3 **);
int sqlite3_exec(sqlite3 *, const char *, void *, void *, char **);
int sqlite3_prepare_v2(sqlite3 *, const char *, int, sqlite3_stmt **, const char **);
int sqlite3_bind_int64(sqlite3_stmt *, int, int64_t);
int sqlite3_bind_text(sqlite3_stmt *, int, const char *, int, void (*)(void *));
int sqlite3_step(sqlite3_stmt *);
int sqlite3_reset(sqlite3_stmt *);
int64_t sqlite3_column_int64(sqlite3_stmt *, int);
const char *sqlite3_column_text(sqlite3_stmt *, int);
int sqlite3_column_bytes(sqlite3_stmt *, int);
const char *sqlite3_errmsg(sqlite3 *);
]]
local C = ffi.load("libsqlite3.so.0")
local TRANSIENT = ffi.cast("void (*)(void *)", -1)

local Db, Statement = {}, {}
Db.__index, Statement.__index = Db, Statement

local function open(path)
  local out = ffi.new("sqlite3 *[1]")
  assert(C.sqlite3_open(path, out) == 0, path)
  return setmetatable({ db = out[0] }, Db)
end

function Db:run(sql)
  assert(C.sqlite3_exec(self.db, sql, nil, nil, nil) == 0, ffi.string(C.sqlite3_errmsg(self.db)))
end

function Db:prepare(sql)
  local out = ffi.new("sqlite3_stmt *[1]")
  assert(C.sqlite3_prepare_v2(self.db, sql, -1, out, nil) == 0, sql)
  return setmetatable({ stmt = out[0] }, Statement)
end

function Statement:bind(i, number) C.sqlite3_bind_int64(self.stmt, i, number) end
function Statement:bind_text(i, text) C.sqlite3_bind_text(self.stmt, i, text, #text, TRANSIENT) end
function Statement:step() return C.sqlite3_step(self.stmt) == 100 end
function Statement:reset() C.sqlite3_reset(self.stmt) end
function Statement:number(i) return tonumber(C.sqlite3_column_int64(self.stmt, i)) end
function Statement:text(i)
  local text = C.sqlite3_column_text(self.stmt, i)
  return ffi.string(text, C.sqlite3_column_bytes(self.stmt, i))
end

return { open = open }

-- errors.lua: structured errors: kind, message, operator, site, cause, spawn chain, traceback.
local kernel = require "tusk.kernel"
local sites = require "tusk.sites"

local getinfo, traceback = debug.getinfo, debug.traceback

---@class tusk.Error
---@field kind string "db.column", "file.not_found", …; err:is("db") matches a kind and its children
---@field message string
---@field op string|nil the operator, without "@"
---@field site table|nil { file, line, column, span }
---@field task table|nil { id, name }
---@field spawned table[]|nil sites of the spawns that led here, innermost first
---@field cause any
---@field suppressed table[]|nil later errors of the same scope
---@field traceback string|nil
local Error = { __name = "tusk.Error" }
Error.__index = Error

local errors = {
  Error = Error,
  names = setmetatable({}, { __mode = "k" }), -- task → its name
  spawn_sites = setmetatable({}, { __mode = "k" }), -- task → where it was spawned, if not by a plain call
}

errors.here = sites.here

-- The file of a task's body: that of the function at the bottom of its stack.
local function body_file(task)
  local co, file = kernel.coroutine_of(task), nil
  for level = 0, 200 do
    local info = getinfo(co, level, "S")
    if not info then return file end
    if info.what ~= "C" then file = info.short_src end
  end
end

local function spawn_site(task)
  local _, spawner, line, parent = kernel.info(task)
  local site = errors.spawn_sites[task] or spawner and sites.at_address(spawner)
  local file = not site and line and line > 0 and body_file(task) -- none if its stack is gone
  if file then
    site = { file = file, line = line }
  elseif not site and parent then -- by @all and the like: where that was called
    site = sites.here(kernel.coroutine_of(parent))
  end
  return site, parent
end

-- Where the running task was spawned, where that one was, and so on: at most ten.
local function spawn_chain(task)
  local chain = {}
  for _ = 1, 10 do
    if not task then break end
    local site, parent = spawn_site(task)
    if site then chain[#chain + 1] = site end
    task = parent
  end
  return chain[1] and chain or nil
end

-- Lua's traceback without the host's own frames.
local function clean_traceback(level)
  local out = {}
  for line in traceback("", level):gmatch("[^\n]+") do
    if not (line:find("^%s*%[tusk") or line:find("^%s*%[C%]") or line:find("^%s*%[builtin")
      or line:find("^stack traceback")) then
      out[#out + 1] = line:gsub("^%s+", "")
    end
  end
  return table.concat(out, "\n")
end

local function dress(err)
  local task = kernel.current()
  local site = err.site or sites.here()
  if site then
    err.site = site
    err.op = err.op or site.op
  end
  if task then
    err.task = { id = (kernel.info(task)), name = errors.names[task] }
    err.spawned = spawn_chain(task)
  end
  err.traceback = clean_traceback(3)
  return err
end

--- A new error, placed at the innermost `@` or user's line.
---@param kind string
---@param message string
---@param fields table|nil further fields; taken over, not copied
function errors.new(kind, message, fields)
  local err = fields or {}
  err.kind, err.message = kind, message
  return dress(setmetatable(err, Error))
end

--- Raises a new error.
function errors.raise(kind, message, fields)
  error(errors.new(kind, message, fields), 0)
end

--- An error with a place but no traceback: for those that may be raised in a hundred thousand tasks at once.
function errors.light(kind, message, sent)
  local site = sites.here()
  return setmetatable({ kind = kind, message = message, site = site, op = site and site.op, sent = sent or nil }, Error)
end

--- What a checkpoint raises in a cancelled scope.
---@param sent boolean the outcome is unknown
function errors.cancelled(sent)
  return errors.light("cancelled", "cancelled", sent)
end

--- Does err have this kind, or a child of it? Any value may be asked.
function errors.is(err, kind)
  if type(err) ~= "table" then return false end
  local own = rawget(err, "kind")
  if type(own) ~= "string" then return false end
  return own == kind or (own:sub(1, #kind) == kind and own:byte(#kind + 1) == 46)
end
Error.is = errors.is

-- A message handler sees a plain error's stack; wrapping happens later, where it leaves.
local noted = {}

-- Where compiled code has used up the stack, LuaJIT does not know the line of the innermost function, and may crash
-- looking for it; what lies below that can be looked at. -> the level to begin at, or nil if it is another error.
local function below_overflow(value)
  if type(value) ~= "string" or value:sub(-14) ~= "stack overflow" then return nil end
  for level = 2, 20 do
    local info = getinfo(level, "S")
    if info and info.what ~= "C" and not info.source:find("^=%[tusk") then return level end
  end
end

--- Message handler: remembers the place and traceback of an error that does not carry its own.
function errors.note(value)
  if getmetatable(value) == Error then return value end
  local again = noted.again and rawequal(noted.value, value)
  noted.again = nil
  if again then return value end
  local overflow = below_overflow(value)
  noted.value, noted.traceback, noted.any = value, clean_traceback(overflow and overflow + 1 or 2), true
  noted.site = not overflow and sites.here() or nil
  return value
end

--- Sets aside what was noted, while other code runs that may fail too.
---@return function back brings it back
function errors.set_aside()
  local before = noted
  noted = {}
  return function() noted = before end
end

--- Where a foreign error object came from, if it was the last one noted: site, traceback.
function errors.noted(value)
  if noted.any and rawequal(noted.value, value) then return noted.site, noted.traceback end
end

--- Raises again what a handler has noted: its traceback stays that of the first time.
function errors.rethrow(value)
  noted.again = true
  error(value, 0)
end

local function split_position(text)
  local file, line, rest = text:match("^([^\n]-):(%d+): (.*)$")
  if file then return { file = file, line = tonumber(line) }, rest end
  return nil, text
end

-- tostring, but for a __tostring that fails itself.
local function shown(value)
  local ok, text = pcall(tostring, value)
  return ok and text or type(value)
end

errors.shown = shown

--- Something raised, as an error object: tables as they are, anything else once as kind "lua".
function errors.wrap(value)
  if type(value) == "table" then return value end
  local known = noted.any and rawequal(noted.value, value)
  local site, message
  if type(value) == "string" then site, message = split_position(value)
  else message = "error object: " .. shown(value) end
  if known then site = site or noted.site end
  local err = setmetatable({
    kind = message == "not enough memory" and "memory" or "lua", message = message, value = value, site = site,
    traceback = known and noted.traceback or nil,
  }, Error)
  local task = kernel.current()
  if task then
    err.task = { id = (kernel.info(task)), name = errors.names[task] }
    err.spawned = spawn_chain(task)
  end
  return err
end

--- The message handler at the base of every task: what leaves is always a table.
function errors.at_base(value)
  return errors.wrap(errors.note(value))
end

--- A message of the compiler, "file:3: …" or "file:3:14: …", as an error with that place.
---@param message string
---@param kind string|nil "syntax" unless given
function errors.of_compiler(message, kind)
  local file, line, rest = message:match("^([^\n]-):(%d+): ([^\n]*)")
  local column
  if file and file:match(":%d+$") then
    file, line, column, rest = message:match("^([^\n]-):(%d+):(%d+): ([^\n]*)")
  end
  if not file then return setmetatable({ kind = kind or "syntax", message = message }, Error) end
  return setmetatable({
    kind = kind or "syntax", message = rest, near = rest:match("near '([^@].-)'$"), -- a line may have many '@'
    site = { file = file, line = tonumber(line), column = tonumber(column) },
  }, Error)
end

--- Has somebody been given the outcome of this task?
function errors.observed(task)
  local _, observed = kernel.state(task)
  return observed
end

local function add(list, seen, err)
  if err == nil or seen[err] or errors.is(err, "cancelled") then return end
  seen[err] = true
  list[#list + 1] = err
end

--- The first error, with a later one among its `suppressed`. One that is raised twice is not its own.
---@param first any nil for none
function errors.suppress(first, later)
  if first == nil or rawequal(first, later) then return later end
  first = errors.wrap(first)
  local list = rawget(first, "suppressed")
  if type(list) ~= "table" then
    list = {}
    rawset(first, "suppressed", list)
  end
  list[#list + 1] = later
  return first
end

--- One error out of what a body and its children failed with, in the order they did; nil for none.
---@param body any the body's own error, or nil
---@param body_first boolean
---@param failures table[]|nil { {err=, task=, held=}, … }
function errors.gather(body, body_first, failures)
  if not failures then return body end
  local list, seen = {}, {}
  if body ~= nil then body = errors.wrap(body) end -- others may have to join it
  if body_first then add(list, seen, body) end
  for _, f in ipairs(failures) do
    if not (f.held and errors.observed(f.task)) then add(list, seen, f.err) end
  end
  add(list, seen, body)
  if list[1] == nil then return body end
  for i = 2, #list do errors.suppress(list[1], list[i]) end
  return list[1]
end

function Error.__tostring(e)
  local at = e.site and (e.site.file .. ":" .. e.site.line .. ": ") or ""
  local op = e.op and ("@" .. e.op .. ": ") or ""
  return at .. op .. tostring(e.message)
end

function Error.__concat(a, b)
  return tostring(a) .. tostring(b)
end

return errors

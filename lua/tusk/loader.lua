-- loader.lua: compiling Lua with `@`: load, loadstring, loadfile, and what the host itself loads.
local kernel = require "tusk.kernel"
local at = require "tusk.at"

local raw_load, expand = load, kernel.expand
local loader = {}

local PROLOGUE, EPILOGUE = "local _at=... return(function(...) ", "\nend)"

local function shown_name(chunkname)
  local first = chunkname:sub(1, 1)
  if first == "@" or first == "=" then return chunkname:sub(2) end
  local line = chunkname:match("^[^\r\n]*")
  if line == chunkname and #line <= 40 then return ('[string "%s"]'):format(line) end
  return ('[string "%s..."]'):format(line:sub(1, 40))
end
loader.shown_name = shown_name

local function line_of(source, n)
  local i = 0
  for line in (source .. "\n"):gmatch("([^\n]*)\n") do
    i = i + 1
    if i == n then return (line:gsub("\r$", "")) end
  end
  return ""
end

-- "file:3:14: message", the line, and a caret under the column.
local function describe(source, chunkname, message, line, column)
  local text = line_of(source, line)
  local number = tostring(line)
  local lead = text:sub(1, column - 1):gsub("[^\t]", " ")
  return ("%s:%d:%d: %s\n  %s │ %s\n  %s │ %s^"):format(
    shown_name(chunkname), line, column, message, number, text, (" "):rep(#number), lead)
end

--- The plain Lua of a source, line for line.
---@return string|nil text, string|nil message
function loader.expand(source, chunkname)
  local text, message, line, column = expand(source)
  if text == nil then return nil, describe(source, chunkname or "=?", message, line, column) end
  return text or source, text and message or nil
end

-- Lua's own message for a chunk that did not compile, as if nothing had been wrapped around it or put in place of '@'.
local function plain_message(text, chunkname, message)
  local first, last = text:find(PROLOGUE, 1, true)
  local bare = text:sub(1, first - 1) .. text:sub(last + 1, -#EPILOGUE - 1)
  local fn, own = raw_load(bare, chunkname, "t")
  return ((fn and message or own):gsub("near '_at'$", "near '@'"))
end

--- Compiles text; bytecode is refused.
---@param source string
---@param chunkname string as for load
---@param ... table|nil environment
---@return function|nil, string|nil message
function loader.compile(source, chunkname, ...)
  if source:byte(1) == 27 then return nil, shown_name(chunkname) .. ": bytecode is refused: give source text" end
  local text, sites, line, column = expand(source)
  if text == nil then return nil, describe(source, chunkname, sites, line, column) end
  if not text then return raw_load(source, chunkname, "t", ...) end
  local outer, message = raw_load(text, chunkname, "t", ...)
  if not outer then return nil, plain_message(text, chunkname, message) end
  return outer(at.chunk(shown_name(chunkname), sites))
end

local function gather(reader)
  local pieces = {}
  while true do
    local ok, piece = pcall(reader)
    if not ok then return nil, piece end
    if piece == nil or piece == "" then return table.concat(pieces) end
    if type(piece) ~= "string" then return nil, "reader function must return a string" end
    pieces[#pieces + 1] = piece
  end
end

--- load(text or reader, name, mode, env), with `@`.
function loader.load(chunk, name, mode, ...)
  if mode and not tostring(mode):find("t", 1, true) then
    return nil, "attempt to load chunk with wrong mode"
  end
  if type(chunk) == "string" then return loader.compile(chunk, name or chunk, ...) end
  if type(chunk) ~= "function" then
    error("bad argument #1 to 'load' (string or function expected, got " .. type(chunk) .. ")", 2)
  end
  local text, message = gather(chunk)
  if not text then return nil, message end
  return loader.compile(text, name or "=(load)", ...)
end

--- loadstring(text, name), with `@`.
function loader.loadstring(text, name)
  if type(text) ~= "string" then
    error("bad argument #1 to 'loadstring' (string expected, got " .. type(text) .. ")", 2)
  end
  return loader.compile(text, name or text)
end

local function read_all(path)
  local file, message = io.stdin, nil
  if path then file, message = io.open(path, "rb") end
  if not file then return nil, "cannot open " .. message end
  local text, why = file:read("*a")
  if path then file:close() end
  if not text then return nil, "cannot read " .. (path or "stdin") .. ": " .. tostring(why) end
  return text
end
loader.read_all = read_all

--- Is there a folder of that name?
function loader.is_directory(path)
  local handle = io.open(path .. "/.", "rb")
  if handle then handle:close() end
  return handle ~= nil
end

--- loadfile(path, mode, env), with `@`.
function loader.loadfile(path, mode, ...)
  local text, message = read_all(path)
  if not text then return nil, message end
  return loader.load(text, path and "@" .. path or "=stdin", mode, ...)
end

return loader

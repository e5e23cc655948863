-- @file: files without ever stopping the loop.

local array = require "tusk.array"
local check = require "tusk.check"
local core = require "tusk.core"
local dots = require "tusk.dots"
local errors = require "tusk.errors"
local pieces = require "tusk.file.pieces"
local raw = require "tusk.binding.file"
local writer = require "tusk.file.writer"

local settle, within = core.settle, core.within

local WHOLE_MAX = 64 * 1024 * 1024

local file = {}

local options = {
  read = { "timeout", "max", "special", "fifo" },
  write = { "timeout", "mode", "special" },
  write_atomic = { "timeout", "mode" },
  read_json = { "timeout", "max", "depth" },
  write_json = { "timeout", "mode", "pretty", "sort", "depth" },
  lines = { "timeout", "max", "special", "fifo" },
  chunks = { "timeout", "special", "fifo" },
  plain = { "timeout" },
  metadata = { "timeout", "follow" },
  rename = { "timeout", "replace" },
  remove = { "timeout", "recursive", "missing_ok" },
  mkdir = { "timeout", "parents", "mode" },
}

-- Every verb has a path first: one that was called with a colon has the namespace there.
local function path_check(name, path)
  if type(path) == "string" then return end
  dots.check("file", file, path, "read(path)")
  check.string(name, path)
end

local function flags_check(opts, ...)
  for i = 1, select("#", ...) do
    local name = select(i, ...)
    check.opt_boolean(name, opts[name])
  end
end

-- Permission bits: 384 or its usual writing, "600".
local function mode_check(mode)
  if mode == nil then return nil end
  local bits = mode
  if type(mode) == "string" and mode:find("^[0-7]+$") then bits = tonumber(mode, 8) end
  if type(bits) ~= "number" or bits % 1 ~= 0 or bits < 0 or bits > 4095 then
    check.fail("mode must be permission bits such as \"644\", got " .. tostring(mode))
  end
  return bits
end

local function read(...) return settle(raw.read(...)) end
local function write(...) return settle(raw.write(...)) end
local function write_atomic(...) return settle(raw.write_atomic(...)) end
local function read_dir(...) return settle(raw.read_dir(...)) end
local function metadata(...) return settle(raw.metadata(...)) end
local function exists(...) return settle(raw.exists(...)) end
local function rename(...) return settle(raw.rename(...)) end
local function remove(...) return settle(raw.remove(...)) end
local function mkdir(...) return settle(raw.mkdir(...)) end

--- All of a file.
---@param path string
---@param opts { timeout: string|number, max: string|number, special: boolean, fifo: boolean }|nil max: 64 MiB;
---  special: whatever it is; fifo: a FIFO, from when it has a writer until it has none
---@return string
function file.read(path, opts)
  path_check("path", path)
  if opts == nil then return settle(raw.read(path, WHOLE_MAX)) end
  check.options(opts, options.read)
  pieces.kinds_check(opts)
  local max = check.size("max", opts.max, WHOLE_MAX)
  if opts.special or opts.fifo then return within(opts, pieces.read, path, max, opts.special, opts.fifo) end
  return within(opts, read, path, max)
end

local function put(path, data, opts, append)
  path_check("path", path)
  check.string("data", data)
  if opts == nil then return settle(raw.write(path, data, nil, false, append)) end
  check.options(opts, options.write)
  flags_check(opts, "special")
  return within(opts, write, path, data, mode_check(opts.mode), opts.special, append)
end

--- Replaces what is in a file, or makes it. A failure half-way leaves it half-written.
---@param path string
---@param data string
---@param opts { timeout: string|number, mode: string|integer, special: boolean }|nil
---@return true
function file.write(path, data, opts) return put(path, data, opts, false) end

--- Adds to the end of a file, in one piece, or makes it.
---@param path string
---@param data string
---@param opts { timeout: string|number, mode: string|integer, special: boolean }|nil
---@return true
function file.append(path, data, opts) return put(path, data, opts, true) end

--- Replaces a file so that it is always the old one or the new one, also when the power goes.
---@param path string a link is followed
---@param data string
---@param opts { timeout: string|number, mode: string|integer }|nil mode: as it was
---@return true
function file.write_atomic(path, data, opts)
  path_check("path", path)
  check.string("data", data)
  opts = check.options(opts, options.write_atomic)
  return within(opts, write_atomic, path, data, mode_check(opts.mode))
end

--- Replaces a file in the same way by what comes in pieces: :write(data) for each, then :commit(); :close() gives up.
---@param path string
---@param opts { timeout: string|number, mode: string|integer }|nil timeout: of opening
---@return tusk.file.Writer
function file.writer(path, opts)
  path_check("path", path)
  opts = check.options(opts, options.write_atomic)
  return within(opts, writer.new, path, mode_check(opts.mode))
end

--- The value in a JSON file.
---@param path string
---@param opts { timeout: string|number, max: string|number, depth: integer }|nil
function file.read_json(path, opts)
  path_check("path", path)
  opts = check.options(opts, options.read_json)
  local text = within(opts, read, path, check.size("max", opts.max, WHOLE_MAX))
  return require("tusk.json").decode(text, opts.depth, path)
end

--- Writes a value as JSON, atomically, with a newline at the end.
---@param path string
---@param value any
---@param opts { timeout: string|number, mode: string|integer, pretty: boolean, sort: boolean, depth: integer }|nil
---@return true
function file.write_json(path, value, opts)
  path_check("path", path)
  opts = check.options(opts, options.write_json)
  local mode = mode_check(opts.mode)
  flags_check(opts, "pretty", "sort")
  local text = require("tusk.json").encode(value, opts.pretty, opts.sort, opts.depth)
  return within(opts, write_atomic, path, text .. "\n", mode)
end

--- The lines of a file, without their "\n": `for line in @file.lines(path) do`.
---@param path string
---@param opts { timeout: string|number, max: string|number, special: boolean, fifo: boolean }|nil
---  timeout: of opening and of each read; max: the longest line, 16 MiB
---@return table lines an iterator, with :close()
function file.lines(path, opts)
  path_check("path", path)
  opts = check.options(opts, options.lines)
  pieces.kinds_check(opts)
  return pieces.lines(path, opts)
end

--- The bytes of a file, so many at a time: `for piece in @file.chunks(path, "1MiB") do`. Only the last is shorter;
--- of a FIFO each is what has come.
---@param path string
---@param size string|number|nil 64 KiB
---@param opts { timeout: string|number, special: boolean, fifo: boolean }|nil timeout: of opening and of each read
---@return table chunks an iterator, with :close()
function file.chunks(path, size, opts)
  path_check("path", path)
  if type(size) == "table" then
    check.fail("size: a size expected before the options, got a table", { argument = "size" })
  end
  opts = check.options(opts, options.chunks)
  pieces.kinds_check(opts)
  return pieces.chunks(path, size, opts)
end

--- What is in a folder, sorted by name, as {name, path, type}. Links are not followed.
---@param path string
---@param opts { timeout: string|number }|nil
---@return { name: string, path: string, type: string }[]
function file.read_dir(path, opts)
  path_check("path", path)
  local list = within(check.options(opts, options.plain), read_dir, path)
  return #list == 0 and array(list) or list
end

--- What is known of a path, or nil when there is no such path.
---@param path string
---@param opts { timeout: string|number, follow: boolean }|nil follow = false: of the link itself
---@return { size: integer, type: string, mode: integer, modified: number }|nil
function file.metadata(path, opts)
  path_check("path", path)
  opts = check.options(opts, options.metadata)
  flags_check(opts, "follow")
  return within(opts, metadata, path, opts.follow ~= false)
end

--- Whether there is such a path; false for a link that leads nowhere.
---@param path string
---@param opts { timeout: string|number }|nil
---@return boolean
function file.exists(path, opts)
  path_check("path", path)
  return within(check.options(opts, options.plain), exists, path)
end

--- Gives a path another name. What has that name is replaced, unless replace = false.
---@param from string
---@param to string
---@param opts { timeout: string|number, replace: boolean }|nil
---@return true
function file.rename(from, to, opts)
  path_check("from", from)
  path_check("to", to)
  opts = check.options(opts, options.rename)
  flags_check(opts, "replace")
  return within(opts, rename, from, to, opts.replace ~= false)
end

local function remove_missing_ok(path, recursive)
  local ok, err = pcall(remove, path, recursive)
  if ok then return true end
  if errors.is(err, "file.not_found") then return false end
  error(err, 0)
end

--- Removes a file, an empty folder, or with recursive = true a folder and all in it.
---@param path string a link is removed, not what it leads to
---@param opts { timeout: string|number, recursive: boolean, missing_ok: boolean }|nil
---@return boolean removed false only when it was missing and missing_ok = true
function file.remove(path, opts)
  path_check("path", path)
  opts = check.options(opts, options.remove)
  flags_check(opts, "recursive", "missing_ok")
  if opts.recursive and (path:find("^[./]*$") or ("/" .. path):find("/%.%.?/*$")) then
    check.fail(("path \"%s\" cannot be removed with all in it: name the folder"):format(path))
  end
  return within(opts, opts.missing_ok and remove_missing_ok or remove, path, opts.recursive)
end

--- Makes a folder, with parents = true also those it is to be in.
---@param path string
---@param opts { timeout: string|number, parents: boolean, mode: string|integer }|nil
---@return boolean made false when it was there (only with parents = true)
function file.mkdir(path, opts)
  path_check("path", path)
  opts = check.options(opts, options.mkdir)
  flags_check(opts, "parents")
  return within(opts, mkdir, path, opts.parents, mode_check(opts.mode))
end

return file

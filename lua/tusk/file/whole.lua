-- whole.lua: files read and written as a whole.
local args = require "tusk.file.args"
local check = require "tusk.check"
local core = require "tusk.core"
local handles = require "tusk.file.handles"
local kernel = require "tusk.kernel"
local raw = require "tusk.binding.file"
local writer = require "tusk.file.writer"

local settle, within = core.settle, core.within

local LIMIT = kernel.limits.max_file -- the embedding program's
local WHOLE_MAX = math.min(64 * 1024 * 1024, LIMIT)

local options = {
  read = { "timeout", "max", "special", "fifo" },
  write = { "timeout", "mode", "special" },
  write_atomic = { "timeout", "mode" },
  read_json = { "timeout", "max", "depth" },
  write_json = { "timeout", "mode", "pretty", "sort", "depth" },
}

local whole = {}

local function read(...) return settle(raw.read(...)) end
local function write(...) return settle(raw.write(...)) end
local function write_atomic(...) return settle(raw.write_atomic(...)) end

--- All of a file.
---@param at tusk.file.At
---@param path string
---@param opts { timeout: string|number, max: string|number, special: boolean, fifo: boolean }|nil max: 64 MiB;
---  special: whatever it is; fifo: a FIFO, from when it has a writer until it has none
---@return string
function whole.read(at, path, opts)
  args.path(at, "path", path)
  if opts == nil then return settle(raw.read(at.root, path, WHOLE_MAX)) end
  check.options(opts, options.read)
  args.kinds(opts)
  local max = check.size_within("max", opts.max, WHOLE_MAX, LIMIT)
  if opts.special or opts.fifo then return within(opts, handles.read, at.root, path, max, opts.special, opts.fifo) end
  return within(opts, read, at.root, path, max)
end

local function put(at, path, data, opts, append)
  args.path(at, "path", path)
  check.string("data", data)
  if opts == nil then return settle(raw.write(at.root, path, data, nil, false, append)) end
  check.options(opts, options.write)
  args.flags(opts, "special")
  return within(opts, write, at.root, path, data, args.mode(opts.mode), opts.special, append)
end

--- Replaces what is in a file, or makes it. A failure half-way leaves it half-written.
---@param at tusk.file.At
---@param path string
---@param data string
---@param opts { timeout: string|number, mode: string|integer, special: boolean }|nil
---@return true
function whole.write(at, path, data, opts) return put(at, path, data, opts, false) end

--- Adds to the end of a file, in one piece, or makes it.
---@param at tusk.file.At
---@param path string
---@param data string
---@param opts { timeout: string|number, mode: string|integer, special: boolean }|nil
---@return true
function whole.append(at, path, data, opts) return put(at, path, data, opts, true) end

--- Replaces a file so that it is always the old one or the new one, also when the power goes.
---@param at tusk.file.At
---@param path string a link is followed
---@param data string
---@param opts { timeout: string|number, mode: string|integer }|nil mode: as it was
---@return true
function whole.write_atomic(at, path, data, opts)
  args.path(at, "path", path)
  check.string("data", data)
  opts = check.options(opts, options.write_atomic)
  return within(opts, write_atomic, at.root, path, data, args.mode(opts.mode))
end

--- Replaces a file in the same way by what comes in pieces: :write(data) for each, then :commit(); :close() gives up.
---@param at tusk.file.At
---@param path string
---@param opts { timeout: string|number, mode: string|integer }|nil timeout: of opening
---@return tusk.file.Writer
function whole.writer(at, path, opts)
  args.path(at, "path", path)
  opts = check.options(opts, options.write_atomic)
  return within(opts, writer.new, at, path, args.mode(opts.mode))
end

--- The value in a JSON file.
---@param at tusk.file.At
---@param path string
---@param opts { timeout: string|number, max: string|number, depth: integer }|nil
function whole.read_json(at, path, opts)
  args.path(at, "path", path)
  opts = check.options(opts, options.read_json)
  local text = within(opts, read, at.root, path, check.size_within("max", opts.max, WHOLE_MAX, LIMIT))
  return require("tusk.json").decode(text, opts.depth, path)
end

--- Writes a value as JSON, atomically, with a newline at the end.
---@param at tusk.file.At
---@param path string
---@param value any
---@param opts { timeout: string|number, mode: string|integer, pretty: boolean, sort: boolean, depth: integer }|nil
---@return true
function whole.write_json(at, path, value, opts)
  args.path(at, "path", path)
  opts = check.options(opts, options.write_json)
  local mode = args.mode(opts.mode)
  args.flags(opts, "pretty", "sort")
  local text = require("tusk.json").encode(value, opts.pretty, opts.sort, opts.depth)
  return within(opts, write_atomic, at.root, path, text .. "\n", mode)
end

return whole

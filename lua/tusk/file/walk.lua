-- walk.lua: all that is in a folder and below, one after the other.
local args = require "tusk.file.args"
local check = require "tusk.check"
local core = require "tusk.core"
local errors = require "tusk.errors"
local glob = require "tusk.file.glob"
local handles = require "tusk.file.handles"
local raw = require "tusk.binding.file"
local streamed = require "tusk.streamed"

local settle, within = core.settle, core.within

local OPTIONS = { "timeout", "glob", "depth", "on_error" }
local DEEPEST = 2 ^ 31

-- __collects: what is left open is closed by collection.
local Walk = streamed.extend({ __name = "walk", __collects = true }, "a walk")
Walk.__index = Walk

local walk = {}

local function next_entries(handle) return settle(raw.walk_next(handle)) end

-- A folder could not be read: the walk is over, unless that was foreseen.
local function failed(self, err)
  self.err = false
  if self.on_error == "skip" then return end
  if self.on_error ~= "raise" then return self.on_error(err) end
  self:close()
  self.broken = err
  error(err, 0)
end

-- Are there more entries?
local function refill(self)
  if self.broken then errors.rethrow(self.broken) end
  if self.err then failed(self, self.err) end
  if not self.handle then return false end
  local list, err = within(self.opts, next_entries, self.handle)
  if not list then
    self:close()
    return false
  end
  self.list, self.at, self.err = list, 0, err or false
  return true
end

function Walk:__call()
  while true do
    local at = self.at + 1
    local entry = self.list[at]
    if entry then
      self.at = at
      return entry
    end
    if not refill(self) then return nil end
  end
end

--- Ends the walk. Again: no effect.
function Walk:close()
  if self.handle then raw.walk_close(self.handle) end
  self.handle, self.list, self.at = false, {}, 0 -- not nil: that would be looked up among the methods
end

local function on_error_check(v)
  if v == nil or v == "raise" or v == "skip" then return v or "raise" end
  if not check.is_callable(v) then
    check.fail('on_error: "raise", "skip" or a function expected, got ' .. tostring(v), { argument = "on_error" })
  end
  return v
end

local function depth_check(depth)
  if depth == nil then return DEEPEST end
  if check.integer("depth", depth) < 1 then
    check.fail(("depth: at least 1, the folder's own entries, got %d"):format(depth), { argument = "depth" })
  end
  return math.min(depth, DEEPEST)
end

--- All that is in a folder and in those below, as {name, path, type}: `for entry in @file.walk(path) do`. A folder comes
--- before what is in it, and otherwise in the file system's own order. Links are not followed.
---@param at tusk.file.At
---@param path string
---@param opts { timeout: string|number, glob: string, depth: integer, on_error: "raise"|"skip"|function }|nil
---  timeout: of opening and of each read; on_error: a folder cannot be read
---@return table walk an iterator, with :close()
function walk.walk(at, path, opts)
  args.path(at, "path", path)
  opts = check.options(opts, OPTIONS)
  local on_error, depth = on_error_check(opts.on_error), depth_check(opts.depth)
  local patterns, deepest = nil, depth
  if opts.glob ~= nil then patterns, deepest = glob.compile(opts.glob) end
  local handle = within(opts, handles.open, raw.walk, at.root, path, math.min(depth, deepest), patterns)
  return setmetatable({
    handle = handle, opts = opts, on_error = on_error, list = {}, at = 0, err = false, broken = false,
  }, Walk)
end

return walk

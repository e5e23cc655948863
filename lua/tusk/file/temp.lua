-- temp.lua: files for a while, and what was left of those whose program was killed.
local args = require "tusk.file.args"
local check = require "tusk.check"
local core = require "tusk.core"
local raw = require "tusk.binding.file"

local settle, within = core.settle, core.within

local OPTIONS = { "directory", "parent", "suffix" }
local SWEEP = { "timeout", "recursive" }

local temp = {}

local function sweep(...) return settle(raw.sweep(...)) end

local function remove(handle) return settle(raw.temp_remove(handle)) end

-- Read-only folders in it, and files of others, are reasons to fail; that it is gone already is none.
local function removed(handle)
  local ok, err = pcall(remove, handle)
  raw.temp_close(handle)
  if not ok then error(err, 0) end
end

local function suffix_check(suffix)
  if suffix == nil then return "" end
  if check.string("suffix", suffix):find("[/%z]") then
    check.fail(("suffix: the end of a name expected, got %q"):format(suffix), { argument = "suffix" })
  end
  return suffix
end

--- fn(path) with an empty file that nobody else has, or with directory = true a folder; then it is removed, however fn
--- ends, from the folder that it was made in, whatever became of that one's name. What fn has started ends before.
---@param at tusk.file.At
---@param opts { directory: boolean, parent: string, suffix: string }|nil parent: the folder to make it in
---@param fn fun(path: string): ...
---@return any ... what fn returns
function temp.temp(at, opts, fn)
  args.colon(at, opts, "temp(fn)")
  if fn == nil and check.is_callable(opts) then opts, fn = nil, opts end
  opts = check.options(opts, OPTIONS)
  check.callable("fn", fn)
  args.flags(opts, "directory")
  local suffix = suffix_check(opts.suffix)
  local parent = check.opt_string("parent", opts.parent) or at.root and "." or core.env.TMPDIR or "/tmp"
  return core.scope(nil, function(s)
    local handle, path = settle(raw.temp(at.root, parent, suffix, opts.directory))
    s:defer(function() removed(handle) end)
    return fn(path)
  end)
end

--- Removes what atomic writes, copies and @file.temp have left in a folder because their program was killed. What a
--- program that lives is working on stays.
---@param at tusk.file.At
---@param path string the folder
---@param opts { timeout: string|number, recursive: boolean }|nil recursive: in those below as well
---@return integer removed
function temp.sweep(at, path, opts)
  args.path(at, "path", path)
  opts = check.options(opts, SWEEP)
  args.flags(opts, "recursive")
  return within(opts, sweep, at.root, path, opts.recursive)
end

return temp

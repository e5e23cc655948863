-- names.lua: folders, names and what is known of them.
local args = require "tusk.file.args"
local array = require "tusk.array"
local check = require "tusk.check"
local core = require "tusk.core"
local errors = require "tusk.errors"
local raw = require "tusk.binding.file"

local settle, within = core.settle, core.within

local options = {
  plain = { "timeout" },
  metadata = { "timeout", "follow" },
  rename = { "timeout", "replace" },
  remove = { "timeout", "recursive", "missing_ok" },
  mkdir = { "timeout", "parents", "mode" },
  copy = { "timeout", "recursive", "replace" },
}

local names = {}

local function read_dir(...) return settle(raw.read_dir(...)) end
local function metadata(...) return settle(raw.metadata(...)) end
local function exists(...) return settle(raw.exists(...)) end
local function rename(...) return settle(raw.rename(...)) end
local function remove(...) return settle(raw.remove(...)) end
local function copy(...) return settle(raw.copy(...)) end
local function mkdir(...) return settle(raw.mkdir(...)) end

--- What is in a folder, sorted by name, as {name, path, type}. Links are not followed.
---@param at tusk.file.At
---@param path string
---@param opts { timeout: string|number }|nil
---@return { name: string, path: string, type: string }[]
function names.read_dir(at, path, opts)
  args.path(at, "path", path)
  local list = within(check.options(opts, options.plain), read_dir, at.root, path)
  return #list == 0 and array(list) or list
end

--- What is known of a path, or nil when there is no such path.
---@param at tusk.file.At
---@param path string
---@param opts { timeout: string|number, follow: boolean }|nil follow = false: of the link itself
---@return { size: integer, type: string, mode: integer, modified: number }|nil
function names.metadata(at, path, opts)
  args.path(at, "path", path)
  opts = check.options(opts, options.metadata)
  args.flags(opts, "follow")
  return within(opts, metadata, at.root, path, opts.follow ~= false)
end

--- Whether there is such a path; false for a link that leads nowhere.
---@param at tusk.file.At
---@param path string
---@param opts { timeout: string|number }|nil
---@return boolean
function names.exists(at, path, opts)
  args.path(at, "path", path)
  return within(check.options(opts, options.plain), exists, at.root, path)
end

--- Gives a path another name. What has that name is replaced, unless replace = false.
---@param at tusk.file.At
---@param from string
---@param to string
---@param opts { timeout: string|number, replace: boolean }|nil
---@return true
function names.rename(at, from, to, opts)
  args.path(at, "from", from)
  args.path(at, "to", to)
  opts = check.options(opts, options.rename)
  args.flags(opts, "replace")
  return within(opts, rename, at.root, from, to, opts.replace ~= false)
end

--- Copies a file, or with recursive = true a folder and all in it, to another name, where it appears complete or not at
--- all. A file that has that name is replaced, unless replace = false; with recursive = true nothing is, unless replace = true.
---@param at tusk.file.At
---@param from string a link is followed
---@param to string
---@param opts { timeout: string|number, recursive: boolean, replace: boolean }|nil
---@return true
function names.copy(at, from, to, opts)
  args.path(at, "from", from)
  args.path(at, "to", to)
  opts = check.options(opts, options.copy)
  args.flags(opts, "recursive", "replace")
  local keep = opts.replace == false or opts.recursive and not opts.replace
  return within(opts, copy, at.root, from, to, opts.recursive, keep)
end

local function remove_missing_ok(...)
  local ok, err = pcall(remove, ...)
  if ok then return true end
  if errors.is(err, "file.not_found") then return false end
  error(err, 0)
end

--- Removes a file, an empty folder, or with recursive = true a folder and all in it.
---@param at tusk.file.At
---@param path string a link is removed, not what it leads to
---@param opts { timeout: string|number, recursive: boolean, missing_ok: boolean }|nil
---@return boolean removed false only when it was missing and missing_ok = true
function names.remove(at, path, opts)
  args.path(at, "path", path)
  opts = check.options(opts, options.remove)
  args.flags(opts, "recursive", "missing_ok")
  if opts.recursive and (path:find("^[./]*$") or ("/" .. path):find("/%.%.?/*$")) then
    check.fail(("path \"%s\" cannot be removed with all in it: name the folder"):format(path))
  end
  return within(opts, opts.missing_ok and remove_missing_ok or remove, at.root, path, opts.recursive)
end

--- Makes a folder, with parents = true also those it is to be in.
---@param at tusk.file.At
---@param path string
---@param opts { timeout: string|number, parents: boolean, mode: string|integer }|nil
---@return boolean made false when it was there (only with parents = true)
function names.mkdir(at, path, opts)
  args.path(at, "path", path)
  opts = check.options(opts, options.mkdir)
  args.flags(opts, "parents")
  return within(opts, mkdir, at.root, path, opts.parents, args.mode(opts.mode))
end

return names

-- watch.lua: what changes in a folder, or in a file, as a stream.
local args = require "tusk.file.args"
local check = require "tusk.check"
local core = require "tusk.core"
local errors = require "tusk.errors"
local folders = require "tusk.file.watched"
local handles = require "tusk.file.handles"
local raw = require "tusk.binding.file"
local streamed = require "tusk.streamed"

local settle, within = core.settle, core.within

local OPTIONS = { "timeout", "recursive" }
local BUFFER = 64 * 1024
local PAIR = 0.002 -- seconds: the two halves of a renaming are told one right after the other

-- __collects: what is left open is closed by collection.
local Watch = streamed.extend({ __name = "watch", __collects = true }, "a watch of files")
Watch.__index = Watch

local watch = {}

local function chunk(stream) return settle(raw.chunk(stream, BUFFER)) end
local function more(stream) return settle(raw.watch_more(stream)) end

---@class tusk.file.Change
---@field change "created"|"changed"|"removed"|"renamed"|"overflow"
---@field path string|nil
---@field from string|nil what it was renamed from
---@field directory true|nil

-- Says so; a change of what was changed already, and nobody has seen, is one change.
local function say(self, change, path, directory, from)
  local last = self.latest[path]
  if change == "changed" and last == "changed" then return end
  self.latest[path] = change
  self.n = self.n + 1
  self.changes[self.n] = { change = change, path = path, from = from, directory = directory }
end

local function over(self)
  self.ended = true
  raw.close(self.stream)
end

-- The other half of a renaming, if it is there.
local function partner(self, cookie)
  for j = self.i + 1, #self.events do
    local e = self.events[j]
    if e.moved_to and e.cookie == cookie then return e end
  end
end

-- What write_atomic and the like are still writing is nobody's business.
local function wanted(self, name)
  if self.only then return self.only == name end
  return not name:find("^%..+%.tusk%-%x%x%x%x%x%x%x%x%.tmp$")
end

local function removed(self, path, e)
  self.there = not self.only
  say(self, "removed", path, e.directory)
end

-- A file that has been written elsewhere has its name now; whether another had it is known only of the one watched.
local function put_in_place(self, path)
  say(self, self.there and "changed" or "created", path)
  self.there = true
end

local function renamed(self, from, e)
  local other = partner(self, e.cookie)
  local path = other and folders.path_of(self, other)
  if not path then
    if e.directory then folders.forget(self, from) end
    if wanted(self, e.name) then removed(self, from, e) end
    return
  end
  other.done = true
  if e.directory then folders.move(self, from, path) end
  if not wanted(self, other.name) then
    if wanted(self, e.name) then removed(self, from, e) end
  elseif wanted(self, e.name) then say(self, "renamed", path, e.directory, from)
  else put_in_place(self, path) end
end

local function arrived(self, path, e)
  if not wanted(self, e.name) or folders.told(self, path) then return end
  if e.directory and self.recursive then
    local found = folders.add_all(self, path) -- may wait, and be cancelled: nothing has been said before
    say(self, "created", path, true)
    for _, entry in ipairs(found) do say(self, "created", entry.path, entry.type == "directory" or nil) end
  elseif self.only then put_in_place(self, path)
  else
    say(self, "created", path, e.directory)
  end
end

-- What the whole watch is about, or nothing in particular.
local function special(self, e)
  if e.overflow then
    folders.start(self)
    self.latest = {}
    self.n = self.n + 1
    self.changes[self.n] = { change = "overflow" }
  elseif (e.gone or e.ignored) and e.watch == self.top then
    if not self.only then say(self, "removed", self.path, true) end
    over(self)
  elseif e.ignored then
    folders.drop(self, e.watch)
  end
end

local function event(self, e)
  local path = e.name and folders.path_of(self, e)
  if not path then return special(self, e) end
  if e.moved_from then return renamed(self, path, e) end
  if e.created or e.moved_to then return arrived(self, path, e) end
  if not wanted(self, e.name) then return end
  if e.removed then return removed(self, path, e) end
  say(self, "changed", path, e.directory)
end

-- Each event is done with once it was gone through: who is cancelled in the middle of one begins it again.
local function digest(self)
  while self.i <= #self.events and not self.ended do
    local e = self.events[self.i]
    if not e.done then event(self, e) end
    self.i = self.i + 1
  end
end

local function take(self, bytes)
  for _, e in ipairs(raw.watch_events(bytes)) do self.events[#self.events + 1] = e end
end

local function read(self)
  self.events, self.i = {}, 1
  local bytes = more(self.stream)
  if not bytes then
    folders.settle(self)
    bytes = chunk(self.stream)
  end
  take(self, bytes)
end

local function refill(self)
  self.changes, self.n, self.at, self.latest = {}, 0, 0, {}
  if self.i > #self.events then read(self) end
  local last = self.events[#self.events]
  if last and last.moved_from and not last.waited then
    core.sleep(PAIR, true)
    last.waited = true
    local bytes = more(self.stream)
    if bytes then take(self, bytes) end
  end
  digest(self)
end

--- The next change; nil once what is watched is gone.
---@return tusk.file.Change|nil
function Watch:__call()
  while true do
    local at = self.at + 1
    local change = self.changes[at]
    if change then
      self.at = at
      return change
    end
    if self.ended then return nil end
    within(self.opts, refill, self)
  end
end

--- Ends the watch. Again: no effect.
function Watch:close()
  if not self.ended then over(self) end
  self.changes, self.at = {}, 0
end

-- A file is watched in its folder: most programs put a new one in its place.
local function target(at, path)
  local found = settle(raw.metadata(at.root, path, true))
  if not found then
    errors.raise("file.not_found", ("cannot watch %q: no such file or directory (ENOENT)"):format(path),
      { path = path, errno = "ENOENT" })
  end
  if found.type == "directory" then return path end
  local folder, name = path:match("^(.*/)([^/]+)$")
  return folder or ".", name or path
end

local function begin(at, path, recursive)
  local folder, only = target(at, path)
  if only and recursive then
    check.fail(("recursive: %q is no folder"):format(path), { argument = "recursive" })
  end
  local self = setmetatable({
    stream = handles.open(raw.watch_open, path), root = at.root or false, path = folder, only = only or false, recursive = recursive or false,
    changes = {}, n = 0, at = 0, latest = {}, events = {}, i = 1, ended = false, opts = false,
    folders = {}, seen = {}, there = true,
  }, Watch)
  local ok, e = pcall(folders.start, self)
  if not ok then
    over(self)
    errors.rethrow(e)
  end
  return self
end

--- What changes in a folder, with recursive = true also in those below, or in a file: `for change in @file.watch(path) do`.
--- It is told from now on, until what is watched is gone.
---@param at tusk.file.At
---@param path string
---@param opts { timeout: string|number, recursive: boolean }|nil timeout: of the beginning and of each wait
---@return table watch an iterator of tusk.file.Change, with :close()
function watch.watch(at, path, opts)
  args.path(at, "path", path)
  opts = check.options(opts, OPTIONS)
  args.flags(opts, "recursive")
  local self = within(opts, begin, at, path, opts.recursive)
  self.opts = opts
  return self
end

return watch

-- file_processor: files of one folder, transformed one by one, written atomically to another, or given back. See README.md.
local directory = require "tusk.plugins.file_processor.directory"
local lines = require "tusk.plugins.file_processor.lines"
local tusk = require "tusk"

local check, text = tusk.check, tusk.text
local file_processor = {}

---@class tusk.file_processor.Options
---@field from string|nil the folder that files are read from, "."
---@field to string|nil the folder they are written to; without it results are returned
---@field transform string|fun(content: string, file: table): string|nil a name or a function; what it gives nil for is left out
---@field glob string|nil which files of a folder
---@field depth integer|nil how deep below the folder
---@field max_size string|integer|nil of one file, "64MiB"
---@field concurrency integer|nil how many files at a time, 8
---@field progress boolean|function|nil a bar on a terminal, or fn{ count, total, rate, elapsed, done }

---@class tusk.file_processor.Result
---@field path string below `from`
---@field size integer bytes that were read
---@field modified number Unix seconds
---@field content string|nil what came of it, unless it was written
---@field written integer|nil bytes that were written
---@field skipped boolean|nil the transformation left it out

local OPTIONS = { "from", "to", "transform", "glob", "depth", "max_size", "concurrency", "progress" }

local transforms = {}

--- Lines trimmed, blank ones left out.
function transforms.clean(content) return text.clean(content) end

--- White space at the ends of lines taken off, one newline at the end.
function transforms.tidy(content)
  return text.clean(content, { trim = "end", drop_blanks = false, ending = "\n" })
end

--- As it is.
function transforms.copy(content) return content end

--- The names of those that there are.
file_processor.TRANSFORMS = { "clean", "copy", "tidy" }

local function transform_of(v)
  if v == nil then return transforms.clean end
  if check.is_callable(v) then return v end
  local known = type(v) == "string" and transforms[v]
  if known then return known end
  local hint, near = check.hint(tostring(v), file_processor.TRANSFORMS)
  check.fail(("transform: a function, or one of %s expected, got %s%s"):format(table.concat(file_processor.TRANSFORMS, ", "),
    tostring(v), hint), { argument = "transform", suggestion = near })
end

local function open(opts)
  check.options(opts, OPTIONS)
  local width = check.opt_integer("concurrency", opts.concurrency) or 8
  if width < 1 then check.fail("concurrency: at least 1 is needed, got " .. width, { argument = "concurrency" }) end
  local self = {
    transform = transform_of(opts.transform), max = check.size("max_size", opts.max_size, 64 * 2 ^ 20),
    glob = check.opt_string("glob", opts.glob), depth = check.opt_integer("depth", opts.depth),
    concurrency = width, progress = opts.progress,
  }
  self.from = @file.root(check.opt_string("from", opts.from) or ".")
  self.from_path = opts.from or "."
  if check.opt_string("to", opts.to) then
    @file.mkdir(opts.to, { parents = true })
    self.to, self.to_path = @file.root(opts.to), opts.to
  end
  return self
end

-- Written whole or not at all; its folder is made when it turns out to be missing.
local function put(self, path, content)
  local _, err = @try(self.to.write_atomic, path, content)
  local folder = path:match("^(.*)/[^/]*$")
  if not err then return end
  if err.kind ~= "file.not_found" or not folder then error(err, 0) end
  self.to.mkdir(folder, { parents = true })
  self.to.write_atomic(path, content)
end

local function transformed(fn, content, file)
  local out = fn(content, file)
  if out ~= nil and type(out) ~= "string" then
    check.fail(("transform: a string expected, or nil to leave the file out, got a %s"):format(type(out)), { argument = "transform" })
  end
  return out
end

-- One file, from end to end.
---@return tusk.file_processor.Result
local function process_file(self, path, fn)
  local about = self.from.metadata(path)
  local content = self.from.read(path, { max = self.max })
  local result = { path = path, size = #content, modified = about and about.modified }
  local out = transformed(fn, content, result)
  if out == nil then
    result.skipped = true
  elseif self.to then
    put(self, path, out)
    result.written = #out
  else
    result.content = out
  end
  return result
end

local function need_to(self, call)
  if not self.to then check.fail(call .. ": there is no folder to write to: say `to`", { argument = "to" }) end
end

--- Functions that are called with a dot.
---@param opts tusk.file_processor.Options|nil
---@param processor table|nil what they are put into
function file_processor.new(opts, processor)
  processor = processor or {}
  local self = open(check.opt_table("options", opts) or {})
  self.process_file = process_file

  --- A file of `from` as it is.
  function processor.read(path)
    check.dotted(path, "read(path)")
    return self.from.read(check.string("path", path), { max = self.max })
  end

  --- Writes a file of `to`: the old one or the new one is there, never half of it.
  function processor.write(path, content)
    check.dotted(path, "write(path, content)")
    need_to(self, "write")
    put(self, check.string("path", path), check.string("content", content))
    return true
  end

  --- What the transformation makes of a text.
  ---@param content string
  ---@param transform string|function|nil another one
  ---@return string|nil
  function processor.process(content, transform)
    check.dotted(content, "process(content)")
    check.string("content", content)
    return transformed(transform == nil and self.transform or transform_of(transform), content, {})
  end

  --- Reads, transforms, and writes or gives back one file.
  ---@param path string below `from`
  ---@param more { transform: string|function|nil }|nil
  ---@return tusk.file_processor.Result
  function processor.process_file(path, more)
    check.dotted(path, "process_file(path)")
    check.string("path", path)
    local given = check.options(more, { "transform" }).transform
    return process_file(self, path, given == nil and self.transform or transform_of(given))
  end

  --- A file of any size, line by line, in bounded memory: fn(line) gives what takes its place, nil for nothing.
  ---@param path string below `from`, and below `to`
  ---@param fn fun(line: string): string|nil
  ---@return integer lines that were written, integer bytes
  function processor.process_lines(path, fn)
    check.dotted(path, "process_lines(path, fn)")
    check.string("path", path)
    check.callable("fn", fn)
    need_to(self, "process_lines")
    return lines(self, path, fn)
  end

  --- All files of a folder and those below it, so many at a time.
  ---@param path string|nil below `from`, all of it unless given
  ---@param more table|nil see directory.lua
  ---@return tusk.file_processor.Report
  function processor.process_directory(path, more)
    check.dotted(path, "process_directory(path)")
    return directory(self, check.opt_string("path", path) or ".", more, transform_of)
  end

  return setmetatable(processor, { __namespace = true, __index = function(_, name)
    check.no_field("a file processor", name, processor, {})
  end })
end

return file_processor

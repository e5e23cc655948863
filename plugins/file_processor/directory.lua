-- directory: all files of a folder, side by side and bounded; what fails is listed, the rest goes on.
local progress = require "tusk.plugins.file_processor.progress"
local tusk = require "tusk"

local check = tusk.check
local MAX_KEPT = 64 * 2 ^ 20 -- bytes of results that are given back

---@class tusk.file_processor.Report
---@field files tusk.file_processor.Result[] by path; none when `each` was given them
---@field count integer how many files were processed
---@field unchanged integer how many were left alone, being no newer than what was written of them
---@field failed { path: string, err: tusk.Error }[] by path; folders that could not be read too
---@field skipped integer how many files the transformation left out
---@field bytes_read integer
---@field bytes_written integer
---@field seconds number
---@field ok boolean nothing has failed

local OPTIONS = { "transform", "glob", "depth", "concurrency", "progress", "each", "on_error", "max_kept", "newer", "timeout" }

local function checked(self, opts, transform_of)
  opts = check.options(opts, OPTIONS)
  if opts.on_error ~= nil and opts.on_error ~= "collect" and opts.on_error ~= "raise" then
    check.fail('on_error: "collect" or "raise" expected', { argument = "on_error" })
  end
  local width = check.opt_integer("concurrency", opts.concurrency) or self.concurrency
  if width < 1 then check.fail("concurrency: at least 1 is needed, got " .. width, { argument = "concurrency" }) end
  local shown = opts.progress
  if shown == nil then shown = self.progress end
  return {
    transform = opts.transform == nil and self.transform or transform_of(opts.transform),
    walk = { glob = check.opt_string("glob", opts.glob) or self.glob, depth = check.opt_integer("depth", opts.depth) or self.depth },
    width = width, progress = shown, each = check.opt_callable("each", opts.each), raise = opts.on_error == "raise",
    newer = check.opt_boolean("newer", opts.newer), max_kept = check.size("max_kept", opts.max_kept, MAX_KEPT),
    timeout = opts.timeout ~= nil and check.duration("timeout", opts.timeout) or nil,
  }
end

local function same(a, b)
  return a and b and a.inode == b.inode and a.device == b.device
end

-- Is `to` the folder that is read? What is written somewhere inside of it would be read again.
local function is_in_place(self)
  if not self.to then return false end
  local from, at = @file.metadata(self.from_path), self.to_path
  if same(from, @file.metadata(at)) then return true end
  local here = @file.metadata(at)
  for _ = 1, 100 do
    at = at .. "/.."
    local above = @file.metadata(at)
    if same(above, from) then
      check.fail(("to: %s is inside of %s: what is written there would be read again"):format(self.to_path, self.from_path),
        { argument = "to" })
    end
    if not above or same(above, here) then return false end
    here = above
  end
  return false
end

-- Files that @file has not given their names yet, or never will.
local function is_temporary(name)
  return name:find("^%..+%.tusk%-%w+%.tmp$") ~= nil
end

local function is_wanted(entry)
  return entry.type == "file" and not is_temporary(entry.name)
end

-- "." and "./a.txt" → "a.txt"; "in" and "./a.txt" → "in/a.txt"
local function path_below(folder, path)
  path = path:gsub("^%./", "")
  return folder == "." and path or folder .. "/" .. path
end

local function note_failure(job, path, err)
  if job.raise then error(err, 0) end
  table.insert(job.report.failed, { path = path, err = err })
end

local function found(job, on_error)
  return job.root.walk(".", { glob = job.walk.glob, depth = job.walk.depth, on_error = on_error }):filter(is_wanted)
end

-- The files, as they are found. In place they are all found first: what is renamed into a folder may be met there again.
local function files(job)
  local list = found(job, function(err) note_failure(job, path_below(job.folder, err.path or "?"), err) end)
  return job.in_place and @stream(list:collect()) or list
end

-- Was it written after the file was changed last? In the same moment is not after.
local function is_unchanged(self, path)
  local written = self.to.metadata(path)
  return written and written.modified > self.from.metadata(path).modified
end

local function process(job, path)
  if job.newer and is_unchanged(job.self, path) then return { path = path, unchanged = true } end
  return job.self.process_file(job.self, path, job.transform)
end

local function one(job, entry)
  local path = path_below(job.folder, entry.path)
  local result, err = @try(process, job, path)
  if result and job.each and not result.unchanged and not result.skipped then
    local _, failed = @try(job.each, result)
    err = failed
  end
  if err and job.raise then error(err, 0) end
  return { path = path, result = not err and result or nil, err = err }
end

local function keep(job, result)
  if job.each then return end
  table.insert(job.report.files, result)
  if not result.content then return end
  job.kept = job.kept + #result.content
  if job.kept <= job.max_kept then return end
  tusk.errors.raise("file_processor.too_large", ("the results are larger than %d bytes: say `to`, `each` or max_kept")
    :format(job.max_kept), { limit = job.max_kept })
end

local function add(report, name, n)
  report[name] = report[name] + n
end

local function note(job, done)
  local report, result = job.report, done.result
  if not result then return note_failure(job, done.path, done.err) end
  if result.unchanged then return add(report, "unchanged", 1) end
  add(report, "bytes_read", result.size)
  if result.skipped then return add(report, "skipped", 1) end
  add(report, "bytes_written", result.written or 0)
  add(report, "count", 1)
  keep(job, result)
end

local function by_path(a, b)
  return a.path < b.path
end

local function finished(report, from)
  table.sort(report.files, by_path)
  table.sort(report.failed, by_path)
  report.seconds, report.ok = @date.clock() - from, report.failed[1] == nil
  return report
end

local function run(job)
  local from = @date.clock()
  local tell = progress.teller(job.progress, function() return found(job, "skip"):count() end)
  @scope(function(s)
    s:defer(tell.clear)
    files(job):map(function(entry) return one(job, entry) end, { concurrency = job.width, ordered = false })
      :progress(tell.step, { every = tell.every })
      :each(function(done) note(job, done) end)
  end)
  return finished(job.report, from)
end

--- see processor.process_directory
---@param opts { transform: string|function|nil, glob: string|nil, depth: integer|nil, concurrency: integer|nil,
---  progress: boolean|function|nil, each: fun(result: table)|nil, on_error: "collect"|"raise"|nil, max_kept: string|integer|nil,
---  newer: boolean|nil, timeout: string|number|nil }|nil
return function(self, folder, opts, transform_of)
  local job = checked(self, opts, transform_of)
  job.self, job.folder, job.kept = self, folder:gsub("(.)/+$", "%1"), 0
  job.report = { files = {}, failed = {}, count = 0, skipped = 0, unchanged = 0, bytes_read = 0, bytes_written = 0 }
  job.root, job.in_place = self.from.root(job.folder), is_in_place(self)
  if job.newer and (not self.to or job.in_place) then
    check.fail("newer: needs another folder to write to, `to`", { argument = "newer" })
  end
  if job.timeout then return @timeout(job.timeout, run, job) end
  return run(job)
end

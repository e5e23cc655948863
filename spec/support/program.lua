-- program.lua: runs programs for specs, the tusk under test first of all. Waits park the task.
--
--   local r = program.run({ "-e", "print(1)" })                 r.status, r.stdout, r.stderr, r.signal
--   program.start({ "run", dir }, {}, function(p)               p is ended when the function is left
--     p:read_until("running")  p:signal("sigterm")  local r = p:wait()
--   end)
local uv = require "luv"
local core = require "tusk.core"

local program = {}

local PATIENCE = 60 -- seconds until a wait is given up; sanitizers are slow

local Process = {}
Process.__index = Process

--- The absolute path of the tusk that is tested.
function program.path()
  local path = os.getenv("TUSK") or "build/tusk"
  return assert(uv.fs_realpath(path), path .. " is not built")
end

local signal_names = {}
for name, number in pairs(uv.constants) do
  if name:find("^SIG[A-Z]") then signal_names[number] = name:lower() end
end

-- This process's environment with some names changed; false removes one.
local function environment(changes)
  local all, list = uv.os_environ(), {}
  for name, value in pairs(changes or {}) do all[name] = value or nil end
  for name, value in pairs(all) do list[#list + 1] = name .. "=" .. value end
  return list
end

local function read_into(self, name)
  local stream = { pipe = uv.new_pipe(false), text = "", taken = 0 }
  self[name] = stream
  return function()
    stream.pipe:read_start(function(err, bytes)
      if bytes then stream.text = stream.text .. bytes end
      stream.ended = err ~= nil or bytes == nil
      if stream.ended then stream.pipe:close() end
      self.changed:wake_all()
    end)
  end
end

local function spawn(args, opts)
  local path = opts.program or program.path()
  local self = setmetatable({ changed = core.Queue.new(), stdin = uv.new_pipe(false) }, Process)
  self.line = path .. " " .. table.concat(args, " ")
  local start_stdout, start_stderr = read_into(self, "stdout"), read_into(self, "stderr")
  local stdio = { self.stdin, self.stdout.pipe, self.stderr.pipe }
  local handle, pid = uv.spawn(path, { args = args, env = environment(opts.env), cwd = opts.cwd, stdio = stdio },
    function(status, signal)
      self.status = signal ~= 0 and 128 + signal or status -- as the shell says it
      self.killed_by = signal ~= 0 and (signal_names[signal] or signal) or nil
      self.handle:close()
      self.changed:wake_all()
    end)
  if not handle then
    for _, pipe in ipairs(stdio) do pipe:close() end
    error(("cannot start %s: %s"):format(path, pid), 0)
  end
  self.handle, self.pid = handle, pid
  start_stdout()
  start_stderr()
  return self
end

local function said(self)
  return ("\nstdout: %s\nstderr: %s"):format(self.stdout.text, self.stderr.text)
end

-- Parks until done() says so; an error that shows the output when that takes too long.
local function wait_until(self, what, done)
  local ok, e = pcall(core.timeout, PATIENCE, function()
    while not done() do self.changed:park() end
  end)
  if ok then return end
  if e.kind ~= "timeout" then error(e, 0) end
  error(("%s: %s took more than %d s%s"):format(self.line, what, PATIENCE, said(self)), 0)
end

local function has_ended(self)
  return self.status and self.stdout.ended and self.stderr.ended
end

-- A sanitizer's report fails the spec, whatever status it expected.
local function refuse_reports(self)
  for _, sign in ipairs { "ERROR: %w+Sanitizer", "runtime error: ", "WARNING: ThreadSanitizer" } do
    if self.stderr.text:find(sign) then error(self.line .. said(self), 0) end
  end
end

--- Sends bytes to its stdin.
function Process:send(bytes)
  self.stdin:write(bytes)
end

--- Ends its stdin, after all that was sent.
function Process:close_stdin()
  if self.stdin:is_closing() then return end
  self.stdin:shutdown(function()
    if not self.stdin:is_closing() then self.stdin:close() end
  end)
end

--- Sends a signal ("sigterm", "sigint", "sigkill" …), unless it has ended.
function Process:signal(name)
  if not self.status then assert(self.handle:kill(name)) end
end

-- The next piece that find(text, from) gives the first and last index of; false when there will be none.
local function take(self, name, what, find)
  local stream, first, last = self[name or "stdout"], nil, nil
  wait_until(self, what, function()
    first, last = find(stream.text, stream.taken + 1)
    return first or stream.ended
  end)
  if not first then return false end
  local from = stream.taken + 1
  stream.taken = last
  return from, last, stream.text
end

--- Parks until a Lua pattern appears in what was not read yet; returns all up to its end.
---@param name? "stdout"|"stderr"
function Process:read_until(pattern, name)
  local from, last, text = take(self, name, "waiting for " .. pattern, function(all, start)
    return all:find(pattern, start)
  end)
  if not from then error(("%s ended without saying %s%s"):format(self.line, pattern, said(self)), 2) end
  return text:sub(from, last)
end

--- The next line, without its end; nil when there are no more.
---@param name? "stdout"|"stderr"
function Process:read_line(name)
  local from, last, text = take(self, name, "waiting for a line", function(all, start)
    return all:find("\n", start, true)
  end)
  if from then return text:sub(from, last - 1) end
end

--- Parks until it has ended and all its output is read.
---@return table { status =, signal = "sigkill" or nil, stdout =, stderr = }
function Process:wait()
  wait_until(self, "its end", function() return has_ended(self) end)
  refuse_reports(self)
  return { status = self.status, signal = self.killed_by, stdout = self.stdout.text, stderr = self.stderr.text }
end

--- Ends it at once, if it still runs.
function Process:stop()
  self:signal("sigkill")
  if not self.stdin:is_closing() then self.stdin:close() end
  wait_until(self, "its end", function() return has_ended(self) end)
end

local function left(self, ok, ...)
  core.shield(self.stop, self)
  if not ok then error((...), 0) end
  return ...
end

--- Starts tusk, or opts.program. With fn: calls fn(process), ends the process, returns fn's results.
---@param args string[]
---@param opts? { program: string, env: table, cwd: string }
function program.start(args, opts, fn)
  local self = spawn(args, opts or {})
  if not fn then return self end
  return left(self, pcall(fn, self))
end

--- Runs it to its end. opts.stdin: what it reads, "" if not given.
---@return table { status =, signal =, stdout =, stderr = }
function program.run(args, opts)
  return program.start(args, opts, function(p)
    if opts and opts.stdin then p:send(opts.stdin) end
    p:close_stdin()
    return p:wait()
  end)
end

return program

-- redis.lua: a private redis-server for specs: its own folder, a unix socket or a free port, ended by its own id.
local uv = require "luv"
local core = require "tusk.core"
local program = require "spec.support.program"
local raw_server = require "spec.support.raw_server"
local temp = require "spec.support.temp"

local redis = {}

local Server = {}
Server.__index = Server

local function path_of()
  for folder in os.getenv("PATH"):gmatch("[^:]+") do
    if uv.fs_access(folder .. "/redis-server", "X") then return folder .. "/redis-server" end
  end
  error("no redis-server on PATH: `make deps-test` installs it", 0)
end

--- Starts it again, after kill, where it was; more: arguments besides those it had. Returns when it says `until_it_says`.
function Server:start(more, until_it_says)
  local args = { unpack(self.args) }
  for _, arg in ipairs(more or {}) do args[#args + 1] = arg end
  self.process = program.start(args, { program = path_of() })
  self.process:read_until(until_it_says or "eady to accept connections")
  return self
end

--- Sends it a signal: "sigstop", "sigcont" …
function Server:signal(name)
  self.process:signal(name)
end

--- Ends it at once, as a crash would; returns when it is gone.
function Server:kill()
  self.process:stop()
end

--- A connection that the server itself is the other end of: its functions are @redis's.
function Server:open(opts)
  return @redis.open(self.url, opts)
end

--- Ends it and removes its folder.
function Server:stop()
  core.shield(function()
    self:kill()
    temp.remove(self.dir)
  end)
end

--- Starts one; returns when it takes connections.
---@param opts? { tcp: boolean, args: string[] } more arguments for redis-server
function redis.start(opts)
  opts = opts or {}
  local self = setmetatable({ dir = temp.new() }, Server)
  self.path = self.dir .. "/redis.sock"
  self.port = opts.tcp and raw_server.free_port() or 0
  self.url = opts.tcp and "redis://127.0.0.1:" .. self.port or "redis+unix://" .. self.path
  self.args = { "--port", tostring(self.port), "--bind", "127.0.0.1", "--unixsocket", self.path, "--dir", self.dir,
    "--save", "", "--appendonly", "no", "--daemonize", "no" }
  for _, arg in ipairs(opts.args or {}) do table.insert(self.args, arg) end
  return self:start()
end

--- fn(server), then it is stopped, whatever happened.
function redis.with(opts, fn)
  local server = redis.start(opts)
  local results = { pcall(fn, server) }
  server:stop()
  if not results[1] then error(results[2], 0) end
  return unpack(results, 2)
end

return redis

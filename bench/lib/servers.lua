-- servers.lua: private servers on loopback, each ended by its own id.
local uv = require "luv"
local core = require "tusk.core"
local peers = require "bench.lib.peers"
local program = require "spec.support.program"
local raw_server = require "spec.support.raw_server"
local temp = require "spec.support.temp"

local servers = {}

local CONF = [[
%(modules)
daemon off;
master_process off;
pid %(dir)/nginx.pid;
error_log %(dir)/error.log warn;
worker_rlimit_nofile 4096;
events { worker_connections 2048; }
http {
  access_log off;
  keepalive_requests 1000000;
  client_body_temp_path %(dir)/body;
  proxy_temp_path %(dir)/proxy;
  fastcgi_temp_path %(dir)/fastcgi;
  uwsgi_temp_path %(dir)/uwsgi;
  scgi_temp_path %(dir)/scgi;
%(http)
  server {
    listen 127.0.0.1:%(port) backlog=2048;
    location = /hello { default_type text/plain; return 200 "hello from nginx\n"; }
%(locations)
  }
}
]]

local function connects(port)
  local answered, ok = core.Queue.new(), nil
  local probe = uv.new_tcp()
  probe:connect("127.0.0.1", port, function(err)
    ok = not err
    answered:wake()
  end)
  core.timeout(5, function()
    while ok == nil do answered:park() end
  end)
  probe:close()
  return ok
end

local function await_ready(p, port, log)
  for _ = 1, 500 do
    if p.status or connects(port) then break end
    core.sleep(0.01)
  end
  assert(not p.status and connects(port), "nginx did not start: " .. temp.read(log))
end

-- command: a list; before: what is put in front of it.
local function start(before, command, fn, env)
  local args = {}
  for _, list in ipairs { before, command } do
    for _, word in ipairs(list) do args[#args + 1] = word end
  end
  return program.start(args, { program = table.remove(args, 1), env = env }, fn)
end

--- Calls fn(url) beside an nginx. before: words before the command. more: modules, http, locations of the configuration, env.
function servers.nginx(before, more, fn)
  local port = raw_server.free_port()
  temp.dir(function(dir)
    local values = { modules = "", http = "", locations = "", dir = dir, port = port }
    for name, text in pairs(more) do values[name] = text end
    values.env = nil
    local conf = temp.write(dir .. "/nginx.conf", (CONF:gsub("%%%((%w+)%)", values)))
    local log = temp.write(dir .. "/error.log", "")
    start(before, { "/usr/sbin/nginx", "-c", conf, "-p", dir }, function(p)
      await_ready(p, port, log)
      fn("http://127.0.0.1:" .. port)
    end, more.env)
  end)
end

local LUA = [[
  lua_package_path "%(root)/usr/share/lua/5.1/?.lua;;";
  lua_max_pending_timers 200000;
  lua_max_running_timers 200000;
  init_by_lua_block {
    local ffi = require "ffi"
    ffi.cdef "struct bench_time { long s, ns; }; int clock_gettime(int, struct bench_time *);"
    local t = ffi.new "struct bench_time"
    function bench_now() -- milliseconds
      ffi.C.clock_gettime(1, t)
      return tonumber(t.s) * 1e3 + tonumber(t.ns) / 1e6
    end
  }
]]

--- Calls fn(url) beside an nginx that runs a Lua file for /run. root: see peers.lua.
function servers.nginx_lua(before, root, file, fn)
  local modules = root .. "/usr/lib/nginx/modules/"
  servers.nginx(before, {
    modules = ("load_module %sndk_http_module.so;\nload_module %sngx_http_lua_module.so;"):format(modules, modules),
    http = (LUA:gsub("%%%((%w+)%)", { root = root })),
    locations = ("location = /run { content_by_lua_file %s; }"):format(assert(uv.fs_realpath(file))),
    env = root ~= "" and { LD_LIBRARY_PATH = root .. "/usr/lib/x86_64-linux-gnu" } or nil,
  }, fn)
end

--- Calls fn(url) beside a redis-server that keeps nothing.
function servers.redis(before, fn)
  local path, port = peers.find("redis-server", "/usr/bin"), raw_server.free_port()
  temp.dir(function(dir)
    local args = { assert(path, "no `redis-server` on PATH"), "--port", port, "--bind", "127.0.0.1", "--dir", dir,
      "--save", "", "--appendonly", "no" }
    for i, arg in ipairs(args) do args[i] = tostring(arg) end
    start(before, args, function(p)
      p:read_until("eady to accept connections")
      fn("redis://127.0.0.1:" .. port)
    end)
  end)
end

--- Calls fn(url) beside a server that takes 50 ms for each answer.
function servers.slow(before, fn)
  return start(before, { program.path(), "bench/lib/slow_server.lua" }, function(p)
    return fn(("http://127.0.0.1:%s/slow"):format(assert(p:read_line(), "no slow server")))
  end)
end

return servers

-- nginx.lua: a private nginx for specs: its own folder, a free port, stopped by its own id.
local uv = require "luv"
local core = require "tusk.core"
local temp = require "spec.support.temp"
local raw_server = require "spec.support.raw_server"

local nginx = {}

local Nginx = {}
Nginx.__index = Nginx

local CONF = [[
daemon off;
master_process off;
pid %(dir)/nginx.pid;
error_log %(dir)/error.log warn;
events { worker_connections 512; }
http {
  log_format seen '$connection $connection_requests $request_method $request_uri $status';
  access_log %(dir)/access.log seen;
  client_body_temp_path %(dir)/body;
  proxy_temp_path %(dir)/proxy;
  fastcgi_temp_path %(dir)/fastcgi;
  uwsgi_temp_path %(dir)/uwsgi;
  scgi_temp_path %(dir)/scgi;
  keepalive_timeout 60s;
  server {
    listen 127.0.0.1:%(port)%(listen);
    root %(dir)/www;
    default_type text/plain;
    location = /ready { access_log off; keepalive_timeout 0; return 204; }
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

local function await_ready(self)
  for _ = 1, 500 do
    if self.exit_code then break end
    if connects(self.port) then return self end
    core.sleep(0.01)
  end
  local log = temp.read(self.dir .. "/error.log")
  self:stop()
  error("nginx did not start: " .. log)
end

--- Starts one; returns when it takes connections.
---@param opts table { locations = text, listen = " ssl", files = { name = content } }
function nginx.start(opts)
  local self = setmetatable({ dir = temp.new(), port = raw_server.free_port(), exited = core.Queue.new() }, Nginx)
  uv.fs_mkdir(self.dir .. "/www", 493)
  temp.write(self.dir .. "/error.log", "")
  for name, content in pairs(opts.files or {}) do temp.write(self.dir .. "/www/" .. name, content) end
  if opts.prepare then opts.prepare(self.dir) end
  local values = { dir = self.dir, port = self.port, listen = opts.listen or "" }
  local function fill(text) return (text:gsub("%%%((%w+)%)", values)) end
  values.locations = fill(opts.locations or "")
  local conf = temp.write(self.dir .. "/nginx.conf", fill(CONF))
  self.process = assert(uv.spawn("/usr/sbin/nginx", { args = { "-c", conf, "-p", self.dir } }, function(code)
    self.exit_code = code
    self.exited:wake_all()
  end))
  self.url = "http://127.0.0.1:" .. self.port
  return await_ready(self)
end

--- What it has answered so far: { { connection, request on it, method, uri, status }, … }
function Nginx:seen()
  local list = {}
  for line in temp.read(self.dir .. "/access.log"):gmatch("[^\n]+") do
    local c, n, method, uri, status = line:match("^(%d+) (%d+) (%S+) (%S+) (%d+)")
    list[#list + 1] = { connection = tonumber(c), request = tonumber(n), method = method, uri = uri, status = tonumber(status) }
  end
  return list
end

function Nginx:stop()
  if not self.exit_code then
    self.process:kill("sigterm")
    core.timeout(10, function()
      while not self.exit_code do self.exited:park() end
    end)
  end
  self.process:close()
  temp.remove(self.dir)
end

return nginx

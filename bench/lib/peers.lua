-- peers.lua: who takes part. `file`: its program in a workload's folder; `command`: what runs that; `of`: the peer that it
-- is in another form, for some workloads.
local uv = require "luv"
local program = require "spec.support.program"

local peers = {}

--- The path of a program on PATH or in one of the folders given; nil when there is none.
function peers.find(name, ...)
  local folders = { ... }
  for folder in os.getenv("PATH"):gmatch("[^:]+") do folders[#folders + 1] = folder end
  for _, folder in ipairs(folders) do
    if uv.fs_access(folder .. "/" .. name, "X") then return folder .. "/" .. name end
  end
end

--- What a command prints, its first line; "" when it fails.
function peers.ask(path, ...)
  local ok, r = pcall(program.run, { ... }, { program = path })
  return ok and (r.stdout .. r.stderr):match("[^\n]*") or ""
end

local LUV = [[print(jit.version .. ", luv " .. require("luv").version_string())]]

-- Each: name, path or nil and why it is missing, version.
local function tusk()
  local path = program.path()
  return { name = "Tusk", file = "tusk.lua", command = { path }, version = peers.ask(path, "version") }
end

local function node()
  local path = peers.find("node")
  if not path then return { name = "node", missing = "no `node` on PATH" } end
  return { name = "node", file = "node.js", command = { path, "--expose-gc" }, version = "node " .. peers.ask(path, "--version") }
end

local function luv()
  local path = peers.find("luajit")
  local version = path and peers.ask(path, "-e", LUV) or ""
  if not version:find("^LuaJIT.*luv") then return { name = "luv", missing = "no `luajit` with luv" } end
  return { name = "luv", file = "luv.lua", command = { path }, version = version, reference = { path } }
end

local function bun()
  local path = peers.find("bun", "bench/node_modules/.bin")
  if not path then return { name = "bun", missing = "no `bun` on PATH or in bench/node_modules" } end
  return { name = "bun", file = "node.js", command = { path }, version = "bun " .. peers.ask(path, "--version") }
end

-- node with another client: where that is what is measured, and nowhere else.
local function undici()
  local path, folder = peers.find("node"), "bench/node_modules/undici"
  if not path or not uv.fs_stat(folder) then return { name = "undici", missing = "not in bench/node_modules" } end
  local text = @file.read_json(folder .. "/package.json").version
  return { name = "undici", of = "node", file = "undici.js", command = { path }, version = "undici " .. text }
end

--- Can the peer, which runs Lua, load the module?
function peers.has(peer, module)
  return program.run({ "-e", ("require %q"):format(module) }, { program = peer.command[1] }).status == 0
end

local LUA_MODULE = "/usr/lib/nginx/modules/ngx_http_lua_module.so"

-- The folder that Debian's packages were unpacked in, "" for the system; nil where there is no such module.
local function nginx_lua_root()
  for _, root in ipairs { os.getenv("NGINX_LUA") or "bench/peers/nginx-lua", "" } do
    if uv.fs_stat(root .. LUA_MODULE) then return root ~= "" and uv.fs_realpath(root) or root end
  end
end

-- Its programs run inside a server.
local function nginx_lua()
  local path, root = peers.find("nginx", "/usr/sbin"), nginx_lua_root()
  if not path or not root then return { name = "nginx-lua", missing = "nginx has no Lua module" } end
  return { name = "nginx-lua", file = "nginx.lua", inside = root, version = peers.ask(path, "-v") .. " with its Lua module" }
end

--- Those that are there, Tusk first, and those that are not.
function peers.list()
  local there, missing = {}, {}
  for _, make in ipairs { tusk, node, luv, bun, undici, nginx_lua } do
    local peer = make()
    local list = peer.missing and missing or there
    list[#list + 1] = peer
  end
  return there, missing
end

return peers

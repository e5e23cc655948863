-- run.lua: the benchmark, see docs/benchmark.md. Environment: W workloads, R rounds, SCALE of the work, BUILD.
local uv = require "luv"
local corpus = require "bench.lib.corpus"
local peers = require "bench.lib.peers"
local report = require "bench.lib.report"
local servers = require "bench.lib.servers"
local workloads = require "bench.lib.workloads"
local program = require "spec.support.program"
local temp = require "spec.support.temp"

local function setting(name, default)
  local value = os.getenv(name)
  return value and value ~= "" and value or default
end

local ROUNDS, SCALE = tonumber(setting("R", "3")), tonumber(setting("SCALE", "1"))
local WANTED, BUILD = setting("W"), setting("BUILD", "build")
local CORES = #uv.cpu_info()
local TASKSET = CORES > 1 and peers.find("taskset")
local CLIENT = TASKSET and { TASKSET, "-c", "0" } or {}
local SERVER = TASKSET and { TASKSET, "-c", "1" } or {}

local function say(...)
  io.stderr:write(table.concat({ ... }, " "), "\n")
end

local function exists(path)
  return uv.fs_stat(path) ~= nil
end

local function chain(...)
  local all = {}
  for _, list in ipairs { ... } do
    for _, word in ipairs(list) do all[#all + 1] = tostring(word) end
  end
  return all
end

-- ---- who runs what ----

local without = {} -- "luv: start, spawn" and so on, in the order met

local function amount(w)
  local step = w.step or 1
  return math.max(step, math.floor(w.n * SCALE / step) * step)
end

-- The bare library: a program in C, or one in Lua where the library is LuaJIT.
local function reference(folder, name, luv)
  if exists(folder .. "c.c") then return { ("%s/bench/%s"):format(BUILD, name) } end
  if luv and exists(folder .. "reference.lua") then return chain(luv.reference, { folder .. "reference.lua" }) end
end

local function skip(peer, w)
  if peer.of then return end
  say("  skipped:", peer.name, "has no program for", w.name)
  if not without[peer.name] then
    without[peer.name] = {}
    without[#without + 1] = peer.name
  end
  table.insert(without[peer.name], w.name)
end

-- What a program for node is built on, where that is not node itself (bun has the like of it); and one for luv.
local function has_module(peer, w)
  if peer.name == "node" then return not w.module or exists("bench/node_modules/" .. w.module) end
  return peer.name ~= "luv" or not w.lua_module or peers.has(peer, w.lua_module)
end

-- { { name, command, root }, … } of a workload; root: see ask_once.
local function contestants(w, there)
  local name = w.programs or w.name
  local folder, list, luv = ("bench/workloads/%s/"):format(name), {}, nil
  for _, peer in ipairs(there) do
    if peer.name == "luv" then luv = peer end
    if peer.name == "Tusk" and exists(folder .. "tusk.c") then -- it embeds the library
      list[#list + 1] = { peer.name, { ("%s/bench/tusk-%s"):format(BUILD, name) } }
    elseif exists(folder .. peer.file) and has_module(peer, w) then
      list[#list + 1] = { peer.name, chain(peer.command or {}, { folder .. peer.file }), peer.inside }
    else
      skip(peer, w)
    end
  end
  list[#list + 1] = { "C", reference(folder, name, luv) }
  if not list[#list][2] then list[#list] = nil end
  return list
end

-- ---- one run ----

local function parse(line, status, out, err)
  local time, sum = out:match("^(%S+)%s+(%S+)%s*$")
  if status ~= 0 or not tonumber(time) then error(("%s: status %s\n%s%s"):format(line, status, out, err), 0) end
  return tonumber(time), tonumber(sum)
end

-- A program that is run inside a server: root is the `inside` of its peer.
local function ask_once(w, n, where, file, root)
  local text
  servers.nginx_lua(CLIENT, root, file, function(url)
    local query = { n = n, where = where, at_once = w.at_once or 1 }
    text = @http.get(url .. "/run", { query = query, timeout = "60s" }):text()
  end)
  return parse(file, 0, text, "")
end

local function run_once(w, n, where, command)
  local args
  if w.launched then args = chain(CLIENT, { BUILD .. "/bench/launch", n }, command)
  else args = chain(CLIENT, command, { n, where, w.at_once or 1 }) end
  local line = table.concat(args, " ")
  local r = program.run(args, { program = table.remove(args, 1) })
  return parse(line, r.status, r.stdout, r.stderr)
end

-- ---- one workload: everybody in turn within each round ----

local function measure(w, there, place)
  local n, times, list, expected = amount(w), {}, contestants(w, there), nil
  for _ = 1, ROUNDS do
    for _, who in ipairs(list) do
      local name, command, root = who[1], who[2], who[3]
      local run = root and ask_once or run_once
      local time, sum = run(w, n, place(), root and command[1] or command, root)
      expected = expected or sum
      if sum ~= expected then error(("%s: %s did other work: checksum %s, not %s"):format(w.name, name, sum, expected), 0) end
      times[name] = times[name] or {}
      table.insert(times[name], time)
    end
  end
  return { workload = w, n = n, times = times }
end

-- fn(place): place() is where a run of the workload finds what it works on.
local needs = {}

function needs.folder(dir, n, fn)
  local folder = corpus.folder(dir, n)
  return fn(function() return folder end)
end

function needs.folders(dir, n, fn)
  local folder = corpus.folder(dir, n)
  return fn(function()
    corpus.targets(folder)
    return folder
  end)
end

function needs.database(dir, n, fn, w)
  local path = corpus.database(dir, n, w.rows or 100000)
  return fn(function() return path end)
end

function needs.rollback_database(dir, n, fn, w)
  local path = corpus.database(dir, n, w.rows or 100000, "rollback")
  return fn(function() return path end)
end

function needs.large_database(dir, _, fn)
  local path = corpus.database(dir, 1000000, 1000000)
  return fn(function() return path end)
end

function needs.new_full_database(dir, _, fn)
  return fn(function() return corpus.new_database(dir, "full") end)
end

function needs.new_database(dir, _, fn)
  return fn(function() return corpus.new_database(dir) end)
end

function needs.json(dir, _, fn)
  local path = corpus.json(dir)
  return fn(function() return path end)
end

function needs.nginx(_, _, fn)
  local result
  servers.nginx(SERVER, {}, function(url) result = fn(function() return url .. "/hello" end) end)
  return result
end

-- All that a game's scripts work with: a server, a database, files.
function needs.frame(dir, _, fn)
  local path, folder, result = corpus.database(dir, 10000, 10000), corpus.folder(dir, 1000), nil
  servers.nginx(SERVER, {}, function(url)
    result = fn(function() return ("%s/hello %s %s"):format(url, path, folder) end)
  end)
  return result
end

function needs.slow(_, _, fn)
  return servers.slow(SERVER, function(url) return fn(function() return url end) end)
end

-- A thousand keys of a few bytes.
function needs.redis(_, _, fn)
  local result
  servers.redis(SERVER, function(url)
    local db = @redis.open(url)
    db.pipeline(function(p)
      for i = 0, 999 do p.set("key:" .. i, ("value of key %d"):format(i)) end
    end)
    db.close()
    result = fn(function() return url end)
  end)
  return result
end

-- An empty Redis, and a row for everybody who is looked up.
function needs.lookup(dir, n, fn)
  local path, result = corpus.database(dir, n, n), nil
  servers.redis(SERVER, function(url)
    local db = @redis.open(url)
    result = fn(function()
      db.flushall()
      return url .. " " .. path
    end)
    db.close()
  end)
  return result
end

local function run(w, there, dir)
  say(w.name)
  local function body(place) return measure(w, there, place) end
  if w.needs then return needs[w.needs](dir, amount(w), body, w) end
  return body(function() return "-" end)
end

-- ---- all of it ----

local function wanted(w)
  return not WANTED or (" " .. WANTED .. " "):find(" " .. w.name .. " ", 1, true)
end

local function versions(there)
  local list = { "nginx -v", "sqlite3 --version", "redis-server --version", "curl --version", "cc --version" }
  for i, line in ipairs(list) do
    local name, flag = line:match("(%S+) (%S+)")
    local path = peers.find(name, "/usr/sbin")
    list[i] = path and (name .. ": " .. peers.ask(path, flag):sub(1, 60)) or name .. ": not there"
  end
  for i, peer in ipairs(there) do table.insert(list, i, peer.version) end
  local git = peers.find("git")
  local commit = git and program.run({ "rev-parse", "--short", "HEAD" }, { program = git })
  if commit and commit.status == 0 then list[1] = list[1] .. ", commit " .. commit.stdout:match("%x+") end
  return list
end

local function header(there, missing)
  local cpu = uv.cpu_info()[1].model
  local pinned = TASKSET and "programs pinned to the first, servers to the second" or "nothing pinned"
  local lines = {
    "# Results of `make bench`", "",
    ("%s. %d cores (%s), %s; Linux %s."):format(os.date("!%Y-%m-%d %H:%M UTC"), CORES, cpu, pinned, uv.os_uname().release), "",
    ("Median of %d rounds (least–most), everybody in turn within each round. What the columns mean: docs/benchmark.md."):format(ROUNDS), "",
  }
  for _, version in ipairs(versions(there)) do lines[#lines + 1] = "- " .. version end
  for _, peer in ipairs(missing) do lines[#lines + 1] = ("- skipped: %s: %s"):format(peer.name, peer.missing) end
  return table.concat(lines, "\n") .. "\n\n"
end

-- What was not measured.
local function rest(results)
  local left, lines = {}, {}
  for i = #results + 1, #workloads do left[#left + 1] = workloads[i].name end
  for _, name in ipairs(without) do
    lines[#lines + 1] = ("%s has no program for: %s."):format(name, table.concat(without[name], ", "))
  end
  if #left > 0 and not WANTED then lines[#lines + 1] = "Not measured: " .. table.concat(left, ", ") .. "." end
  return #lines > 0 and "\n" .. table.concat(lines, "\n\n") .. "\n" or ""
end

-- Results of a part, or of less work, are printed only.
local function keep(head, results, there)
  if not WANTED and SCALE == 1 then temp.write("bench/RESULTS.md", head .. report.table(results, there) .. rest(results)) end
end

local there, missing = peers.list()
for _, peer in ipairs(missing) do say("skipped:", peer.name .. ":", peer.missing) end
local head, results = header(there, missing), {}

temp.dir(function(dir)
  for _, w in ipairs(workloads) do
    if wanted(w) then
      results[#results + 1] = run(w, there, dir)
      keep(head, results, there)
    end
  end
end)
assert(#results > 0, "no workload of that name")
print(head .. report.table(results, there) .. rest(results))

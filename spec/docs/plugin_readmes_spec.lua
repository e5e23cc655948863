-- The code in the READMEs of repository, api_client and file_processor does what they say: it is taken from there and
-- run in a script directory, against a real database, server and folder.
local app = require "spec.support.app"
local program = require "spec.support.program"
local raw_server = require "spec.support.raw_server"
local temp = require "spec.support.temp"

-- The Lua blocks of a README, in order.
local function blocks(name)
  local list = {}
  for code in temp.read("plugins/" .. name .. "/README.md"):gmatch("\n```lua\n(.-)\n```") do list[#list + 1] = code end
  return list
end

local function run(files, env)
  local r
  app.with(files, function(dir)
    r = program.run({ "run", ".", "--set", "db.url=:memory:" }, { cwd = dir, env = env })
  end)
  assert.equal(0, r.status, r.stdout .. r.stderr)
  return r.stdout
end

local TABLES = [[@db.exec [=[create table users (id integer primary key, name text, email text);
  create table profiles (id integer primary key, user_id integer, bio text);
  create table addresses (id integer primary key, user_id integer, street text);
  create table orders (id integer primary key)]=] ]]

describe("the README of repository", function()
  local code = blocks "repository"

  it("has a plugin", function()
    assert.equal("1\tAnn\tclimbs\n", run { ["plugins/users.lua"] = code[1], ["main.lua"] = TABLES .. [[
      @users.create { name = "Ann", email = "ann@example.com", profile = { bio = "climbs" }, addresses = { { street = "A" } } }
      local ann = @users.by_email "ann@example.com"
      print(#ann.addresses, ann.name, @users.find(ann.id).profile.bio)]] })
  end)

  it("has a tusk.lua", function()
    assert.equal("nil\t3\n", run { ["tusk.lua"] = code[2], ["main.lua"] = TABLES
      .. "print(@repository.users.find(1), @repository.orders.find_many({ 3, 1, 2 }).n)" })
  end)
end)

describe("the README of api_client", function()
  local code = blocks "api_client"

  local function served(fn)
    return raw_server.with(function(connection, request)
      local history = request.target:find("history")
      local status = history and request.target:find("page") == nil and 500 or 200
      connection:write(raw_server.response(status, { "Content-Type: application/json" },
        @json.encode { path = request.target, body = request.body }))
    end, function(server)
      return fn(function(text) return (text:gsub("https://api%.example%.com/v1", server.url):gsub("https://api%.github%.com", server.url)) end)
    end)
  end

  it("has a tusk.lua, and calls", function()
    served(function(here)
      local out = run({ ["tusk.lua"] = here(code[1]), ["main.lua"] = code[2]
        .. "\nprint(history.path, same.path, user.body, results.user.path, failed.history.status)" },
        { API_TOKEN = "s3cret-token", TUSK_PLUGINS__API_CLIENT__ATTEMPTS = "1" })
      assert.equal('/users/7/history?page=2\t/users/7/history?page=2\t{"name":"Ann"}\t/users/7\t500\n', out)
    end)
  end)

  it("has a plugin", function()
    served(function(here)
      assert.equal("/repos/tusk/docs\n", run { ["plugins/github.lua"] = here(code[3]),
        ["main.lua"] = "print(@github.repository { owner = 'tusk', name = 'docs' }.path)" })
    end)
  end)
end)

describe("the README of file_processor", function()
  local code = blocks "file_processor"

  it("has a tusk.lua, and a main.lua", function()
    assert.equal("2\tfiles,\t6\tbytes\n", run { ["tusk.lua"] = code[1], ["main.lua"] = code[2],
      ["incoming/a.txt"] = "one \n", ["incoming/b/c.txt"] = " two", ["incoming/d.log"] = "x" })
  end)

  it("has a transformation that waits", function()
    local out = run { ["main.lua"] = code[3] .. "\nprint(@file.read 'enriched/2026/a.txt', @file.exists 'enriched/2026/b.txt')",
      ["plugins/api.lua"] = [[return { name = "a", operators = { api = { enrich = function(call)
        @sleep(0)
        if call.body.text ~= "nothing" then return { about = call.body.name } end
      end } } }]], ["incoming/2026/a.txt"] = "a", ["incoming/2026/b.txt"] = "nothing" }
    assert.equal('{"about":"2026/a.txt"}\tfalse\n', out)
  end)
end)

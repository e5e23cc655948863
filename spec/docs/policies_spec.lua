-- docs/policies.md does what it says: its examples run.
local app = require "spec.support.app"
local redis = require "spec.support.redis"
local test = require "tusk.test"

-- The Lua blocks of a page, in order.
local function blocks(path)
  local list, open = {}, nil
  for line in io.lines(path) do
    if line == "```" then open = nil
    elseif line == "```lua" then
      open = #list + 1
      list[open] = ""
    elseif open then list[open] = list[open] .. line .. "\n" end
  end
  return list
end

describe("each example of docs/policies.md", function()
  local calls
  local function called(...)
    calls[#calls + 1] = { ... }
    return "result"
  end

  local given = { fetch_forecast = called, make_report = called, read_replica = called, user = "ann", key = "k" }
  local made = 0

  for i, text in ipairs(blocks("docs/policies.md")) do
    made = i
    it("runs: " .. text:match("[^\n]+"), function()
      calls = {}
      local chunk = assert(load(text, "=docs/policies.md"))
      setfenv(chunk, setmetatable({}, { __index = function(_, name)
        local value = given[name]
        if value == nil then value = _G[name] end
        assert(value ~= nil, name)
        return value
      end }))
      test.clock(chunk)
      local works = text:find("fetch_forecast", 1, true) or text:find("make_report", 1, true) or text:find("read_replica", 1, true)
      assert.equal(works and 1 or 0, #calls)
    end)
  end

  it("is found", function() assert.equal(7, made) end)
end)

-- The example of @db and @redis, beside real ones.
local function run_beside(server, main)
  local code
  for _, text in ipairs(blocks("docs/policies.md")) do code = text:find("@redis.get", 1, true) and text or code end
  return app.run({ ["tusk.lua"] = "return { redis = { url = env('REDIS') }, db = { url = ':memory:' } }",
    ["main.lua"] = '@db.exec "create table stock (id integer primary key, n integer); insert into stock values (7, 3)"\n' .. code .. main },
    nil, { env = { REDIS = server.url } })
end

describe("policies around @db and @redis", function()
  it("give what they give, and leave alone a server that is away", function()
    redis.with(nil, function(server)
      local r = run_beside(server, [[
        @redis.set("price:7", "12.50")
        print(take(7), take(7), price(7), shared.parts.breaker:state())]])
      assert.equal("2\t1\t12.50\tclosed\n", r.stdout, r.stderr)
      server:kill()
      r = run_beside(server, [[
        local _, first = @try(price, 7)
        local _, last = @try(@timeout, "2s", @(price(7)))
        print(first.kind, first.attempts, last.kind, shared.parts.breaker:state())]])
      assert.matches("^redis%.%a+\t3\tbreaker_open\topen\n$", r.stdout, r.stderr)
    end)
  end)
end)

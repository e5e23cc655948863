-- docs/policies.md does what it says: its examples run.
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

  it("is found", function() assert.equal(6, made) end)
end)

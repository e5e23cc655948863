-- The bytes that @cache keeps on a server: codec.lua.
local codec = require "tusk.cache.codec"
local null = require "tusk.null"

describe("values as bytes", function()
  -- LuaJIT's serializer does not know null, and says so by an error; in compiled code that has disturbed its callers.
  it("disturb nothing, however often some have null in them and others do not", function()
    local wrong = 0
    local function expect(what, value)
      if value ~= what then wrong = wrong + 1 end
    end
    local function keep(bytes, ttl, keep_for, tags)
      expect("string", type(bytes))
      expect(3600, ttl)
      expect(0, keep_for)
      expect(tags and "table" or "nil", type(tags))
    end
    local function set(value, ttl, keep_for, tags)
      local bytes, copy = codec.encode(value)
      keep(bytes, ttl, keep_for, tags)
      return copy
    end
    local values = { "text", { 1, "two", false, null, { 3 } }, 5, { a = 1 }, { null = null, int = 1LL }, true, {}, { x = { y = null } } }
    math.randomseed(1)
    for _ = 1, 20000 do
      local value = values[math.random(#values)]
      set(value, 3600, 0, math.random(2) == 1 and { "tag" } or nil)
    end
    assert.equal(0, wrong)
  end)

  it("that are none are an error, however often, and disturb nothing", function()
    local good, wrong = codec.encode { a = { 1, 2 }, b = null }, 0
    math.randomseed(2)
    for _ = 1, 20000 do
      local at = math.random(2, #good)
      local bytes = math.random(2) == 1 and good or good:sub(1, at - 1)
      local ok, value = pcall(codec.decode, bytes)
      if ok ~= (bytes == good) or ok and value.b ~= null then wrong = wrong + 1 end
    end
    assert.equal(0, wrong)
  end)
end)

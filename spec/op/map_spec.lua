-- @map: side by side, bounded.

local function fails(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

local function values(...)
  return { n = select("#", ...), ... }
end

local function never()
  @sleep("1h")
end

describe("@map", function()
  it("keeps the order, with n, nils included", function()
    assert.same({ n = 4, 10, nil, 30, 40 }, @map({ 1, 2, 3, 4 }, function(i)
      @sleep((5 - i) / 1000)
      if i ~= 2 then return i * 10, "second" end
    end))
  end)

  it("gives each item and nothing else to the function", function()
    @map({ "a" }, function(...) assert.same({ n = 1, "a" }, values(...)) end)
  end)

  it("takes lists with holes that say n", function()
    assert.same({ n = 3, 1, false, 3 }, @map({ 1, nil, 3, n = 3 }, function(v) return v or false end))
  end)

  it("gives an empty table for an empty one", function()
    assert.same({ n = 0 }, @map({}, never))
  end)

  for _, width in ipairs { 1, 3, 100 } do
    it("runs at most " .. width .. " at a time, and that many", function()
      local running, most, items = 0, 0, {}
      for i = 1, 20 do items[i] = i end
      @map(items, function()
        running = running + 1
        most = math.max(most, running)
        @yield()
        running = running - 1
      end, { concurrency = width })
      assert.equal(math.min(width, 20), most)
    end)
  end

  it("fails with the first failure, cancels the others and takes no more items", function()
    local taken = 0
    local e = fails(function()
      @map({ 1, 2, 3, 4, 5, 6 }, function(i)
        taken = taken + 1
        if i == 2 then error("two", 0) end
        never()
      end, { concurrency = 3 })
    end)
    assert.equal("two", e.value)
    assert.equal(2, taken)
  end)

  it("is cancelled with its caller", function()
    local e
    @scope(function(s)
      local task = s:spawn(function() e = fails(function() @map({ 1, 2 }, never) end) end)
      task:cancel()
    end)
    assert.equal("cancelled", e.kind)
  end)

  it("returns a list: n can be read but is none of its keys", function()
    local results = @map({ 3, 4 }, function(x) return x * 2 end)
    assert.equal(2, results.n)
    assert.equal("[6,8]", @json.encode(results))
    assert.equal("[]", @json.encode(@map({}, print)))
    @cache.set("mapped", results)
    assert.same({ 6, 8 }, @cache.get("mapped"))
    @cache.forget("mapped")
  end)

  it("has a timeout for the whole", function()
    local e = fails(function() @map({ 1, 2 }, never, { timeout = "1ms" }) end)
    assert.equal("timeout", e.kind)
  end)

  for _, case in ipairs {
    { "a concurrency of 0", { {}, print, { concurrency = 0 } }, "concurrency" },
    { "half a task", { {}, print, { concurrency = 1.5 } }, "concurrency" },
    { "a misspelt option", { {}, print, { concurency = 2 } }, "concurency" },
    { "a string for the items", { "abc", print }, "items" },
    { "no function", { {} }, "fn" },
  } do
    it("refuses " .. case[1], function()
      local e = fails(function() @map(unpack(case[2])) end)
      assert.equal("argument", e.kind)
      assert.equal(case[3], e.argument)
      assert.equal("map", e.op)
    end)
  end
end)

-- @batch: so many items at a time.

local function fails(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

local function numbers(n)
  local list = {}
  for i = 1, n do list[i] = i end
  return list
end

describe("@batch", function()
  it("gives each batch to the function, and its results in order", function()
    local results = @batch(numbers(7), 3, function(batch)
      @sleep(batch[1] == 1 and "2ms" or 0)
      return table.concat(batch, ",")
    end)
    assert.equal(3, results.n)
    assert.equal("1,2,3 4,5,6 7", table.concat(results, " "))
  end)

  it("makes lists of them that JSON takes", function()
    local results = @batch(numbers(3), 2, function(batch) return batch.n .. @json.encode(batch) end)
    assert.equal("2[1,2] 1[3]", table.concat(results, " "))
  end)

  it("runs no more side by side than asked", function()
    local running, most = 0, 0
    @batch(numbers(20), 2, function()
      running = running + 1
      most = math.max(most, running)
      @yield()
      running = running - 1
    end, { concurrency = 3 })
    assert.equal(3, most)
  end)

  it("of nothing does nothing", function()
    local results = @batch({}, 10, error)
    assert.equal(0, results.n)
    assert.equal(0, #results)
  end)

  it("takes a result of @map, nil ones too", function()
    local mapped = @map({ 1, 2, 3 }, function(i) if i ~= 2 then return i end end)
    local results = @batch(mapped, 3, function(batch) return ("%s %s %s"):format(batch[1], batch[2], batch[3]) end)
    assert.equal("1 nil 3", results[1])
  end)

  it("fails with the first failure and cancels the others", function()
    local mine, seen = { "mine" }, nil
    local e = fails(@(@batch(numbers(4), 2, function(batch)
      if batch[1] == 1 then seen = fails(@(@sleep("1h"))) else error(mine) end
    end)))
    assert.is_true(rawequal(mine, e))
    assert.equal("cancelled", seen.kind)
  end)

  it("is ended by a cancellation and by its timeout", function()
    local function never() @sleep("1h") end
    local e
    @scope(function(s)
      s:spawn(function() e = fails(@(@batch(numbers(4), 2, never))) end):cancel()
    end)
    assert.equal("cancelled", e.kind)
    assert.equal("timeout", fails(@(@batch(numbers(4), 2, never, { timeout = "1ms" }))).kind)
  end)

  it("refuses what it cannot use", function()
    local function refused(...)
      local e = fails(function(...) return @batch(...) end, ...)
      assert.equal("argument", e.kind)
      assert.equal("batch", e.op)
    end
    refused(nil, 1, print)
    refused({ 1 }, 0, print)
    refused({ 1 }, 1.5, print)
    refused({ 1 }, 1, nil)
    refused({ 1 }, 1, print, { concurrency = 0 })
    refused({ 1 }, 1, print, { concurency = 1 })
  end)
end)

-- @watch: a value whose changes tasks wait for.

local function fails(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

describe("@watch", function()
  it("holds a value", function()
    local w = @watch("a")
    assert.equal("a", w:get())
    w:set("b")
    assert.equal("b", w:get())
    w:set(nil)
    assert.is_nil(w:get())
    assert.is_nil(@watch():get())
  end)

  it("wakes all who wait for a change", function()
    local w, got = @watch(0), {}
    @scope(function(s)
      for i = 1, 3 do s:spawn(function() got[i] = w:changed() end) end
      assert.same({}, got)
      w:set(5)
    end)
    assert.same({ 5, 5, 5 }, got)
  end)

  it("gives the latest, not each", function()
    local w, got = @watch(0), nil
    @scope(function(s)
      s:spawn(function() got = w:changed() end)
      w:set(1)
      w:set(2)
    end)
    assert.equal(2, got)
  end)

  it("does not miss a change that came while the task was busy", function()
    local w, got = @watch(0), {}
    @scope(function(s)
      s:spawn(function()
        while got[#got] ~= 3 do
          table.insert(got, w:changed())
          @sleep("1ms")
        end
      end)
      w:set(1)
      @yield()
      w:set(2)
      w:set(3)
    end)
    assert.same({ 1, 3 }, got)
  end)

  it("waits for a change after what was looked at", function()
    local w, got = @watch(0), nil
    @scope(function(s)
      w:set(1)
      s:spawn(function()
        w:get()
        got = w:changed()
      end)
      @yield()
      assert.is_nil(got)
      w:set(2)
    end)
    assert.equal(2, got)
  end)

  it("does not miss a change that comes when the turn of the waiting task is spent", function()
    local got = {}
    @scope(function(s)
      for i = 1, 300 do
        local w = @watch(0)
        s:spawn(function() got[i] = i % 2 == 0 and w:changed() or select(2, @select { w = w }) end)
        w:set(i)
      end
    end)
    for i = 1, 300 do assert.equal(i, got[i]) end
  end)

  it("is the same change for each task by itself", function()
    local w, got = @watch(0), {}
    @scope(function(s)
      for i = 1, 2 do
        s:spawn(function()
          w:get()
          for _ = 1, i do @yield() end
          got[i] = w:changed()
        end)
      end
      w:set("x")
    end)
    assert.same({ "x", "x" }, got)
  end)

  it("is a case of @select", function()
    local w, got = @watch(0), {}
    @scope(function(s)
      s:spawn(function()
        for i = 1, 2 do
          local name, v = @select { w = w, other = @channel() }
          got[i] = name .. v
          @sleep("1ms")
        end
      end)
      w:set(1)
      @yield()
      w:set(2)
    end)
    assert.same({ "w1", "w2" }, got)
  end)

  it("when cancelled leaves the line", function()
    local w, e, got = @watch(0), nil, nil
    @scope(function(s)
      local first = s:spawn(function() e = fails(w.changed, w) end)
      s:spawn(function() got = w:changed() end)
      first:cancel()
      w:set(1)
    end)
    assert.equal("cancelled", e.kind)
    assert.equal(1, got)
  end)

  it("can be set where nothing can wait, not waited for", function()
    local w, e = @watch(0), nil;
    ("a"):gsub(".", function()
      w:set(1)
      e = fails(w.changed, w)
    end)
    assert.equal(1, w:get())
    assert.is_truthy(tostring(e.message):find("string.gsub", 1, true))
  end)
end)

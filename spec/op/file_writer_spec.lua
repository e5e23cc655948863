-- @file.writer: a file replaced by what comes in pieces.
local temp = require "spec.support.temp"

describe("@file.writer", function()
  local dir, path

  before_each(function()
    dir = temp.new()
    path = dir .. "/file"
  end)

  after_each(function() temp.remove(dir) end)

  it("puts what was written in the file's place at the commit, not before", function()
    temp.write(path, "old")
    local w = @file.writer(path)
    w:write("a")
    w:write(("b"):rep(300000))
    w:write("")
    assert.equal("old", temp.read(path))
    assert.equal(2, #temp.list(dir))
    assert.is_true(w:commit())
    assert.equal("a" .. ("b"):rep(300000), temp.read(path))
    assert.same({ "file" }, temp.list(dir))
    assert.equal(300001, w.bytes)
    w:close()
  end)

  it("makes an empty file of nothing", function()
    @file.writer(path):commit()
    assert.equal("", temp.read(path))
  end)

  it("keeps the mode, or sets the one given", function()
    @file.write(path, "old", { mode = "640" })
    @file.writer(path):commit()
    assert.equal(tonumber("640", 8), @file.metadata(path).mode % 512)
    @file.writer(path, { mode = "600" }):commit()
    assert.equal(tonumber("600", 8), @file.metadata(path).mode % 512)
  end)

  it("leaves all as it was when it is closed, as often as one likes", function()
    temp.write(path, "old")
    local w = @file.writer(path)
    w:write(("x"):rep(300000))
    w:close()
    w:close()
    assert.same({ "file" }, temp.list(dir))
    assert.equal("old", temp.read(path))
    for _, method in ipairs { "write", "commit" } do
      local _, e = @try(w[method], w, ("x"):rep(300000))
      assert.equal("closed", e.kind)
    end
  end)

  it("leaves nothing when it is collected", function()
    @file.writer(path):write("x")
    for _ = 1, 3 do collectgarbage() end
    assert.same({}, temp.list(dir))
  end)

  it("leaves nothing when its task is cancelled, at any of its waits", function()
    temp.write(path, "old")
    for n = 1, 6 do
      local task = @async(function()
        @scope(function(s)
          local w = @file.writer(path)
          s:defer(function() w:close() end)
          for _ = 1, n do w:write(("x"):rep(200000)) end
          @sleep("1h")
        end)
      end)
      for _ = 1, n do @yield() end
      task:cancel()
      @try(task.await, task)
      assert.same({ "file" }, temp.list(dir))
      assert.equal("old", temp.read(path))
    end
  end)

  it("is either the old or the new one when the commit is cancelled", function()
    for _ = 1, 10 do
      temp.write(path, "old")
      local task = @async(function()
        local w = @file.writer(path)
        w:write("new")
        w:commit()
      end)
      for _ = 1, 3 do @yield() end
      task:cancel()
      @try(task.await, task)
      assert.truthy(({ old = true, new = true })[temp.read(path)])
    end
  end)

  it("raises what keeps it from being opened", function()
    for kind, where in pairs { ["file.not_found"] = dir .. "/no/file", ["file.is_directory"] = dir } do
      local _, e = @try(@file.writer, where)
      assert.equal(kind, e.kind)
    end
    assert.same({}, temp.list(dir))
  end)

  it("raises what keeps it from being written, and leaves nothing", function()
    local tusk = require("luv").exepath()
    local script = temp.write(dir .. "/main.lua", ([[
      local w = @file.writer(%q)
      local _, e = @try(function() w:write(("x"):rep(300000)) w:commit() end)
      w:close()
      print(e.kind, #@file.read_dir(%q))
    ]]):format(path, dir))
    local out = io.popen(("trap '' XFSZ; ulimit -f 100; '%s' '%s' 2>&1"):format(tusk, script))
    local text = out:read("*a")
    out:close()
    assert.equal("file.too_large\t1\n", text)
  end)

  it("refuses a second task while one writes", function()
    local w = @file.writer(path)
    local task = @async(w.write, w, ("x"):rep(5000000))
    local _, e = @try(w.commit, w)
    assert.equal("file.busy", e.kind)
    task:await()
    w:close()
  end)

  it("of two tasks has the content of one", function()
    local function put(text)
      return function()
        local w = @file.writer(path)
        for _ = 1, 3 do w:write(text:rep(150000)) end
        w:commit()
      end
    end
    @all(put("a"), put("b"))
    local text = temp.read(path)
    assert.equal(450000, #text)
    assert.equal(text:sub(1, 1):rep(450000), text)
    assert.same({ "file" }, temp.list(dir))
  end)

  it("says what is misused", function()
    local w = @file.writer(path)
    for _, call in ipairs {
      function() w:write(5) end, function() w.write("x") end, function() @file.writer(5) end,
      function() @file.writer(path, { mod = 1 }) end,
    } do
      local _, e = @try(call)
      assert.equal("argument", e.kind)
    end
    w:close()
  end)
end)

-- @file.lock: one at a time, among tasks and among processes.
local program = require "spec.support.program"
local temp = require "spec.support.temp"

describe("@file.lock", function()
  local dir, path

  before_each(function()
    dir = temp.new()
    path = dir .. "/lock"
  end)

  after_each(function() temp.remove(dir) end)

  local function failure(fn, ...)
    local v, e = @try(fn, ...)
    assert.is_nil(v)
    return e
  end

  local function free() return (@file.lock(path, { timeout = "10s" }, @("free"))) end

  it("runs fn, returns what it returns, and leaves the file", function()
    local a, b = @file.lock(path, function() return 1, 2 end)
    assert.same({ 1, 2 }, { a, b })
    assert.same({ "lock" }, temp.list(dir))
    temp.write(path, "content")
    @file.lock(path, function() end)
    assert.equal("content", temp.read(path))
  end)

  it("keeps tasks apart, in the order they came", function()
    local inside, order, tasks = 0, {}, {}
    for i = 1, 5 do
      tasks[i] = function()
        @file.lock(path, function()
          inside = inside + 1
          assert.equal(1, inside)
          @sleep(0)
          order[#order + 1] = i
          inside = inside - 1
        end)
      end
    end
    @all(unpack(tasks))
    assert.same({ 1, 2, 3, 4, 5 }, order)
  end)

  it("keeps tasks apart that name the file differently", function()
    os.execute(("ln -s lock '%s/link'"):format(dir))
    local inside = 0
    local function alone()
      inside = inside + 1
      assert.equal(1, inside)
      @sleep "2ms"
      inside = inside - 1
    end
    @all(@(@file.lock(path, alone)), @(@file.lock(dir .. "/link", alone)), @(@file.root(dir).lock("lock", alone)))
  end)

  it("is given back when fn fails, is cancelled or is out of time", function()
    assert.equal("boom", failure(@file.lock, path, function() error("boom", 0) end).value)
    assert.equal("free", free())
    local holding = false
    local task = @async(@file.lock, path, function()
      holding = true
      @sleep "1h"
    end)
    while not holding do @sleep "1ms" end
    assert.equal("timeout", failure(@file.lock, path, { timeout = "20ms" }, @(1)).kind)
    task:cancel()
    @try(task.await, task)
    assert.equal("free", free())
    assert.equal("timeout", failure(@timeout, "5ms", @(@file.lock(path, @(@sleep "1h")))).kind)
    assert.equal("free", free())
  end)

  it("leaves the line when it is cancelled there, and gives the others their turn", function()
    @scope(function(s)
      local open = s:channel()
      local holder = s:spawn(function() @file.lock(path, function() open:recv() end) end)
      @sleep "2ms"
      local waiting = @async(@file.lock, path, @(1))
      local last = @async(@file.lock, path, @("last"))
      @sleep "2ms"
      waiting:cancel()
      @try(waiting.await, waiting)
      open:send(true)
      holder:await()
      assert.equal("last", last:await())
    end)
  end)

  it("is shared by those who say so, and by nobody else", function()
    @file.lock(path, { shared = true }, function()
      assert.equal(1, @file.lock(path, { shared = true }, @(1)))
      assert.equal("timeout", failure(@file.lock, path, { timeout = "10ms" }, @(1)).kind)
    end)
    assert.equal("free", free())
  end)

  it("is not had twice by one task, which would wait for itself", function()
    local e = failure(@file.lock, path, function() @file.lock(path, function() end) end)
    assert.equal("argument", e.kind)
    assert.truthy(e.message:find("this task has locked", 1, true))
    assert.equal("free", free())
  end)

  it("is not held by a file that was removed meanwhile", function()
    local got = false
    @file.lock(path, function()
      os.remove(path)
      got = @file.lock(dir .. "/./lock", { timeout = "5s" }, @(true))
    end)
    assert.is_true(got)
  end)

  it("excludes another process, until that is killed", function()
    local script = temp.write(dir .. "/main.lua", [[
      @file.lock("lock", function()
        print("locked")
        io.stdout:flush()
        @sleep "1h"
      end)
    ]])
    program.start({ script }, { cwd = dir }, function(p)
      p:read_until("locked")
      assert.equal("timeout", failure(@file.lock, path, { timeout = "30ms" }, @(1)).kind)
      local flock = os.execute(("flock -n '%s' true"):format(path))
      assert.is_true(flock ~= 0 and flock ~= true)
      local task = @async(free)
      @sleep "5ms"
      p:signal("sigkill")
      p:wait()
      assert.equal("free", task:await())
    end)
  end)

  it("counts right among processes", function()
    local rounds = 25
    local script = temp.write(dir .. "/main.lua", ([[
      for _ = 1, %d do
        @file.lock("lock", function()
          local n = tonumber(@file.read("count"))
          @yield()
          @file.write("count", tostring(n + 1))
        end)
      end
    ]]):format(rounds))
    temp.write(dir .. "/count", "0")
    local function run() assert.equal(0, program.run({ script }, { cwd = dir }).status) end
    @all(run, run, run)
    assert.equal(tostring(3 * rounds), temp.read(dir .. "/count"))
  end)

  it("locks a folder, and says what is wrong", function()
    assert.equal(1, @file.lock(dir, @(1)))
    assert.equal("file.not_found", failure(@file.lock, dir .. "/none/lock", @(1)).kind)
    temp.fifo(dir .. "/fifo")
    assert.equal("file.type", failure(@file.lock, dir .. "/fifo", @(1)).kind)
    local root = @file.root(dir)
    assert.equal(1, root.lock("lock", @(1)))
    assert.equal("file.escape", failure(root.lock, "../lock", @(1)).kind)
    for _, call in ipairs {
      @(@file.lock(path)), @(@file.lock(path, {})), @(@file.lock(path, { tiemout = 1 }, @(1))), @(@file.lock(path, { shared = 1 }, @(1))),
      @(@file:lock(path, @(1))), @(@file.lock(5, @(1))),
    } do assert.equal("argument", failure(call).kind) end
  end)
end)

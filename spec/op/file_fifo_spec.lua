-- FIFOs are read on the loop: from when there is a writer until there is none, and no thread is held meanwhile.
local temp = require "spec.support.temp"
local test = require "tusk.test"
local uv = require "luv"

local function kind_of(fn, ...)
  local v, e = @try(fn, ...)
  assert.is_nil(v)
  return e.kind, e
end

describe("a FIFO", function()
  local dir, name

  before_each(function()
    dir = temp.new()
    name = temp.fifo(dir .. "/fifo")
  end)

  after_each(function() temp.remove(dir) end)

  local function writer()
    local w = assert(io.open(name, "w"))
    w:setvbuf "no"
    return w
  end

  local function reading(opts)
    opts = opts or {}
    opts.fifo = true
    return @async(@file.read, name, opts)
  end

  local function open_descriptors()
    local n = 0
    for _, fd in ipairs(temp.list("/proc/self/fd")) do
      if uv.fs_readlink("/proc/self/fd/" .. fd) == name then n = n + 1 end
    end
    return n
  end

  -- Everything that was ready has run, and what has come from outside has been seen.
  local function settle()
    for _ = 1, 5 do @sleep(0) end
  end

  describe("read as a whole", function()
    it("waits for a writer, and for what that writes, until it is closed", function()
      local task = reading()
      settle()
      local w = writer()
      settle()
      w:write("one\0")
      settle()
      w:write("two\n")
      assert.not_equal("done", task.state)
      w:close()
      assert.equal("one\0two\n", task:await())
      assert.equal(0, open_descriptors())
    end)

    it("ends with the last of several writers", function()
      local task = reading()
      local a = writer()
      local b = writer()
      a:write("a")
      a:close()
      settle()
      b:write("b")
      b:close()
      assert.equal("ab", task:await())
    end)

    it("is empty when a writer came and wrote nothing", function()
      local task = reading()
      settle()
      writer():close()
      assert.equal("", task:await())
    end)

    it("takes what a writer left before it was looked at", function()
      local task = reading()
      local w = writer()
      w:write("all there")
      w:close()
      assert.equal("all there", task:await())
    end)

    it("takes more than a pipe holds, from another process", function()
      local task = reading()
      assert(os.execute(("{ head -c 3000000 /dev/zero; echo end; } > '%s' &"):format(name)) == 0)
      local text = task:await()
      assert.is_true(text == ("\0"):rep(3000000) .. "end\n")
    end)

    it("raises file.too_large beyond max", function()
      for _, size in ipairs { 1000, 1001, 60000 } do
        local task = reading { max = 1000 }
        local w = writer()
        w:write(("x"):rep(size))
        w:close()
        if size == 1000 then
          assert.equal(1000, #task:await())
        else
          local kind, e = kind_of(task.await, task)
          assert.equal("file.too_large", kind)
          assert.truthy(e.message:find("larger than 1000 bytes", 1, true))
        end
      end
      assert.equal(0, open_descriptors())
    end)

    it("by two tasks at once is two FIFOs, side by side", function()
      local first = name
      local one = reading()
      name = temp.fifo(dir .. "/other")
      local two = reading()
      local w2 = writer()
      w2:write("second")
      w2:close()
      assert.equal("second", two:await())
      name = first
      local w1 = writer()
      w1:write("first")
      w1:close()
      assert.equal("first", one:await())
    end)
  end)

  describe("that nobody writes to", function()
    it("is let go of at once when the task is cancelled", function()
      for _ = 1, 10 do
        local task = reading()
        assert.equal(1, open_descriptors())
        task:cancel()
        assert.equal("task_cancelled", (kind_of(task.await, task)))
        assert.equal(0, open_descriptors())
      end
    end)

    it("is let go of by @timeout, and by timeout=", function()
      assert.equal("timeout", (kind_of(@timeout, "10ms", @(@file.read(name, { fifo = true })))))
      assert.equal("timeout", (kind_of(@file.read, name, { fifo = true, timeout = "10ms" })))
      local lines = @file.lines(name, { fifo = true, timeout = "10ms" })
      assert.equal("timeout", (kind_of(lines)))
      lines:close()
      local chunks = @file.chunks(name, 10, { fifo = true, timeout = "10ms" })
      assert.equal("timeout", (kind_of(chunks)))
      chunks:close()
      assert.equal(0, open_descriptors())
    end)

    it("holds no thread: any number of such reads stalls nothing", function()
      local tasks = {}
      for i = 1, 16 do tasks[i] = reading() end
      settle()
      @timeout("10s", function()
        @file.write(dir .. "/file", ("z"):rep(300000))
        assert.equal(300000, #@file.read(dir .. "/file"))
        assert.equal(2, #@file.read_dir(dir))
      end)
      for _, task in ipairs(tasks) do task:cancel() end
      for _, task in ipairs(tasks) do @try(task.await, task) end
    end)

    it("leaves nothing behind", function()
      test.leaks(function()
        @try(@timeout, "5ms", @(@file.read(name, { fifo = true })))
        @try(@timeout, "5ms", @(@file.lines(name, { fifo = true }):count()))
        @try(@timeout, "5ms", @(@file.chunks(name, 5, { fifo = true }):count()))
      end)
    end)

    it("does not keep a program from ending", function()
      local script = temp.write(dir .. "/main.lua", ([[
        local _, e = @try(@timeout, "10ms", @(@file.read(%q, { fifo = true })))
        print(e.kind)
        @scope(function(s)
          s:spawn(@file.read, %q, { fifo = true })
          error "over"
        end)
      ]]):format(name, name))
      local out = io.popen(("'%s' '%s' 2>&1; echo $?"):format(uv.exepath(), script))
      local text = out:read("*a")
      out:close()
      assert.truthy(text:find("^timeout\n"), text)
      assert.truthy(text:find("over", 1, true), text)
      assert.truthy(text:find("\n1\n$"), text)
    end)
  end)

  describe("read by lines", function()
    it("returns each line as it comes, while others run", function()
      local seen = {}
      local task = @async(function()
        for line in @file.lines(name, { fifo = true }) do seen[#seen + 1] = line end
      end)
      local w = writer()
      w:write("one\ntw")
      settle()
      assert.same({ "one" }, seen)
      w:write("o\nen")
      settle()
      assert.same({ "one", "two" }, seen)
      w:write("d")
      w:close()
      task:await()
      assert.same({ "one", "two", "end" }, seen)
      assert.equal(0, open_descriptors())
    end)

    it("goes on where it was after a cancelled read", function()
      local lines = @file.lines(name, { fifo = true })
      local w = writer()
      w:write("one\ntw")
      assert.equal("one", lines())
      for i = 1, 20 do
        local task = @async(lines)
        if i % 2 == 0 then settle() end
        task:cancel()
        w:write(i)
        assert.equal("task_cancelled", (kind_of(task.await, task)))
      end
      w:write("o\n")
      assert.equal("tw1234567891011121314151617181920o", lines())
      lines:close()
      w:close()
    end)

    it("refuses a second task while one waits", function()
      local lines = @file.lines(name, { fifo = true })
      local task = @async(lines)
      assert.equal("file.busy", (kind_of(lines)))
      local w = writer()
      w:write("x\n")
      assert.equal("x", task:await())
      w:close()
      assert.is_nil(lines())
    end)

    it("is a stream", function()
      local task = @async(function() return @file.lines(name, { fifo = true }):map(string.upper):collect() end)
      local w = writer()
      w:write("a\nb\n")
      w:close()
      assert.same({ "A", "B" }, task:await())
    end)
  end)

  it("read by chunks gives what has come, at most so much", function()
    local seen = {}
    local task = @async(function()
      for piece in @file.chunks(name, 4, { fifo = true }) do seen[#seen + 1] = piece end
    end)
    local w = writer()
    for _, piece in ipairs { "ab", "c\0defg", "h" } do
      w:write(piece)
      settle()
    end
    w:close()
    task:await()
    assert.same({ "ab", "c\0de", "fg", "h" }, seen)
  end)

  describe("under special = true", function()
    it("is read as far as there are writers now", function()
      assert.equal("", @file.read(name, { special = true }))
      local both = assert(io.open(name, "r+"))
      local task = @async(@file.read, name, { special = true })
      both:write("text")
      both:flush()
      settle()
      assert.not_equal("done", task.state)
      both:close()
      assert.equal("text", task:await())
    end)

    it("holds no thread either", function()
      local both = assert(io.open(name, "r+"))
      local tasks = {}
      for i = 1, 8 do tasks[i] = @async(@file.read, name, { special = true }) end
      @timeout("10s", @(@file.write(dir .. "/file", "x")))
      for _, task in ipairs(tasks) do
        task:cancel()
        @try(task.await, task)
      end
      both:close()
    end)
  end)

  it("is refused unless asked for, and the message says how", function()
    for _, fn in ipairs { @file.read, @file.lines, @file.chunks } do
      local kind, e = kind_of(fn, name)
      assert.equal("file.type", kind)
      assert.truthy(e.message:find("it is a fifo (fifo = true", 1, true), e.message)
    end
    local kind, e = kind_of(@file.write, name, "x")
    assert.equal("file.type", kind)
    assert.truthy(e.message:find("special = true", 1, true), e.message)
  end)

  it("is what fifo = true is for, and nothing else", function()
    local socket = uv.new_pipe(false)
    assert(socket:bind(dir .. "/socket"))
    temp.write(dir .. "/file", "x")
    for path, type in pairs { ["/file"] = "file", ["/socket"] = "socket", ["/../../dev/null"] = "char_device" } do
      path = path:find("/dev/") and "/dev/null" or dir .. path
      for _, fn in ipairs { @file.read, @file.lines, function(p, o) return @file.chunks(p, nil, o) end } do
        local kind, e = kind_of(fn, path, { fifo = true })
        assert.equal("file.type", kind)
        assert.equal(('cannot read "%s": it is a %s and no FIFO'):format(path, type), e.message)
      end
    end
    socket:close()
    assert.equal("file.is_directory", (kind_of(@file.read, dir, { fifo = true })))
    assert.equal("file.not_found", (kind_of(@file.read, dir .. "/none", { fifo = true })))
  end)

  describe("misuse is an argument error:", function()
    local cases = {
      ["a flag that is none"] = { function() @file.read("x", { fifo = "yes" }) end, "fifo: boolean expected" },
      ["both kinds"] = { function() @file.lines("x", { fifo = true, special = true }) end, "give one of them" },
      ["a misspelt option"] = { function() @file.read("x", { fifoo = true }) end, 'did you mean "fifo"?' },
      ["writing"] = { function() @file.write("x", "y", { fifo = true }) end, 'unknown option "fifo"' },
    }
    for what, case in pairs(cases) do
      it(what, function()
        local kind, e = kind_of(case[1])
        assert.equal("argument", kind)
        assert.truthy(e.message:find(case[2], 1, true), e.message)
      end)
    end
  end)
end)

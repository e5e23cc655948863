-- @stream from files and to files: bounded memory, whole files or none.
local temp = require "spec.support.temp"

local function fails(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

describe("a stream", function()
  local dir, path, out

  before_each(function()
    dir = temp.new()
    path, out = dir .. "/in", dir .. "/out"
    temp.write(path, "one\ntwo\nthree\n")
  end)

  after_each(function() temp.remove(dir) end)

  describe("of @file.lines", function()
    it("has its lines", function()
      assert.same({ "one", "two", "three" }, @stream(@file.lines(path)):collect())
    end)

    it("needs no @stream around it", function()
      assert.same({ "ONE", "TWO", "THREE" }, @file.lines(path):map(string.upper):collect())
      assert.equal(3, @file.lines(path):buffer(2):count())
      assert.equal("one", @file.lines(path):first())
    end)

    it("leaves it an iterator, with close()", function()
      local lines = @file.lines(path)
      assert.equal("one", lines())
      assert.same({ "two" }, lines:take(1):collect())
      assert.is_nil(lines())
      lines = @file.lines(path)
      lines:close()
      assert.is_nil(lines())
      assert.truthy(select(2, pcall(function() return lines.mapp end)).message:find("did you mean \"map\"", 1, true))
    end)

    it("closes the file at the end, on error, on cancel and when it is left", function()
      local function open()
        local n = 0
        for _, e in ipairs(@file.read_dir("/proc/self/fd")) do
          if require("luv").fs_readlink(e.path) == path then n = n + 1 end
        end
        return n
      end
      @file.lines(path):map(string.upper, { concurrency = 2 }):count()
      @file.lines(path):take(1):count()
      fails(function() @file.lines(path):map(error):count() end)
      local task = @async(function() @file.lines(path):buffer(1):each(function() @sleep("1h") end) end)
      assert.equal(1, open())
      task:cancel()
      @try(task.await, task)
      assert.equal(0, open())
      local function leave(s)
        for line in s do
          if line then break end
        end
      end
      leave(@file.lines(path):filter(string.len))
      leave(@file.lines(path):buffer(1))
      for _ = 1, 10 do
        collectgarbage()
        @yield()
      end
      assert.equal(0, open())
    end)
  end)

  describe("to a path", function()
    it("writes strings as they are, and tells how many, and how many bytes", function()
      local n, bytes = @stream({ "a", "b\n", "" }):to(out)
      assert.same({ 3, 3 }, { n, bytes })
      assert.equal("ab\n", temp.read(out))
    end)

    it("writes lists of strings, and an ending after each string", function()
      @file.lines(path):chunks(2):to(out, { ending = "\r\n", mode = "600" })
      assert.equal("one\r\ntwo\r\nthree\r\n", temp.read(out))
      assert.equal(tonumber("600", 8), @file.metadata(out).mode % 512)
    end)

    it("of nothing writes an empty file", function()
      assert.equal(0, (@stream({}):to(out)))
      assert.equal("", temp.read(out))
    end)

    it("may replace the file it reads", function()
      @file.lines(path):map(string.upper):to(path, { ending = "\n" })
      assert.equal("ONE\nTWO\nTHREE\n", temp.read(path))
    end)

    it("of two at once has the content of one", function()
      local function put(text)
        return @(@stream({ text:rep(200000), text }):buffer(1):to(out))
      end
      @all(put("a"), put("b"))
      local text = temp.read(out)
      assert.equal(text:sub(1, 1):rep(200001), text)
      assert.same({ "in", "out" }, temp.list(dir))
    end)

    local big = ("x"):rep(200000)
    local failures = {
      ["the source"] = function() return @stream.unfold(1, function(n) return n < 3 and big or error("boom"), n + 1 end) end,
      ["a stage"] = function() return @stream({ big, big }):map(function(x) return x == 1 and x or error("boom") end) end,
      ["a task"] = function() return @stream({ big, big }):map(function() error("boom") end, { concurrency = 2 }) end,
      ["an item that cannot be written"] = function() return @stream({ big, 5 }) end,
    }
    for name, make in pairs(failures) do
      it("leaves the file as it was when this fails: " .. name, function()
        temp.write(out, "old")
        fails(function() make():to(out) end)
        assert.equal("old", temp.read(out))
        assert.same({ "in", "out" }, temp.list(dir))
      end)
    end

    it("says which item cannot be written", function()
      local e = fails(function() @stream({ "a", 5 }):to(out) end)
      assert.equal("argument", e.kind)
      assert.truthy(e.message:find("item 2 is a number", 1, true))
    end)

    it("raises what keeps it from writing, and closes the source", function()
      local closed = 0
      local src = setmetatable({ close = function() closed = closed + 1 end }, { __call = function() return "x" end })
      assert.equal("file.not_found", fails(function() @stream(src):to(dir .. "/no/out") end).kind)
      assert.equal(1, closed)
    end)

    it("refuses options that are none", function()
      for _, opts in ipairs { { close = false }, { ending = 5 }, { mode = "x" } } do
        assert.equal("argument", fails(function() @stream({}):to(out, opts) end).kind)
      end
      assert.same({ "in" }, temp.list(dir))
    end)

    it("leaves nothing when it is cancelled, whenever that is", function()
      temp.write(out, "old")
      for n = 0, 12 do
        local task = @async(function()
          return @stream.unfold(1, function(i) return ("x"):rep(50000), i + 1 end)
            :map(function(x) @yield() return x end, { concurrency = 2 }):to(out)
        end)
        for _ = 1, n * 3 do @yield() end
        task:cancel()
        assert.equal("task_cancelled", fails(task.await, task).kind)
        assert.same({ "in", "out" }, temp.list(dir))
        assert.equal("old", temp.read(out))
      end
    end)
  end)

  -- N times 64 MB, at most 2 GB: through every kind of bound there is.
  it("of a large file goes through in a few megabytes", function()
    local megabytes = 64 * math.min(32, tonumber(os.getenv("N")) or 1)
    local pages = (os.getenv("SANITIZE") or "") == "" and 4096 or 1e6 -- a sanitizer keeps what was freed
    local script = temp.write(dir .. "/main.lua", ([[
      local path, out, lines = %q, %q, %d
      local text = ("x"):rep(57)
      @stream.unfold(1, function(i)
        if i <= lines then return ("%%06d"):format(i %% 1000000) .. text, i + 1 end
      end):to(path, { ending = "\n" })

      local heap, pages = 0, 0
      local function resident()
        return tonumber(@file.read("/proc/self/statm", { special = true }):match("^%%d+ (%%d+)"))
      end
      local function measure(list)
        heap, pages = math.max(heap, collectgarbage("count")), math.max(pages, resident())
        return list
      end
      collectgarbage()
      local before = resident()
      local n = 0
      @file.lines(path)
        :map(function(line)
          n = n + 1
          if n %% 5000 == 0 then @yield() end
          return line:upper()
        end, { concurrency = 8 })
        :chunks(1000):map(measure):to(out, { ending = "\n" })
      local last
      local same = @file.lines(out):fold(function(ok, line)
        last = line
        return ok and #line == 63 and line:sub(7) == text:upper()
      end, true)
      print(n, same, last:sub(1, 6), heap < 8 * 1024, pages - before < %d)
    ]]):format(path, out, megabytes * 16384, pages))
    local pipe = io.popen(("'%s' '%s' 2>&1"):format(require("luv").exepath(), script))
    local text = pipe:read("*a")
    pipe:close()
    local lines = megabytes * 16384
    assert.equal(("%d\ttrue\t%06d\ttrue\ttrue\n"):format(lines, lines % 1000000), text)
  end)
end)

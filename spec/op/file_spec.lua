-- Whole files: reading, writing, and what goes wrong.
local temp = require "spec.support.temp"

local function kind_of(fn, ...)
  local v, e = @try(fn, ...)
  assert.is_nil(v)
  return e.kind, e
end

describe("@file", function()
  local dir, path

  before_each(function()
    dir = temp.new()
    path = dir .. "/file"
  end)

  after_each(function() temp.remove(dir) end)

  local function fifo()
    local name = temp.fifo(dir .. "/fifo")
    return name, assert(io.open(name, "r+")) -- open both ways: nothing waits for the other end
  end

  describe("read", function()
    for _, size in ipairs { 0, 1, 4096, 262144, 262145, 3000000 } do
      it(("returns all of a file of %d bytes"):format(size), function()
        local text = ("0123456789abcde\n"):rep(math.ceil(size / 16)):sub(1, size)
        temp.write(path, text)
        assert.is_true(@file.read(path) == text)
        assert.is_true(@file.read(path) == text)
      end)
    end

    it("keeps zero bytes and every other byte", function()
      local all = {}
      for i = 0, 255 do all[i + 1] = string.char(i) end
      temp.write(path, table.concat(all))
      assert.equal(table.concat(all), @file.read(path))
    end)

    it("reads files whose size the system does not tell", function()
      assert.truthy(@file.read("/proc/self/status"):find("VmRSS", 1, true))
    end)

    it("follows a link", function()
      temp.write(path, "text")
      os.execute(("ln -s file '%s/link'"):format(dir))
      assert.equal("text", @file.read(dir .. "/link"))
    end)

    it("raises file.not_found, with path, errno and place", function()
      local kind, e = kind_of(@file.read, dir .. "/none")
      assert.equal("file.not_found", kind)
      assert.equal(('cannot read "%s/none": no such file or directory (ENOENT)'):format(dir), e.message)
      assert.equal(dir .. "/none", e.path)
      assert.equal("ENOENT", e.errno)
      assert.equal("file.read", e.op)
      assert.truthy(e.site.line)
    end)

    it("raises file.is_directory for a folder", function()
      assert.equal("file.is_directory", (kind_of(@file.read, dir)))
    end)

    it("raises file.not_directory when a file stands where a folder should", function()
      temp.write(path, "")
      assert.equal("file.not_directory", (kind_of(@file.read, path .. "/x")))
    end)

    it("raises file.too_large beyond max, 64 MiB unless told", function()
      temp.write(path, ("x"):rep(1001))
      local kind, e = kind_of(@file.read, path, { max = 1000 })
      assert.equal("file.too_large", kind)
      assert.truthy(e.message:find("larger than 1000 bytes", 1, true))
      assert.equal(1001, #@file.read(path, { max = "1001B" }))
      os.execute(("truncate -s 67108865 '%s'"):format(path))
      assert.equal("file.too_large", (kind_of(@file.read, path)))
    end)

    it("refuses devices, FIFOs and sockets, without waiting for them", function()
      local uv = require "luv"
      local socket = uv.new_pipe(false)
      assert(socket:bind(dir .. "/socket"))
      temp.fifo(dir .. "/pipe")
      for _, name in ipairs { "/dev/zero", dir .. "/pipe", dir .. "/socket" } do
        local kind, e = kind_of(@file.read, name)
        assert.equal("file.type", kind)
        assert.truthy(e.message:find("it is a ", 1, true))
        assert.equal("file.type", (kind_of(@file.write, name, "x")))
        assert.equal("file.type", (kind_of(@file.lines, name)))
      end
      socket:close()
    end)

    it("reads a device when asked to, within max", function()
      assert.equal("file.too_large", (kind_of(@file.read, "/dev/zero", { special = true, max = "1MiB" })))
      assert.equal("", @file.read("/dev/null", { special = true }))
    end)
  end)

  describe("write", function()
    it("makes a file, and replaces all of one", function()
      assert.is_true(@file.write(path, "a longer text"))
      assert.is_true(@file.write(path, "short\0er"))
      assert.equal("short\0er", temp.read(path))
      @file.write(path, "")
      assert.equal("", temp.read(path))
    end)

    it("writes large data whole", function()
      local data = ("0123456789abcdef"):rep(2 ^ 20)
      @file.write(path, data)
      assert.is_true(temp.read(path) == data)
    end)

    it("gives a new file the mode it is told, and leaves that of an old one", function()
      @file.write(path, "x", { mode = "600" })
      assert.equal(tonumber("600", 8), @file.metadata(path).mode)
      @file.write(path, "y", { mode = "644" })
      assert.equal(tonumber("600", 8), @file.metadata(path).mode)
    end)

    it("raises file.not_found when the folder is missing", function()
      assert.equal("file.not_found", (kind_of(@file.write, dir .. "/none/x", "x")))
    end)

    it("raises file.is_directory for a folder", function()
      assert.equal("file.is_directory", (kind_of(@file.write, dir, "x")))
    end)

    it("raises file.no_space on a full device", function()
      local kind, e = kind_of(@file.write, "/dev/full", "x", { special = true })
      assert.equal("file.no_space", kind)
      assert.equal("ENOSPC", e.errno)
    end)

    it("to a FIFO that lost its reader is an error, not the end of the process", function()
      local name, other = fifo()
      local task = @async(function() @file.write(name, ("x"):rep(2 ^ 20), { special = true }) end)
      other:read(1)
      other:close()
      local _, e = @try(function() return task:await() end)
      assert.equal("file.io", e.kind)
      assert.equal("EPIPE", e.errno)
    end)

    it("raises file.permission for what the system forbids", function()
      assert.equal("file.permission", (kind_of(@file.remove, "/proc/self/status")))
    end)
  end)

  describe("append", function()
    it("makes a file, then adds to its end", function()
      @file.append(path, "one ")
      @file.append(path, "two")
      assert.equal("one two", temp.read(path))
    end)

    it("keeps each piece whole when tasks append at once", function()
      @scope(function(s)
        for i = 1, 20 do
          s:spawn(function() @file.append(path, (string.char(64 + i)):rep(999) .. "\n") end)
        end
      end)
      local n = 0
      for line in temp.read(path):gmatch("[^\n]+") do
        assert.equal(line:sub(1, 1):rep(999), line)
        n = n + 1
      end
      assert.equal(20, n)
    end)
  end)

  describe("read_json and write_json", function()
    it("give back what was written", function()
      local value = { name = "x", list = { 1, 2.5, "three" }, on = true }
      @file.write_json(path, value)
      assert.same(value, @file.read_json(path))
      assert.equal("\n", temp.read(path):sub(-1))
    end)

    it("name the file, line and column of a mistake", function()
      temp.write(path, '{\n  "a": 1,\n}')
      local kind, e = kind_of(@file.read_json, path)
      assert.equal("json.syntax", kind)
      assert.same({ 3, 1, path }, { e.line, e.column, e.path })
      assert.truthy(e.message:find(path, 1, true))
    end)

    it("write nothing when the value is no JSON", function()
      assert.equal("json.value", (kind_of(@file.write_json, path, { f = print })))
      assert.is_false(@file.exists(path))
    end)
  end)

  describe("misuse is an argument error:", function()
    local cases = {
      ["a path that is no string"] = { function() return @file.read(5) end, "path: string expected" },
      ["a zero byte in a path"] = { function() return @file.read("a\0b") end, "zero byte" },
      ["a colon for a dot"] = { function() local f = @file return f:read("x") end, "called with a colon" },
      ["data that is no string"] = { function() return @file.write("x", {}) end, "data: string expected" },
      ["an unknown option"] = { function() return @file.read("x", { maxx = 1 }) end, 'did you mean "max"' },
      ["a mode that is none"] = { function() return @file.write("x", "", { mode = "rw" }) end, "permission bits" },
      ["a timeout that is none"] = { function() return @file.read("x", { timeout = "soon" }) end, 'timeout: "soon" is not a duration' },
      ["removing the root"] = { function() return @file.remove("/", { recursive = true }) end, "name the folder" },
    }
    for name, case in pairs(cases) do
      it(name, function()
        local kind, e = kind_of(case[1])
        assert.equal("argument", kind)
        assert.truthy(e.message:find(case[2], 1, true), e.message)
      end)
    end
  end)

  describe("when cancelled", function()
    it("a write lets go of its thread, again and again", function()
      local name, other = fifo()
      for _ = 1, 12 do
        local task = @async(@file.write, name, ("x"):rep(2 ^ 20), { special = true })
        task:cancel()
        local _, e = @try(function() return task:await() end)
        assert.equal("task_cancelled", e.kind)
      end
      temp.write(path, ("x"):rep(300000))
      assert.equal(300000, #@file.read(path))
      other:close()
    end)
  end)

  it("works in two tasks at once", function()
    local a, b = dir .. "/a", dir .. "/b"
    local big = ("ab"):rep(200000)
    local one = @async(function()
      @file.write(a, big)
      return @file.read(a)
    end)
    local two = @async(function()
      @file.write(b, "small")
      return @file.read(b)
    end)
    assert.equal("small", two:await())
    assert.is_true(one:await() == big)
  end)

  it("raises file.too_many_open when the process has no descriptor left", function()
    local tusk = require("luv").exepath()
    local script = temp.write(dir .. "/main.lua", [[
      local held = { @file.exists("/") }
      for i = 1, 100 do held[i] = io.open("/dev/null") end
      local _, e = @try(@file.read, "/etc/hostname")
      print(e and e.kind)
    ]])
    local out = io.popen(("ulimit -n 40; '%s' '%s' 2>&1"):format(tusk, script))
    local text = out:read("*a")
    out:close()
    assert.equal("file.too_many_open\n", text)
  end)
end)

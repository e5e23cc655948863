-- What the system can do to files: full disks, no descriptors, names and devices that are not for it.
local temp = require "spec.support.temp"
local uv = require "luv"

local function failure(fn, ...)
  local v, e = @try(fn, ...)
  assert.is_nil(v)
  return e
end

local function run(script, limits)
  local out = io.popen(("%s; '%s' '%s' 2>&1"):format(limits, uv.exepath(), script))
  local text = out:read("*a")
  out:close()
  return text
end

describe("@file on a full disk", function()
  local dir, mounted

  -- A file system of one megabyte, with an old file, a folder to copy, and little room.
  setup(function()
    dir = temp.new()
    mounted = uv.getuid() == 0 and os.execute(("mount -t tmpfs -o size=1m tusk-spec '%s' 2>/dev/null"):format(dir)) == 0
  end)

  teardown(function()
    collectgarbage() -- a root holds its folder
    collectgarbage()
    if mounted then assert.equal(0, os.execute(("umount '%s'"):format(dir))) end
    temp.remove(dir)
  end)

  local big = ("x"):rep(2000000)

  -- verb → what fills the disk by it, to "old"
  local writing = {
    write_atomic = function() @file.write_atomic(dir .. "/old", big) end,
    write_json = function() @file.write_json(dir .. "/old", big) end,
    copy = function(from) @file.copy(from, dir .. "/old") end,
    copy_recursive = function(from) @file.copy(from:match("^(.*)/"), dir .. "/new", { recursive = true }) end,
    stream = function() @stream({ big }):to(dir .. "/old") end,
    writer = function()
      local w = @file.writer(dir .. "/old")
      local ok, e = pcall(function()
        w:write(big)
        w:commit()
      end)
      w:close()
      if not ok then error(e, 0) end
    end,
    root = function() @file.root(dir).write_atomic("old", big) end,
  }

  for verb, fn in pairs(writing) do
    it(verb .. " leaves what was there, and nothing beside it", function()
      if not mounted then return pending("a file system can be mounted by root only") end
      temp.write(dir .. "/old", "old")
      temp.dir(function(other)
        temp.write(other .. "/big", big)
        local ok, e = pcall(fn, other .. "/big")
        assert.is_false(ok)
        assert.equal("file.no_space", e.kind, tostring(e))
        assert.equal("ENOSPC", e.errno)
      end)
      assert.same({ "old" }, temp.list(dir))
      assert.equal("old", temp.read(dir .. "/old"))
      assert.is_true(@file.write_atomic(dir .. "/old", ("y"):rep(400000))) -- all of it was given back
    end)
  end

  it("write and append say so, and have written in part", function()
    if not mounted then return pending("a file system can be mounted by root only") end
    for _, verb in ipairs { @file.write, @file.append } do
      local e = failure(verb, dir .. "/part", big)
      assert.equal("file.no_space", e.kind)
      local size = @file.metadata(dir .. "/part").size
      assert.is_true(size > 0 and size < #big)
      @file.remove(dir .. "/part")
    end
  end)
end)

describe("@file", function()
  local dir

  before_each(function() dir = temp.new() end)
  after_each(function() temp.remove(dir) end)

  it("without descriptors fails, leaves nothing, and works once there are some", function()
    local script = temp.write(dir .. "/main.lua", [[
      os.execute("mkdir -p d/e && touch d/f")
      local root = @file.root(".")
      local function fill()
        local held, f = {}, io.open("/dev/null")
        while f do
          held[#held + 1] = f
          f = io.open("/dev/null")
        end
        return held
      end
      @file.exists("/")
      @file.metadata("none")
      collectgarbage()
      collectgarbage()
      local held = fill()
      for name, fn in pairs {
        read = @(@file.read("d/f")), write = @(@file.write("a", "x")), write_atomic = @(@file.write_atomic("a", "x")),
        writer = @(@file.writer("a")), copy = @(@file.copy("d/f", "a")), tree = @(@file.copy("d", "a", { recursive = true })),
        walk = @(@file.walk("d")), root = @(@file.root("d")), read_dir = @(@file.read_dir("d")), sweep = @(@file.sweep("d")),
        watch = @(@file.watch("d")), lock = @(@file.lock("l", @(1))), lines = @(@file.lines("d/f")), temp = @(@file.temp({ parent = "d" }, @(1))),
        rooted = @(root.read("d/f")), remove = @(root.remove("d", { recursive = true })), mkdir = @(root.mkdir("d/x")),
      } do
        local _, e = @try(fn)
        if not e or e.kind ~= "file.too_many_open" then print(name, e and e.kind) end
      end
      for _, f in ipairs(held) do f:close() end
      collectgarbage()
      print(@file.write_atomic("a", "x"), root.read("a"), #@file.read_dir("d"), #@file.read_dir("."))
    ]])
    local text = run(script, ("cd '%s'; ulimit -n 60"):format(dir))
    assert.equal("true\tx\t2\t3\n", text)
  end)

  it("refuses a name with a zero byte, whatever the verb", function()
    local name, old = dir .. "/a\0b", temp.write(dir .. "/old", "")
    local root = @file.root(dir)
    for _, f in ipairs { require("tusk.operators").get "file", root } do
      for _, call in ipairs {
        @(f.read(name)), @(f.write(name, "")), @(f.append(name, "")), @(f.write_atomic(name, "")), @(f.writer(name)), @(f.read_json(name)),
        @(f.write_json(name, 1)), @(f.lines(name)), @(f.chunks(name)), @(f.read_dir(name)), @(f.metadata(name)), @(f.exists(name)),
        @(f.rename(name, "x")), @(f.rename("old", name)), @(f.remove(name)), @(f.mkdir(name)), @(f.copy(name, "x")), @(f.copy(old, name)),
        @(f.walk(name)), @(f.root(name)), @(f.watch(name)), @(f.lock(name, @(1))), @(f.sweep(name)), @(f.temp({ parent = name }, @(1))),
      } do
        local e = failure(call)
        assert.equal("argument", e.kind)
        assert.truthy(e.message:find("a path cannot contain a zero byte", 1, true))
      end
    end
    assert.same({ "old" }, temp.list(dir))
  end)

  it("takes no device for a file", function()
    for _, call in ipairs {
      @(@file.read("/dev/zero")), @(@file.write("/dev/null", "x")), @(@file.append("/dev/null", "x")), @(@file.write_atomic("/dev/null", "x")),
      @(@file.writer("/dev/null")), @(@file.lines("/dev/zero")), @(@file.chunks("/dev/zero")), @(@file.read_json("/dev/zero")),
      @(@file.copy("/dev/zero", dir .. "/x")), @(@file.lock("/dev/null", @(1))),
    } do assert.equal("file.type", failure(call).kind) end
    assert.same({}, temp.list(dir))
    assert.equal("char_device", @file.metadata("/dev/zero").type)
  end)

  it("reads no more than it is to, of what has no end or grows", function()
    assert.equal("file.too_large", failure(@file.read, "/dev/zero", { special = true, max = "1MiB" }).kind)
    local e = failure(@(@file.lines("/dev/zero", { special = true, max = "1MiB" }):count()))
    assert.equal("file.too_large", e.kind)
    assert.equal("file.too_large", failure(@file.read, temp.write(dir .. "/f", "12345"), { max = 4 }).kind)
  end)

  it("raises what the disk could not do", function()
    local e = failure(@file.read, "/proc/self/mem") -- at its beginning there is nothing that could be read
    assert.same({ "file.io", "EIO" }, { e.kind, e.errno })
    assert.equal("EIO", failure(@file.copy, "/proc/self/mem", dir .. "/x").errno)
    assert.same({}, temp.list(dir))
  end)

  it("raises when the folder it works in is gone", function()
    @file.mkdir(dir .. "/d")
    local root, w = @file.root(dir .. "/d"), @file.writer(dir .. "/d/f")
    w:write(("x"):rep(200000))
    os.execute(("rm -r '%s/d'"):format(dir))
    assert.equal("file.not_found", failure(w.commit, w).kind)
    assert.equal("file.not_found", failure(root.write_atomic, "f", "x").kind)
    assert.equal("file.not_found", failure(root.mkdir, "x", { parents = true }).kind)
    assert.same({}, root.read_dir("."))
    assert.same({}, temp.list(dir))
  end)
end)

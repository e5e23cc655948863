-- @file.root: the same verbs in a folder that no path leaves.
local program = require "spec.support.program"
local temp = require "spec.support.temp"

local function failure(fn, ...)
  local v, e = @try(fn, ...)
  assert.is_nil(v)
  return e
end

local function kind_of(fn, ...) return failure(fn, ...).kind end

-- A folder to be confined to, and beside it what is not to be reached.
local function tree()
  local dir = temp.new()
  os.execute(([[cd '%s' && mkdir -p in/sub/deep out && cd in && printf secret >../out/f && printf text >f &&
    printf deep >sub/deep/f && ln -s sub/deep inner && ln -s ../f sub/up && ln -s ../out outer && ln -s ../out/f outer_file &&
    ln -s ../out/new outer_new && ln -s '%s/in/f' absolute && ln -s / slash && ln -s loop loop && ln -s made dangling]])
    :format(dir, dir))
  return dir
end

describe("@file.root", function()
  local dir, root

  before_each(function()
    dir = tree()
    root = @file.root(dir .. "/in")
  end)

  after_each(function() temp.remove(dir) end)

  it("has every verb of @file", function()
    for name, verb in pairs(require("tusk.operators").get "file") do
      assert.equal("function", type(verb))
      assert.equal("function", type(root[name]), name)
    end
  end)

  it("reads, writes, lists, renames and removes below its folder", function()
    assert.equal("text", root.read("f"))
    assert.is_true(root.write("sub/new", "a"))
    assert.is_true(root.append("sub/new", "b\nc"))
    assert.same({ "ab", "c" }, root.lines("sub/new"):collect())
    assert.same({ "ab\n", "c" }, root.chunks("sub/new", 3):collect())
    assert.is_true(root.write_atomic("sub/new", "atomic", { mode = "640" }))
    assert.same({ 6, tonumber("640", 8) }, { root.metadata("sub/new").size, root.metadata("sub/new").mode })
    assert.is_true(root.write_json("j", { 1 }))
    assert.same({ 1 }, root.read_json("j"))
    local w = root.writer("w")
    w:write("pieces")
    w:commit()
    assert.equal("pieces", root.read("w"))
    assert.is_true(root.mkdir("x//y/z/", { parents = true }))
    assert.is_false(root.mkdir("x/y/z", { parents = true }))
    assert.is_true(root.rename("w", "x/y/z/w"))
    assert.same({ { name = "w", path = "x/y/z/w", type = "file" } }, root.read_dir("x/y/z"))
    assert.equal("file.exists", kind_of(root.rename, "f", "x/y/z/w", { replace = false }))
    assert.equal("file.not_empty", kind_of(root.remove, "x"))
    assert.is_true(root.remove("x/", { recursive = true }))
    assert.is_false(root.exists("x"))
    assert.is_false(root.remove("x", { missing_ok = true }))
    assert.is_nil(root.metadata("x"))
    assert.same({ "deep", "new", "up" }, temp.list(dir .. "/in/sub"))
  end)

  it("lists itself", function()
    assert.equal("./absolute", root.read_dir(".")[1].path)
    assert.equal("text", root.read("./f"))
  end)

  it("follows .. and links that stay inside", function()
    assert.equal("text", root.read("sub/deep/../../f"))
    assert.equal("deep", root.read("inner/f"))
    assert.equal("text", root.read("sub/up"))
    assert.is_true(root.write_atomic("sub/up", "new"))
    assert.equal("new", temp.read(dir .. "/in/f"))
    assert.equal("link", root.metadata("sub/up", { follow = false }).type)
    assert.equal("file", root.metadata("sub/up").type)
  end)

  it("makes what a link inside leads nowhere to", function()
    root.write_atomic("dangling", "a")
    assert.equal("a", temp.read(dir .. "/in/made"))
  end)

  -- verb → what calls it with a path to leave by
  local leaving = {
    read = function(p) root.read(p) end,
    write = function(p) root.write(p, "x") end,
    append = function(p) root.append(p, "x") end,
    write_atomic = function(p) root.write_atomic(p, "x") end,
    writer = function(p) root.writer(p) end,
    read_json = function(p) root.read_json(p) end,
    write_json = function(p) root.write_json(p, {}) end,
    lines = function(p) root.lines(p) end,
    chunks = function(p) root.chunks(p) end,
    metadata = function(p) root.metadata(p) end,
    exists = function(p) root.exists(p) end,
    copy_from = function(p) root.copy(p, "new") end,
    copy_to = function(p) root.copy("f", p) end,
    lock = function(p) root.lock(p, error) end,
    watch = function(p) root.watch(p) end,
  }
  -- and of those that follow no link at the end
  local entering = {
    walk = function(p) root.walk(p)() end,
    copy_tree_from = function(p) root.copy(p, "new", { recursive = true }) end,
    copy_tree_to = function(p) root.copy("sub", p .. "/new", { recursive = true }) end,
    temp = function(p) root.temp({ parent = p }, error) end,
    temp_folder = function(p) root.temp({ parent = p, directory = true }, error) end,
    sweep = function(p) root.sweep(p, { recursive = true }) end,
    watch_folder = function(p) root.watch(p, { recursive = true }) end,
    read_dir = function(p) root.read_dir(p) end,
    root = function(p) root.root(p) end,
    rename_from = function(p) root.rename(p .. "/f", "g") end,
    rename_to = function(p) root.rename("f", p .. "/g") end,
    remove = function(p) root.remove(p .. "/f") end,
    remove_recursive = function(p) root.remove(p .. "/f", { recursive = true }) end,
    mkdir = function(p) root.mkdir(p .. "/new") end,
    mkdir_parents = function(p) root.mkdir(p .. "/a/b", { parents = true }) end,
  }

  local function refused(verb, fn, path)
    local ok, e = pcall(fn, path)
    assert.is_false(ok, ("%s %s"):format(verb, path))
    assert.equal("file.escape", e.kind, ("%s %s: %s"):format(verb, path, tostring(e)))
    assert.truthy(e.message:find("that leads out of the root", 1, true))
  end

  for verb, fn in pairs(leaving) do
    it(verb .. " refuses .., absolute paths and links that leave", function()
      for _, path in ipairs {
        "../out/f", "sub/../../out/f", "/etc/passwd", dir .. "/in/f", "/proc/self/root" .. dir .. "/out/f", "outer/f", "outer_file",
        "outer_new", "absolute", "slash" .. dir .. "/out/f",
      } do refused(verb, fn, path) end
      assert.equal("secret", temp.read(dir .. "/out/f"))
      assert.same({ "f" }, temp.list(dir .. "/out"))
    end)
  end

  for verb, fn in pairs(entering) do
    it(verb .. " refuses folders outside", function()
      for _, path in ipairs { "..", "../out", "sub/../..", "/", "/proc/self/root", "outer", "slash", "slash" .. dir .. "/out" } do
        refused(verb, fn, path)
      end
      assert.equal("secret", temp.read(dir .. "/out/f"))
      assert.same({ "f" }, temp.list(dir .. "/out"))
      assert.equal("text", temp.read(dir .. "/in/f"))
    end)
  end

  it("copies, walks, locks, watches, sweeps and makes temporary files through links that stay inside", function()
    assert.is_true(root.copy("inner/f", "sub/up"))
    assert.equal("deep", temp.read(dir .. "/in/f"))
    assert.is_true(root.copy("inner", "sub/../tree", { recursive = true }))
    assert.same({ "f" }, temp.list(dir .. "/in/tree"))
    assert.equal("inner/f", root.walk("inner")().path)
    assert.equal(7, root.lock("sub/up", @(7)))
    assert.truthy(root.temp({ parent = "inner" }, function(p)
      assert.equal(2, #temp.list(dir .. "/in/sub/deep"))
      return p
    end):find("^inner/tusk%-%x+/file$"))
    temp.write(dir .. "/in/sub/deep/.f.tusk-0123abcd.tmp", "")
    assert.equal(1, root.sweep("inner"))
    local watch = root.watch("inner")
    temp.write(dir .. "/in/sub/deep/new", "")
    assert.equal("inner/new", watch().path)
    watch:close()
  end)

  it("neither walks, copies, sweeps nor watches what links in a folder lead to", function()
    temp.write(dir .. "/out/.f.tusk-0123abcd.tmp", "")
    os.execute(("mkdir '%s/out/tusk-0123456789abcdef'"):format(dir))
    local seen = {}
    for entry in root.walk(".") do seen[entry.path] = entry.type end
    assert.equal("link", seen["./outer"])
    assert.is_nil(seen["./outer/f"])
    assert.equal(0, root.sweep(".", { recursive = true }))
    root.mkdir("box")
    root.rename("slash", "box/slash")
    root.copy("box", "copy", { recursive = true })
    assert.equal("link", root.metadata("copy/slash", { follow = false }).type)
    assert.equal("file.escape", kind_of(root.read, "copy/slash/etc/passwd"))
    local watch = root.watch("box", { recursive = true })
    temp.write(dir .. "/out/new", "")
    temp.write(dir .. "/in/box/own", "")
    assert.equal("box/own", watch().path)
    watch:close()
    root.remove("box", { recursive = true })
    assert.same({ ".f.tusk-0123abcd.tmp", "f", "new", "tusk-0123456789abcdef" }, temp.list(dir .. "/out"))
  end)

  it("removes, renames and looks at links that leave, without following them", function()
    assert.equal("link", root.metadata("outer", { follow = false }).type)
    assert.is_true(root.rename("outer", "other"))
    assert.is_true(root.remove("other", { recursive = true }))
    assert.is_true(root.remove("outer_file"))
    assert.same({ "f" }, temp.list(dir .. "/out"))
  end)

  it("removes folders with links in them, which it does not follow", function()
    os.execute(("ln -s ../../out '%s/in/sub/l'"):format(dir))
    root.remove("sub", { recursive = true })
    assert.same({ "f" }, temp.list(dir .. "/out"))
  end)

  it("does not make, rename or remove the root by its . and ..", function()
    for _, path in ipairs { ".", "sub/..", "sub/." } do
      assert.equal("file.busy", kind_of(root.remove, path))
      assert.equal("file.busy", kind_of(root.rename, path, "y"))
      assert.equal("argument", kind_of(root.remove, path, { recursive = true }))
      assert.equal("file.is_directory", kind_of(root.write_atomic, path, ""))
      assert.equal("file.is_directory", kind_of(root.write, path, ""))
    end
  end)

  it("refuses the magic links of /proc, and zero bytes", function()
    local proc = @file.root("/proc")
    assert.truthy(proc.read("self/status"):find("Name:", 1, true))
    for _, path in ipairs { "self/root/etc/passwd", "self/cwd/README.md", "self/fd/0" } do
      assert.equal("ELOOP", failure(proc.read, path).errno)
    end
    for _, path in ipairs { "self/root", "self/cwd" } do
      for _, call in ipairs {
        @(proc.copy(path .. "/etc/passwd", "x")), @(proc.walk(path .. "/etc")), @(proc.sweep(path .. "/etc")), @(proc.lock(path .. "/x", error)),
        @(proc.watch(path .. "/etc")), @(proc.temp({ parent = path .. "/etc" }, error)),
      } do assert.equal("ELOOP", failure(call).errno) end
    end
    local name = "f\0/../../out/f"
    for _, call in ipairs {
      @(root.read(name)), @(root.copy(name, "x")), @(root.copy("f", name)), @(root.walk(name)), @(root.temp({ parent = name }, error)),
      @(root.sweep(name)), @(root.lock(name, error)), @(root.watch(name)),
    } do assert.equal("argument", kind_of(call)) end
  end)

  it("fails as the verbs do: missing, a file in the way, too long, links that go round, an empty path", function()
    assert.equal("file.not_found", kind_of(root.read, "none"))
    assert.equal("file.not_found", kind_of(root.read, ""))
    assert.equal("file.not_found", kind_of(root.write_atomic, "none/x", ""))
    assert.equal("file.not_directory", kind_of(root.read, "f/x"))
    assert.equal("file.not_directory", kind_of(root.root, "f"))
    assert.equal("file.not_found", kind_of(@file.root, dir .. "/none"))
    assert.equal("ELOOP", failure(root.read, "loop").errno)
    assert.equal("ENAMETOOLONG", failure(root.remove, ("n"):rep(256)).errno)
    assert.equal("ENAMETOOLONG", failure(root.remove, ("n/"):rep(3000)).errno)
    temp.fifo(dir .. "/in/fifo")
    assert.equal("file.type", kind_of(root.read, "fifo"))
    assert.equal("file.type", kind_of(root.write, "fifo", "x"))
  end)

  it("is nested: a root of a root is left no more than that", function()
    local sub = root.root("sub")
    assert.equal("deep", sub.read("deep/f"))
    assert.equal("file.escape", kind_of(sub.read, "../f"))
    assert.equal("file.escape", kind_of(sub.read, "up"))
  end)

  it("is the folder it was, when that is moved", function()
    os.rename(dir .. "/in", dir .. "/moved")
    assert.equal("text", root.read("f"))
    root.write("g", "x")
    assert.equal("x", temp.read(dir .. "/moved/g"))
  end)

  it("says what is wrong with a call", function()
    local colon = failure(function() return root:read("f") end)
    assert.equal("argument", colon.kind)
    assert.truthy(colon.message:find("write root.read(path) with a dot", 1, true))
    local none = failure(function() return root.raed("f") end)
    assert.truthy(none.message:find('did you mean "read"', 1, true))
    assert.equal("argument", kind_of(@file.root, 5))
    assert.equal("argument", kind_of(@file.root, dir, { tiemout = 1 }))
    assert.equal("argument", kind_of(function() root.x = 1 end))
  end)

  it("gives its descriptor back when it is collected", function()
    local function held()
      collectgarbage()
      collectgarbage()
      return #temp.list("/proc/self/fd")
    end
    local before = held()
    for _ = 1, 50 do @file.root(dir).exists("in") end
    assert.equal(before, held())
  end)

  it("of two tasks serves both, and a cancelled verb happened or did not", function()
    local a, b = @all(@(root.write_atomic("a", "1")), @(root.root("sub").write_atomic("a", "2")))
    assert.same({ true, true }, { a, b })
    local task = @async(root.write_atomic, "f", "new")
    task:cancel()
    @try(task.await, task)
    assert.truthy(({ text = true, new = true })[root.read("f")])
  end)

  -- A link to the outside and a folder change places all the time; what is read is inside, or refused.
  it("is not left in a race of links", function()
    local rounds = tonumber(os.getenv "N") and 1000000 or 20000
    os.execute(("cd '%s/in'; mkdir d; printf inside >d/f; ln -s ../out l"):format(dir))
    local script = temp.write(dir .. "/flip.lua", [[
      local ffi = require "ffi"
      ffi.cdef "int renameat2(int, const char *, int, const char *, unsigned); int getppid(void);"
      local parent = ffi.C.getppid()
      print("flipping")
      io.stdout:flush()
      while ffi.C.getppid() == parent do
        for _ = 1, 1000 do ffi.C.renameat2(-100, "d", -100, "l", 2) end
      end
    ]])
    local seen = { inside = 0, ["file.escape"] = 0, ["file.busy"] = 0 }
    local paths = { "d/f", "l/f", "d/../d/f", "sub/../l/f" }
    program.start({ script }, { cwd = dir .. "/in" }, function(p)
      p:read_until("flipping")
      local function step(i)
        local text, e = @try(root.read, paths[i % #paths + 1])
        local what = text or e.kind
        if not seen[what] then error(("round %d: %s"):format(i, tostring(text or e))) end
        seen[what] = seen[what] + 1
      end
      for i = 1, rounds do step(i) end
      for i = 1, 200 do
        local _, e = @try(root.write_atomic, paths[i % 2 + 1], "inside")
        assert.truthy(not e or seen[e.kind], tostring(e))
      end
    end)
    assert.equal("secret", temp.read(dir .. "/out/f"))
    assert.same({ "f" }, temp.list(dir .. "/out"))
    assert.is_true(seen.inside > 0 and seen["file.escape"] > 0)
  end)
end)

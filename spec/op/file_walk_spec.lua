-- @file.walk: all that is in a folder and below.
local temp = require "spec.support.temp"

describe("@file.walk", function()
  local dir

  before_each(function()
    dir = temp.new()
    os.execute(([[cd '%s' && mkdir -p a/b/c d .hidden && touch 1.lua a/2.lua a/b/3.txt a/b/c/4.lua d/é.lua '.hidden/[x]' &&
      ln -s ../a d/link && ln -s nowhere d/broken]]):format(dir))
  end)

  after_each(function() temp.remove(dir) end)

  -- What a walk gives, sorted, relative to its folder.
  local function paths(opts, path)
    local list = {}
    for entry in @file.walk(path or dir, opts) do list[#list + 1] = entry.path:sub(#(path or dir) + 2) end
    table.sort(list)
    return list
  end

  local function failure(fn, ...)
    local v, e = @try(fn, ...)
    assert.is_nil(v)
    return e
  end

  it("gives names, paths and types, a folder before what is in it", function()
    local seen, types = {}, {}
    for entry in @file.walk(dir) do
      local parent = entry.path:match("^(.*)/")
      assert.is_true(parent == dir or seen[parent] == true, entry.path)
      assert.equal(entry.name, entry.path:match("[^/]*$"))
      seen[entry.path] = true
      types[entry.path:sub(#dir + 2)] = entry.type
    end
    assert.same({
      ["1.lua"] = "file", a = "directory", ["a/2.lua"] = "file", ["a/b"] = "directory", ["a/b/3.txt"] = "file",
      ["a/b/c"] = "directory", ["a/b/c/4.lua"] = "file", d = "directory", ["d/é.lua"] = "file", ["d/link"] = "link",
      ["d/broken"] = "link", [".hidden"] = "directory", [".hidden/[x]"] = "file",
    }, types)
  end)

  it("gives nothing of an empty folder", function()
    @file.mkdir(dir .. "/empty")
    assert.same({}, paths(nil, dir .. "/empty"))
  end)

  it("goes as deep as told", function()
    assert.same({ ".hidden", "1.lua", "a", "d" }, paths { depth = 1 })
    assert.equal(9, #paths { depth = 2 } - 1)
    assert.same(paths(), paths { depth = 100 })
  end)

  it("follows a link it is given, and none that it meets", function()
    assert.same({ "2.lua", "b", "b/3.txt", "b/c", "b/c/4.lua" }, paths(nil, dir .. "/d/link"))
  end)

  it("does not double a slash", function()
    for entry in @file.walk(dir .. "/") do assert.is_nil(entry.path:find("//", 1, true)) end
  end)

  describe("takes by glob", function()
    for glob, expected in pairs {
      ["*.lua"] = "1.lua", ["*"] = ".hidden 1.lua a d", ["a/**"] = "a/2.lua a/b a/b/3.txt a/b/c a/b/c/4.lua",
      ["**/*.lua"] = "1.lua a/2.lua a/b/c/4.lua d/é.lua", ["{a,d}/*.lua"] = "a/2.lua d/é.lua",
      ["a/{b/{3.txt,c/*},2*}"] = "a/2.lua a/b/3.txt a/b/c/4.lua", ["**/[1-3].*"] = "1.lua a/2.lua a/b/3.txt",
      ["**/[!1-3].lua"] = "a/b/c/4.lua d/é.lua", ["d/?.lua"] = "d/é.lua", ["d/[é-ê].lua"] = "d/é.lua", ["a/*/c/?.lua"] = "a/b/c/4.lua",
      ["**/b/**/*.lua"] = "a/b/c/4.lua", ["**/c/**"] = "a/b/c/4.lua", ["**/**/4*"] = "a/b/c/4.lua", ["*/\\[x\\]"] = ".hidden/[x]",
      ["*/[[]x[]]"] = ".hidden/[x]", ["none/*"] = "", ["**/*b*"] = "a/b d/broken", ["**/*l*n*k"] = "d/link",
    } do
      it(glob, function() assert.equal(expected, table.concat(paths { glob = glob }, " ")) end)
    end

    it("a pattern with many stars in no time", function()
      temp.write(dir .. "/" .. ("a"):rep(200), "")
      assert.same({}, paths { glob = ("*a"):rep(60) .. "b" })
    end)

    for glob, why in pairs {
      [""] = "a name is missing", ["/a"] = "a name is missing", ["a//b"] = "a name is missing", ["a/"] = "a name is missing",
      ["../x"] = ".. is no name", ["a/./b"] = ". is no name", ["a**b"] = "** is a name of its own", ["[a"] = "a [ without its ]",
      ["[a/b]"] = "a [ without its ]", ["{a,b"] = "a { without its }", ["a}"] = "a } without its {", ["x\\"] = "a \\ with nothing to take",
      [("{a,b}"):rep(9)] = "more than 256 patterns", ["a\0"] = "a zero byte",
    } do
      it(("refuses %q"):format(glob), function()
        local e = failure(@file.walk, dir, { glob = glob })
        assert.equal("argument", e.kind)
        assert.truthy(e.message:find("glob: " .. why, 1, true), e.message)
      end)
    end
  end)

  it("raises at once what is wrong with the folder, or with the call", function()
    assert.equal("file.not_found", failure(@file.walk, dir .. "/none").kind)
    assert.equal("file.not_directory", failure(@file.walk, dir .. "/1.lua").kind)
    for _, opts in ipairs { { depth = 0 }, { depth = "1" }, { glob = 1 }, { on_error = "ignore" }, { dept = 1 } } do
      assert.equal("argument", failure(@file.walk, dir, opts).kind)
    end
    assert.equal("argument", failure(function() return @file:walk(dir) end).kind)
  end)

  it("of folders deeper than it holds open", function()
    local deep = dir .. "/deep" .. ("/d"):rep(100)
    @file.mkdir(deep, { parents = true })
    for depth = 0, 100, 9 do
      local at = dir .. "/deep" .. ("/d"):rep(depth)
      for i = 1, 3 do temp.write(("%s/f%d"):format(at, i), "") end
      @file.mkdir(at .. "/e/e", { parents = true })
    end
    assert.equal(101 + 12 * 5, #paths { glob = "deep/**" } + 1)
    os.execute(("rm -rf '%s/deep'"):format(dir))
  end)

  it("of many entries in one folder, more than one trip's", function()
    @file.mkdir(dir .. "/many")
    for i = 1, 1500 do temp.write(("%s/many/%d"):format(dir, i), "") end
    assert.equal(1500, @file.walk(dir .. "/many"):count())
    assert.equal(1, @file.walk(dir, { glob = "many/777" }):count())
    local n = 0
    for _ in @file.walk(dir .. "/many") do
      n = n + 1
      if n == 300 then break end
    end
    assert.same({ "1.lua" }, @file.walk(dir, { glob = "*.lua" }):map(function(e) return e.name end):collect())
  end)

  -- Folders that were listed, and are gone when the walk comes to them: of 600, all but those of the first trip.
  describe("of folders that vanish", function()
    local FOLDERS = 600

    local function spoiled(opts)
      os.execute(("mkdir -p '%s/v' && cd '%s/v' && mkdir $(seq %d)"):format(dir, dir, FOLDERS))
      local walk = @file.walk(dir .. "/v", opts)
      assert.truthy(walk())
      os.execute(("rmdir '%s'/v/*"):format(dir))
      return walk
    end

    it("raises, and goes on raising", function()
      local walk = spoiled()
      local e = failure(function() return walk:collect() end)
      assert.equal("file.not_found", e.kind)
      assert.equal(dir .. "/v/", e.path:match("^(.*/)%d+$"))
      assert.truthy(e.message:find(("cannot walk %q"):format(e.path), 1, true))
      assert.equal(e, failure(walk))
    end)

    it("goes on when told to skip", function()
      assert.equal(FOLDERS - 1, spoiled({ on_error = "skip" }):count())
    end)

    it("asks, and goes on or not", function()
      local kinds = {}
      assert.equal(FOLDERS - 1, spoiled({ on_error = function(e) kinds[e.kind] = (kinds[e.kind] or 0) + 1 end }):count())
      assert.is_true(kinds["file.not_found"] > 1)
      local walk = spoiled({ on_error = function() error("enough", 0) end })
      assert.equal("enough", failure(function() return walk:count() end).value)
    end)
  end)

  it("goes on where it was after a cancelled read", function()
    local walk, list = @file.walk(dir), {}
    for _ = 1, 3 do
      local task = @async(walk)
      task:cancel()
      @try(task.await, task)
    end
    while true do
      local ok, entry = pcall(walk)
      if not ok then
        assert.equal("file.busy", entry.kind) -- the one that was let go is still under way
        @yield()
      elseif not entry then break
      else
        list[#list + 1] = entry.name
      end
    end
    assert.is_true(#list >= 10)
  end)

  it("serves two tasks, each with its own, and ends early", function()
    local function count() return @file.walk(dir):count() end
    local a, b = @all(count, count)
    assert.same({ 13, 13 }, { a, b })
    local walk = @file.walk(dir)
    assert.truthy(walk())
    walk:close()
    walk:close()
    assert.is_nil(walk())
  end)

  it("stays in a root, with the paths of that", function()
    local root = @file.root(dir)
    local list = {}
    for entry in root.walk("a", { glob = "**/*.lua" }) do list[#list + 1] = entry.path end
    table.sort(list)
    assert.same({ "a/2.lua", "a/b/c/4.lua" }, list)
    assert.equal("file.escape", failure(root.walk, "..").kind)
    assert.equal("./1.lua", root.walk(".", { glob = "*.lua" })().path)
  end)

  it("gives its descriptors back", function()
    local function held()
      collectgarbage()
      collectgarbage()
      return #temp.list("/proc/self/fd")
    end
    local before = held()
    for _ = 1, 20 do @file.walk(dir)() end
    for _ = 1, 20 do @file.walk(dir):count() end
    assert.equal(before, held())
  end)
end)

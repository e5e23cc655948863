-- write_atomic: the file is the old one or the new one, and nothing is left beside it.
local temp = require "spec.support.temp"

describe("@file.write_atomic", function()
  local dir, path

  before_each(function()
    dir = temp.new()
    path = dir .. "/file"
  end)

  after_each(function() temp.remove(dir) end)

  local function alone()
    assert.same({ "file" }, temp.list(dir))
  end

  it("makes a file, and replaces one", function()
    assert.is_true(@file.write_atomic(path, "one"))
    assert.is_true(@file.write_atomic(path, "two"))
    assert.equal("two", temp.read(path))
    alone()
  end)

  it("leaves those who had the old file open with the old file", function()
    temp.write(path, "old")
    local reader = io.open(path)
    @file.write_atomic(path, "new")
    assert.equal("old", reader:read("*a"))
    reader:close()
  end)

  it("keeps the mode of the file it replaces", function()
    @file.write(path, "x", { mode = "640" })
    @file.write_atomic(path, "y")
    assert.equal(tonumber("640", 8), @file.metadata(path).mode)
  end)

  it("gives a new file the mode it is told", function()
    @file.write_atomic(path, "y", { mode = "600" })
    assert.equal(tonumber("600", 8), @file.metadata(path).mode)
  end)

  it("replaces what a link leads to, not the link", function()
    temp.write(path, "old")
    os.execute(("mkdir '%s/sub'; ln -s ../file '%s/sub/one'; ln -s one '%s/sub/two'"):format(dir, dir, dir))
    @file.write_atomic(dir .. "/sub/two", "new")
    assert.equal("new", temp.read(path))
    assert.equal("link", @file.metadata(dir .. "/sub/two", { follow = false }).type)
    assert.same({ "file", "sub" }, temp.list(dir))
  end)

  it("makes what a link leads nowhere to", function()
    os.execute(("ln -s file '%s/link'"):format(dir))
    @file.write_atomic(dir .. "/link", "new")
    assert.equal("new", temp.read(path))
    assert.equal("link", @file.metadata(dir .. "/link", { follow = false }).type)
  end)

  it("fails on links that go round, on folders and on devices", function()
    os.execute(("ln -s b '%s/a'; ln -s a '%s/b'; mkdir '%s/sub'"):format(dir, dir, dir))
    local _, round = @try(@file.write_atomic, dir .. "/a", "x")
    assert.equal("ELOOP", round.errno)
    local _, folder = @try(@file.write_atomic, dir .. "/sub", "x")
    assert.equal("file.is_directory", folder.kind)
    local _, device = @try(@file.write_atomic, "/dev/null", "x")
    assert.equal("file.type", device.kind)
    assert.truthy(device.message:find("it is a char_device (only a plain file can be)", 1, true))
    assert.same({ "a", "b", "sub" }, temp.list(dir))
  end)

  it("leaves nothing behind when the rename fails", function()
    local _, e = @try(@file.write_atomic, dir .. "/" .. ("n"):rep(256), "x")
    assert.equal("ENAMETOOLONG", e.errno)
    assert.same({}, temp.list(dir))
  end)

  it("takes names as long as there can be", function()
    local name = ("n"):rep(255)
    @file.write_atomic(dir .. "/" .. name, "x")
    @file.write_atomic(dir .. "/" .. name, "y")
    assert.same({ name }, temp.list(dir))
  end)

  it("raises file.not_found when the folder is missing", function()
    local _, e = @try(@file.write_atomic, dir .. "/none/file", "x")
    assert.equal("file.not_found", e.kind)
  end)

  it("is never seen half-written by those who read meanwhile", function()
    local texts = { ("a"):rep(400000), ("b"):rep(300000) }
    @file.write_atomic(path, texts[1])
    @scope(function(s)
      local writing = true
      s:spawn(function()
        for i = 1, 12 do @file.write_atomic(path, texts[i % 2 + 1]) end
        writing = false
      end)
      while writing do
        local text = @file.read(path)
        assert.is_true(text == texts[1] or text == texts[2])
      end
    end)
    alone()
  end)
end)

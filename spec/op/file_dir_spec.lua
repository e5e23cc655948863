-- Folders, names and what is known of them.
local array = require "tusk.array"
local temp = require "spec.support.temp"

local function kind_of(fn, ...)
  local v, e = @try(fn, ...)
  assert.is_nil(v)
  return e.kind
end

describe("@file", function()
  local dir, path

  before_each(function()
    dir = temp.new()
    path = dir .. "/file"
  end)

  after_each(function() temp.remove(dir) end)

  describe("read_dir", function()
    it("lists names, paths and types, sorted by name", function()
      temp.write(dir .. "/b", "")
      temp.write(dir .. "/B", "")
      os.execute(("cd '%s'; mkdir a; mkfifo c; ln -s nowhere .d"):format(dir))
      assert.same({
        { name = ".d", path = dir .. "/.d", type = "link" },
        { name = "B", path = dir .. "/B", type = "file" },
        { name = "a", path = dir .. "/a", type = "directory" },
        { name = "b", path = dir .. "/b", type = "file" },
        { name = "c", path = dir .. "/c", type = "fifo" },
      }, @file.read_dir(dir))
    end)

    it("does not double a slash", function()
      temp.write(path, "")
      assert.equal(path, @file.read_dir(dir .. "/")[1].path)
    end)

    it("lists many entries", function()
      for i = 1, 3000 do temp.write(("%s/%d"):format(dir, i), "") end
      assert.equal(3000, #@file.read_dir(dir))
    end)

    it("returns an empty array for an empty folder", function()
      local list = @file.read_dir(dir)
      assert.same({}, list)
      assert.is_true(array.is(list))
    end)

    it("raises file.not_found and file.not_directory", function()
      assert.equal("file.not_found", kind_of(@file.read_dir, dir .. "/none"))
      temp.write(path, "")
      assert.equal("file.not_directory", kind_of(@file.read_dir, path))
    end)
  end)

  describe("metadata", function()
    it("tells size, type, mode and times", function()
      local before = os.time()
      temp.write(path, "12345")
      local m = @file.metadata(path)
      assert.same({ 5, "file" }, { m.size, m.type })
      assert.is_true(m.modified >= before - 2 and m.modified <= os.time() + 2)
      assert.equal("directory", @file.metadata(dir).type)
    end)

    it("is nil when there is no such path", function()
      temp.write(path, "")
      assert.is_nil(@file.metadata(dir .. "/none"))
      assert.is_nil(@file.metadata(path .. "/none"))
    end)

    it("follows links unless told not to", function()
      temp.write(path, "12345")
      os.execute(("ln -s file '%s/link'"):format(dir))
      assert.equal("file", @file.metadata(dir .. "/link").type)
      assert.equal("link", @file.metadata(dir .. "/link", { follow = false }).type)
    end)

    it("raises what is neither presence nor absence", function()
      os.execute(("ln -s loop '%s/loop'"):format(dir))
      local _, e = @try(@file.metadata, dir .. "/loop")
      assert.equal("ELOOP", e.errno)
    end)
  end)

  describe("exists", function()
    it("is true for files and folders, false for nothing and for links to nothing", function()
      temp.write(path, "")
      os.execute(("ln -s nowhere '%s/link'"):format(dir))
      assert.is_true(@file.exists(path))
      assert.is_true(@file.exists(dir))
      assert.is_false(@file.exists(dir .. "/none"))
      assert.is_false(@file.exists(path .. "/none"))
      assert.is_false(@file.exists(dir .. "/link"))
    end)
  end)

  describe("rename", function()
    it("moves a file over another", function()
      temp.write(path, "new")
      temp.write(dir .. "/to", "old")
      assert.is_true(@file.rename(path, dir .. "/to"))
      assert.same({ "to" }, temp.list(dir))
      assert.equal("new", temp.read(dir .. "/to"))
    end)

    it("with replace = false raises file.exists instead", function()
      temp.write(path, "new")
      temp.write(dir .. "/to", "old")
      assert.equal("file.exists", kind_of(@file.rename, path, dir .. "/to", { replace = false }))
      assert.equal("old", temp.read(dir .. "/to"))
    end)

    it("names both paths in its error", function()
      local _, e = @try(@file.rename, path, dir .. "/to")
      assert.equal("file.not_found", e.kind)
      assert.same({ path, dir .. "/to" }, { e.path, e.to })
      assert.truthy(e.message:find(('cannot rename "%s" to "%s/to"'):format(path, dir), 1, true))
    end)
  end)

  describe("mkdir", function()
    it("makes a folder once", function()
      assert.is_true(@file.mkdir(dir .. "/a"))
      assert.equal("file.exists", kind_of(@file.mkdir, dir .. "/a"))
    end)

    it("with parents = true makes what is missing, and says whether it did", function()
      assert.is_true(@file.mkdir(dir .. "/a//b/c/", { parents = true }))
      assert.is_false(@file.mkdir(dir .. "/a/b/c", { parents = true }))
      assert.equal("directory", @file.metadata(dir .. "/a/b/c").type)
    end)

    it("without parents raises file.not_found", function()
      assert.equal("file.not_found", kind_of(@file.mkdir, dir .. "/a/b"))
    end)

    it("raises when a file is in the way", function()
      temp.write(path, "")
      assert.equal("file.exists", kind_of(@file.mkdir, path, { parents = true }))
      assert.equal("file.not_directory", kind_of(@file.mkdir, path .. "/a/b", { parents = true }))
    end)

    it("gives the folder the mode it is told", function()
      @file.mkdir(dir .. "/a", { mode = "700" })
      assert.equal(tonumber("700", 8), @file.metadata(dir .. "/a").mode)
    end)
  end)

  describe("remove", function()
    it("removes a file, an empty folder, a link but not what it leads to", function()
      temp.write(path, "")
      os.execute(("cd '%s'; mkdir a; ln -s file link"):format(dir))
      assert.is_true(@file.remove(dir .. "/a"))
      assert.is_true(@file.remove(dir .. "/link"))
      assert.same({ "file" }, temp.list(dir))
      assert.is_true(@file.remove(path))
      assert.same({}, temp.list(dir))
    end)

    it("raises file.not_empty for a folder with something in it", function()
      os.execute(("mkdir -p '%s/a/b'"):format(dir))
      assert.equal("file.not_empty", kind_of(@file.remove, dir .. "/a"))
    end)

    it("with recursive = true removes all in it, following no link", function()
      temp.write(path, "kept")
      os.execute(("cd '%s'; mkdir -p t/a/b t/c; touch t/1 t/a/2 t/a/b/3; ln -s ../../file t/a/f; ln -s ../.. t/a/up")
        :format(dir))
      assert.is_true(@file.remove(dir .. "/t", { recursive = true }))
      assert.same({ "file" }, temp.list(dir))
    end)

    it("with recursive = true refuses a path that ends in . or .., and touches nothing", function()
      os.execute(("mkdir -p '%s/t/a'"):format(dir))
      for _, tail in ipairs { "/t/.", "/t/..", "/t/./", "/t/a/..", "/t/a/..//" } do
        assert.equal("argument", kind_of(@file.remove, dir .. tail, { recursive = true }))
      end
      assert.same({ "t" }, temp.list(dir))
      assert.same({ "a" }, temp.list(dir .. "/t"))
    end)

    it("removes deep trees and wide ones", function()
      @file.mkdir(dir .. "/t" .. ("/d"):rep(600), { parents = true })
      for i = 1, 500 do temp.write(("%s/t/%d"):format(dir, i), "") end
      @file.remove(dir .. "/t", { recursive = true })
      assert.same({}, temp.list(dir))
    end)

    it("raises file.not_found, or with missing_ok = true is false", function()
      assert.equal("file.not_found", kind_of(@file.remove, path))
      assert.equal("file.not_found", kind_of(@file.remove, path, { recursive = true }))
      assert.is_false(@file.remove(path, { missing_ok = true }))
      temp.write(path, "")
      assert.is_true(@file.remove(path, { missing_ok = true }))
    end)
  end)
end)

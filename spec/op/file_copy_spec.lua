-- @file.copy: files and folders under another name, complete or not at all.
local program = require "spec.support.program"
local temp = require "spec.support.temp"

describe("@file.copy", function()
  local dir, from, to

  before_each(function()
    dir = temp.new()
    from, to = dir .. "/from", dir .. "/to"
  end)

  after_each(function() temp.remove(dir) end)

  local function failure(fn, ...)
    local v, e = @try(fn, ...)
    assert.is_nil(v)
    return e
  end

  local function mode_of(path) return ("%o"):format(@file.metadata(path, { follow = false }).mode) end

  local function tree()
    os.execute(([[mkdir -p '%s/a/b' && cd '%s' && printf one >1 && printf two >a/2 && ln -s ../1 a/link && ln -s nowhere gone &&
      touch a/b/3 && chmod 750 a && chmod 555 a/b && chmod 600 a/2]]):format(from, from))
  end

  describe("of a file", function()
    for _, size in ipairs { 0, 1, 300000, 9000000 } do
      it(("of %d bytes"):format(size), function()
        local text = ("0123456789abcde\n"):rep(math.ceil(size / 16)):sub(1, size)
        temp.write(from, text)
        assert.is_true(@file.copy(from, to))
        assert.is_true(temp.read(to) == text)
        assert.same({ "from", "to" }, temp.list(dir))
      end)
    end

    it("keeps the mode, follows a link, replaces what is there", function()
      @file.write(from, "new", { mode = "751" })
      temp.write(to, "old")
      os.execute(("ln -s from '%s/link'"):format(dir))
      @file.copy(dir .. "/link", to)
      assert.same({ "new", "751" }, { temp.read(to), mode_of(to) })
    end)

    it("with replace = false raises file.exists instead", function()
      temp.write(from, "new")
      assert.is_true(@file.copy(from, dir .. "/other", { replace = false }))
      temp.write(to, "old")
      local e = failure(@file.copy, from, to, { replace = false })
      assert.equal("file.exists", e.kind)
      assert.same({ from, to }, { e.path, e.to })
      assert.equal("old", temp.read(to))
      assert.same({ "from", "other", "to" }, temp.list(dir))
    end)

    it("keeps the holes", function()
      os.execute(("truncate -s 64M '%s' && printf x | dd of='%s' bs=1 seek=33554432 conv=notrunc 2>/dev/null"):format(from, from))
      @file.copy(from, to)
      assert.equal(67108864, @file.metadata(to).size)
      local p = io.popen(("stat -c %%b '%s'; cmp '%s' '%s' && echo same"):format(to, from, to))
      local blocks, same = p:read("*n", "*l"), p:read("*a")
      p:close()
      assert.is_true(blocks < 1000)
      assert.truthy(same:find("same"))
    end)

    it("of a file whose size the system does not tell", function()
      @file.copy("/proc/self/status", to)
      assert.truthy(temp.read(to):find("Name:", 1, true))
    end)

    -- What is copied loses all but 100 000 bytes after the first step, whichever way it goes.
    local SHRINKING = [[
      #define _GNU_SOURCE
      #include <dlfcn.h>
      #include <errno.h>
      #include <stdlib.h>
      #include <unistd.h>
      static int shrink(void)
      {
          static int done;
          return done++ ? 0 : truncate(getenv("SHRINK"), 100000);
      }
      int ioctl(int fd, unsigned long request, void *arg)
      {
          int (*real)(int, unsigned long, void *) = dlsym(RTLD_NEXT, "ioctl");
          if (request != 0x40049409) // FICLONE, which would have it all at once
              return real(fd, request, arg);
          errno = EOPNOTSUPP;
          return -1;
      }
      ssize_t copy_file_range(int in, off_t *from, int out, off_t *to, size_t n, unsigned flags)
      {
          ssize_t (*real)(int, off_t *, int, off_t *, size_t, unsigned) = dlsym(RTLD_NEXT, "copy_file_range");
          ssize_t r = getenv("PLAIN") ? -1 : real(in, from, out, to, n > 65536 ? 65536 : n, flags);
          if (r < 0)
              errno = EXDEV;
          else
              shrink();
          return r;
      }
      ssize_t pread(int fd, void *p, size_t n, off_t at)
      {
          ssize_t (*real)(int, void *, size_t, off_t) = dlsym(RTLD_NEXT, "pread");
          ssize_t r = real(fd, p, n > 65536 ? 65536 : n, at);
          if (getenv("PLAIN"))
              shrink();
          return r;
      }
      ssize_t pread64(int fd, void *p, size_t n, off_t at) { return pread(fd, p, n, at); }
    ]]

    for _, how in ipairs { "by the kernel", "through memory" } do
      it("that becomes shorter while it is copied fails, and leaves no zeros; " .. how, function()
        if (os.getenv "SANITIZE" or "") ~= "" then return pending("a sanitizer has to be loaded first") end
        local source, library = temp.write(dir .. "/shrink.c", SHRINKING), dir .. "/shrink.so"
        local cc = program.run({ "-c", (os.getenv "CC" or "cc") .. ' -shared -fPIC -o "$0" "$1" -ldl', library, source }, { program = "/bin/sh" })
        assert.equal(0, cc.status, cc.stderr)
        local script = temp.write(dir .. "/main.lua", [[
          local _, e = @try(@file.copy, "from", "to")
          print(e and e.kind, e and e.message, @file.exists("to"))
          @file.write("tree/from", ("x"):rep(100001))
          print(@file.copy("tree", "copy", { recursive = true }))
        ]])
        temp.write(from, ("x"):rep(1000000))
        @file.mkdir(dir .. "/tree")
        local plain = how == "through memory" and "1" or nil
        local r = program.run({ script }, { cwd = dir, env = { LD_PRELOAD = library, SHRINK = from, PLAIN = plain } })
        assert.equal('file.busy\tcannot copy "from" to "to": it became shorter meanwhile\tfalse\ntrue\n', r.stdout .. r.stderr)
      end)
    end

    it("that has nothing but a hole is copied as one", function()
      os.execute(("truncate -s 1M '%s'"):format(from))
      @file.copy(from, to)
      assert.equal(("\0"):rep(2 ^ 20), temp.read(to))
    end)

    it("of itself changes nothing", function()
      temp.write(from, "text")
      @file.copy(from, from)
      assert.equal("text", temp.read(from))
    end)

    it("refuses what is no file, and says why", function()
      temp.fifo(from)
      local e = failure(@file.copy, from, to)
      assert.equal("file.type", e.kind)
      assert.truthy(e.message:find("it is a fifo (only a plain file can be)", 1, true))
      assert.equal("file.type", failure(@file.copy, "/dev/zero", to).kind)
      assert.equal("file.is_directory", failure(@file.copy, dir, to).kind)
      assert.equal("file.not_found", failure(@file.copy, dir .. "/none", to).kind)
      temp.write(dir .. "/f", "")
      assert.equal("file.not_found", failure(@file.copy, dir .. "/f", dir .. "/none/to").kind)
      assert.equal("file.is_directory", failure(@file.copy, dir .. "/f", dir).kind)
      assert.same({ "f", "from" }, temp.list(dir))
    end)
  end)

  describe("of a folder", function()
    before_each(tree)

    it("copies all in it, links as links, with modes", function()
      assert.is_true(@file.copy(from, to, { recursive = true }))
      assert.same({ "1", "a", "gone" }, temp.list(to))
      assert.same({ "2", "b", "link" }, temp.list(to .. "/a"))
      assert.same({ "one", "two", "one" }, { temp.read(to .. "/1"), temp.read(to .. "/a/2"), temp.read(to .. "/a/link") })
      assert.same({ "750", "555", "600" }, { mode_of(to .. "/a"), mode_of(to .. "/a/b"), mode_of(to .. "/a/2") })
      assert.equal("link", @file.metadata(to .. "/gone", { follow = false }).type)
      assert.same({ "from", "to" }, temp.list(dir))
    end)

    it("copies a file as well", function()
      assert.is_true(@file.copy(from .. "/1", to, { recursive = true }))
      assert.equal("one", temp.read(to))
      assert.equal("file.exists", failure(@file.copy, from .. "/1", to, { recursive = true }).kind)
    end)

    it("replaces what is there only when told, and then all of it", function()
      os.execute(("mkdir -p '%s/old/folder'"):format(to))
      assert.equal("file.exists", failure(@file.copy, from, to, { recursive = true }).kind)
      assert.same({ "old" }, temp.list(to))
      @file.copy(from, to .. "/", { recursive = true, replace = true })
      assert.same({ "1", "a", "gone" }, temp.list(to))
      assert.same({ "from", "to" }, temp.list(dir))
    end)

    it("does not end up in itself", function()
      local e = failure(@file.copy, from, from .. "/a/copy", { recursive = true })
      assert.equal("EINVAL", e.errno)
      assert.same({ "2", "b", "link" }, temp.list(from .. "/a"))
    end)

    it("names what it failed at, and leaves nothing", function()
      temp.fifo(from .. "/a/b/fifo")
      local e = failure(@file.copy, from, to, { recursive = true })
      assert.equal("file.type", e.kind)
      assert.truthy(e.message:find(('cannot copy "%s" to "%s": at "a/b/fifo": it is a fifo'):format(from, to), 1, true), e.message)
      assert.same({ "from" }, temp.list(dir))
    end)

    it("refuses to take the place of . and ..", function()
      assert.equal("file.busy", failure(@file.copy, from, dir .. "/x/..", { recursive = true, replace = true }).kind == "file.not_found"
        and "file.busy" or failure(@file.copy, from, dir .. "/.", { recursive = true, replace = true }).kind)
      assert.equal("file.busy", failure(@file.copy, from, "/", { recursive = true, replace = true }).kind)
    end)

    it("stays in a root", function()
      local root = @file.root(dir)
      root.copy("from", "in", { recursive = true })
      assert.equal("two", root.read("in/a/2"))
      root.copy("from/1", "in/a/new")
      assert.equal("one", root.read("in/a/new"))
      for _, pair in ipairs { { "../x", "y" }, { "from/1", "../y" }, { "/etc/passwd", "y" }, { "from", "../y" } } do
        assert.equal("file.escape", failure(root.copy, pair[1], pair[2], { recursive = true }).kind)
      end
    end)
  end)

  it("cancelled at any of its waits leaves the old, the new or nothing, and nothing beside it", function()
    temp.write(from, ("new"):rep(2000000))
    for n = 0, 6 do
      os.remove(to)
      local task = @async(@file.copy, from, to)
      for _ = 1, n do @yield() end
      task:cancel()
      @try(task.await, task)
      @file.sweep(dir) -- what was let go is ended by its thread
      local there = @file.metadata(to)
      assert.is_true(not there or there.size == 6000000)
    end
  end)

  it("of two tasks has the content of one", function()
    temp.write(from, ("a"):rep(3000000))
    temp.write(dir .. "/b", ("b"):rep(3000000))
    @all(@(@file.copy(from, to)), @(@file.copy(dir .. "/b", to)))
    local text = temp.read(to)
    assert.equal(text:sub(1, 1):rep(3000000), text)
    assert.same({ "b", "from", "to" }, temp.list(dir))
  end)

  it("says what is wrong with a call", function()
    for _, call in ipairs {
      @(@file.copy(from)), @(@file.copy(from, 5)), @(@file.copy(from, to, { recursive = 1 })), @(@file.copy(from, to, { replce = true })),
      @(@file.copy(from, "a\0b")), @(@file:copy(from, to)),
    } do assert.equal("argument", failure(call).kind) end
  end)
end)

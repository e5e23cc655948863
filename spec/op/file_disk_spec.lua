-- @file on a disk that fails at one of its calls, or takes little at a time.
local program = require "spec.support.program"
local temp = require "spec.support.temp"

-- What the environment variable FAIL names fails, or is short, of plain files and folders.
local FAILING = [[
  #define _GNU_SOURCE
  #include <dlfcn.h>
  #include <errno.h>
  #include <stdio.h>
  #include <stdlib.h>
  #include <string.h>
  #include <sys/stat.h>
  #include <unistd.h>
  #define REAL(name) ((__typeof__(name) *)dlsym(RTLD_NEXT, #name))
  static int now(const char *what, int fd, mode_t type)
  {
      struct stat st;
      const char *fail = getenv("FAIL");
      return fail && !strcmp(fail, what) && fstat(fd, &st) == 0 && (st.st_mode & S_IFMT) == type;
  }
  static int broken(void)
  {
      errno = EIO;
      return -1;
  }
  ssize_t write(int fd, const void *p, size_t n)
  {
      if (now("write", fd, S_IFREG))
          return broken();
      return REAL(write)(fd, p, n > 1000 && now("short", fd, S_IFREG) ? 1000 : n);
  }
  ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
  {
      if (now("write", fd, S_IFREG))
          return broken();
      return REAL(pwrite)(fd, p, n > 1000 && now("short", fd, S_IFREG) ? 1000 : n, at);
  }
  ssize_t pwrite64(int fd, const void *p, size_t n, off_t at) { return pwrite(fd, p, n, at); }
  int ioctl(int fd, unsigned long request, void *arg)
  {
      return request == 0x40049409 && getenv("FAIL") ? broken() : REAL(ioctl)(fd, request, arg); // FICLONE
  }
  ssize_t copy_file_range(int in, off_t *from, int out, off_t *to, size_t n, unsigned flags)
  {
      if (now("write", out, S_IFREG))
          return broken();
      if (!now("short", out, S_IFREG))
          return REAL(copy_file_range)(in, from, out, to, n, flags);
      errno = EXDEV;
      return -1;
  }
  int fsync(int fd)
  {
      return now("sync", fd, S_IFREG) || now("sync_folder", fd, S_IFDIR) ? broken() : REAL(fsync)(fd);
  }
  int renameat2(int a, const char *from, int b, const char *to, unsigned flags)
  {
      const char *fail = getenv("FAIL");
      return fail && !strcmp(fail, "rename") ? broken() : REAL(renameat2)(a, from, b, to, flags);
  }
]]

-- Prints for each verb what it ended with, what is in the file then, and whether anything lies beside it.
local SCRIPT = [[
  local ffi = require "ffi"
  ffi.cdef "int setenv(const char *, const char *, int); int unsetenv(const char *);"
  local new = ("new"):rep(20000)
  @file.write("from", new)
  @file.mkdir("tree")
  @file.write("tree/f", new)
  local verbs = {
    { "write_atomic", @(@file.write_atomic("old", new)) }, { "write_json", @(@file.write_json("old", new)) },
    { "copy", @(@file.copy("from", "old")) }, { "stream", @(@stream({ new }):to("old")) },
    { "root", @(@file.root(".").write_atomic("old", new)) },
    { "writer", function()
      local w = @file.writer("old")
      local ok, e = pcall(function()
        w:write(new)
        w:commit()
      end)
      w:close()
      if not ok then error(e, 0) end
    end },
    { "copy_tree", @(@file.copy("tree", "copy", { recursive = true })) },
  }
  for _, verb in ipairs(verbs) do
    @file.write("old", "old")
    ffi.C.setenv("FAIL", arg[1], 1)
    local value, e = @try(verb[2])
    if value ~= nil then e = nil end
    ffi.C.unsetenv("FAIL")
    local text, names = @file.read(verb[1] == "copy_tree" and @file.exists("copy") and "copy/f" or "old"), {}
    for _, entry in ipairs(@file.read_dir(".")) do
      if not entry.name:find("^[cfmto]%w*") then names[#names + 1] = entry.name end
    end
    local state = text == "old" and "old" or text:find(new, 1, true) and "new" or "mixed"
    print(verb[1], e and e.kind or "-", e and e.errno or "-", e and tostring(e.sent or false) or "-", state, #names)
  end
]]

describe("@file on a failing disk", function()
  local dir, library

  setup(function()
    dir = temp.new()
    if (os.getenv "SANITIZE" or "") ~= "" then return end
    local source = temp.write(dir .. "/fail.c", FAILING)
    local cc = program.run({ "-c", (os.getenv "CC" or "cc") .. ' -shared -fPIC -o "$0" "$1" -ldl', dir .. "/fail.so", source }, { program = "/bin/sh" })
    assert.equal(0, cc.status, cc.stderr)
    library = dir .. "/fail.so"
    temp.write(dir .. "/main.lua", SCRIPT)
  end)

  teardown(function() temp.remove(dir) end)

  local VERBS = { "write_atomic", "write_json", "copy", "stream", "root", "writer", "copy_tree" }

  -- outcome(verb): what its line says after its name
  local function with(what, outcome)
    if not library then return pending("a sanitizer has to be loaded first") end
    local work, lines = dir .. "/" .. what, {}
    @file.mkdir(work)
    local r = program.run({ dir .. "/main.lua", what }, { cwd = work, env = { LD_PRELOAD = library } })
    for i, verb in ipairs(VERBS) do lines[i] = verb .. "\t" .. outcome(verb) end
    assert.equal(table.concat(lines, "\n") .. "\n", r.stdout .. r.stderr)
  end

  local function untouched() return "file.io\tEIO\tfalse\told\t0" end
  local function done() return "-\t-\t-\tnew\t0" end

  it("writes all of it, however little is taken at a time", function() with("short", done) end)
  it("has the old file when it cannot write, and nothing beside it", function() with("write", untouched) end)
  it("has the old file when it cannot put another in its place", function() with("rename", untouched) end)

  it("has the old file when that was not flushed; a copied folder is not", function()
    with("sync", function(verb) return verb == "copy_tree" and done() or untouched() end)
  end)

  it("says that it was done when only the folder was not flushed", function()
    with("sync_folder", function(verb) return verb == "copy_tree" and done() or "file.io\tEIO\ttrue\tnew\t0" end)
  end)
end)

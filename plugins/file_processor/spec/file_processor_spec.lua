-- Files that are read, transformed and written; folders of them.
local file_processor = require "tusk.plugins.file_processor"
local progress = require "tusk.plugins.file_processor.progress"
local program = require "spec.support.program"
local temp = require "spec.support.temp"
local test = require "tusk.test"
local uv = require "luv"

-- fn(processor, dir) with files below dir/in, and dir/out to write to.
local function with(files, opts, fn)
  return temp.dir(function(dir)
    @file.mkdir(dir .. "/in")
    for name, text in pairs(files) do
      local folder = name:match("^(.*)/")
      if folder then @file.mkdir(dir .. "/in/" .. folder, { parents = true }) end
      @file.write(dir .. "/in/" .. name, text)
    end
    local all = { from = dir .. "/in", to = dir .. "/out" }
    for name, value in pairs(opts or {}) do all[name] = value or nil end
    fn(file_processor.new(all), dir)
  end)
end

local function failure(fn, ...)
  local value, err = @try(fn, ...)
  assert.is_nil(value)
  return assert(err)
end

local function paths(list)
  local out = {}
  for i, item in ipairs(list) do out[i] = item.path end
  return out
end

-- All files below a folder, but for directories.
local function tree(dir)
  local found = {}
  for entry in @file.walk(dir) do
    if entry.type ~= "directory" then found[#found + 1] = entry.path:sub(#dir + 2) end
  end
  table.sort(found)
  return found
end

-- The same, once a cancelled write that was under way has put away what it had.
local function settled(dir)
  for _ = 1, 1000 do
    local found = tree(dir)
    if not table.concat(found, "\n"):find("%.tusk%-%w+%.tmp") then return found end
    @sleep "2ms"
  end
  return tree(dir)
end

local THREE = { ["a.txt"] = "  one \n\n two\n", ["b/c.txt"] = "three", ["b/d/e.log"] = "\n\n" }

describe("a file", function()
  it("is read, cleaned, and written under its name", function()
    with(THREE, nil, function(processor, dir)
      local result = processor.process_file "b/c.txt"
      assert.same({ "b/c.txt", 5, 5 }, { result.path, result.size, result.written })
      assert.equal(@file.metadata(dir .. "/in/b/c.txt").modified, result.modified)
      processor.process_file "a.txt"
      assert.equal("one\ntwo", @file.read(dir .. "/out/a.txt"))
      assert.same({ "a.txt", "b/c.txt" }, tree(dir .. "/out"))
    end)
  end)

  it("is given back where there is no folder to write to", function()
    with(THREE, { to = false }, function(processor)
      assert.equal("one\ntwo", processor.process_file("a.txt").content)
      assert.equal("  one \n\n two\n", processor.read "a.txt")
      assert.matches("there is no folder to write to", failure(processor.write, "a.txt", "x").message, 1, true)
    end)
  end)

  it("is transformed by a name or a function, which may wait, or leave it out", function()
    with(THREE, { transform = "tidy" }, function(processor, dir)
      processor.process_file "a.txt"
      assert.equal("  one\n\n two\n", @file.read(dir .. "/out/a.txt"))
      processor.process_file("b/c.txt", { transform = function(content, file)
        @sleep(0)
        return file.path .. ":" .. content:upper()
      end })
      assert.equal("b/c.txt:THREE", @file.read(dir .. "/out/b/c.txt"))
      assert.is_true(processor.process_file("b/d/e.log", { transform = function() end }).skipped)
      assert.same({ "a.txt", "b/c.txt" }, tree(dir .. "/out"))
      assert.equal("a\nb", processor.process("a \n\n b", "clean"))
      assert.equal("x", processor.process("x"):sub(1, 1))
    end)
  end)

  it("that is not there, or too large, or leads out of the folder, is an error", function()
    with(THREE, { max_size = 5 }, function(processor, dir)
      @file.write(dir .. "/secret.txt", "x")
      assert.equal("file.not_found", failure(processor.process_file, "none.txt").kind)
      assert.equal("file.too_large", failure(processor.process_file, "a.txt").kind)
      assert.equal("file.escape", failure(processor.process_file, "../secret.txt").kind)
      assert.equal("file.escape", failure(processor.write, "../secret.txt", "y").kind)
      assert.equal("x", @file.read(dir .. "/secret.txt"))
    end)
  end)

  it("is written where its folder was removed meanwhile", function()
    with(THREE, nil, function(processor, dir)
      processor.process_file "b/c.txt"
      @file.remove(dir .. "/out/b", { recursive = true })
      processor.process_file "b/c.txt"
      assert.equal("three", @file.read(dir .. "/out/b/c.txt"))
    end)
  end)
end)

describe("a file by lines", function()
  it("is any size: each line is changed, or left out", function()
    local list = {}
    for i = 1, 2500 do list[i] = "line " .. i end
    with({ ["x/big.txt"] = table.concat(list, "\n") }, nil, function(processor, dir)
      local n, bytes = processor.process_lines("x/big.txt", function(line)
        local i = tonumber(line:match("%d+"))
        return i % 2 == 0 and line or nil
      end)
      local out = @file.read(dir .. "/out/x/big.txt")
      assert.same({ 1250, #out }, { n, bytes })
      assert.equal("line 2\nline 4\n", out:sub(1, 14))
      assert.equal("line 2500\n", out:sub(-10))
    end)
  end)

  it("leaves the old file when it fails", function()
    with(THREE, nil, function(processor, dir)
      processor.write("a.txt", "old")
      assert.matches("no luck", tostring(failure(processor.process_lines, "a.txt", function() error "no luck" end)))
      assert.same({ "a.txt" }, tree(dir .. "/out"))
      assert.equal("old", processor.read and @file.read(dir .. "/out/a.txt"))
      assert.equal("file.not_found", failure(processor.process_lines, "none", print).kind)
      assert.same({ "a.txt" }, tree(dir .. "/out"))
    end)
  end)
end)

describe("a folder", function()
  it("is processed with all below it; what came of each is told by path", function()
    with(THREE, nil, function(processor, dir)
      local report = processor.process_directory()
      assert.same({ "a.txt", "b/c.txt", "b/d/e.log" }, paths(report.files))
      assert.same({ true, 0, 0, 20, 12 },
        { report.ok, #report.failed, report.skipped, report.bytes_read, report.bytes_written })
      assert.same({ "a.txt", "b/c.txt", "b/d/e.log" }, tree(dir .. "/out"))
      assert.same({ "b/c.txt", "b/d/e.log" }, paths(processor.process_directory("b").files))
      assert.same({ "b/c.txt" }, paths(processor.process_directory("b/", { glob = "*.txt" }).files))
      assert.same({ "a.txt" }, paths(processor.process_directory(nil, { depth = 1 }).files))
    end)
  end)

  it("gives results back, up to a bound, or to a function", function()
    with(THREE, { to = false }, function(processor)
      assert.same("three", processor.process_directory("b", { glob = "**/*.txt" }).files[1].content)
      local err = failure(processor.process_directory, nil, { max_kept = 6 })
      assert.equal("file_processor.too_large", err.kind)
      local seen = {}
      local report = processor.process_directory(nil, { max_kept = 0, each = function(file) seen[file.path] = file.content end })
      assert.same({ ["a.txt"] = "one\ntwo", ["b/c.txt"] = "three", ["b/d/e.log"] = "" }, seen)
      assert.same({ 0, 3 }, { #report.files, report.count })
      report = processor.process_directory(nil, { each = function(file) if file.path == "a.txt" then error "no luck" end end })
      assert.same({ "a.txt" }, paths(report.failed))
    end)
  end)

  it("lists the files that failed, with their errors, and processes the others", function()
    with(THREE, nil, function(processor, dir)
      local report = processor.process_directory(nil, { transform = function(content, file)
        if file.path == "b/c.txt" then error("no luck") end
        return content
      end })
      assert.same({ "a.txt", "b/d/e.log" }, paths(report.files))
      assert.same({ "b/c.txt" }, paths(report.failed))
      assert.is_false(report.ok)
      assert.matches("no luck", report.failed[1].err.message, 1, true)
      assert.same({ "a.txt", "b/d/e.log" }, tree(dir .. "/out"))
    end)
  end)

  it("lists what could not be written", function()
    with(THREE, nil, function(processor, dir)
      @file.mkdir(dir .. "/out/a.txt", { parents = true })
      @file.write(dir .. "/out/b", "a file where a folder is to be")
      local report = processor.process_directory()
      assert.same({ "a.txt", "b/c.txt", "b/d/e.log" }, paths(report.failed))
      assert.equal("file.is_directory", report.failed[1].err.kind)
      assert.equal("file.not_directory", report.failed[2].err.kind)
      assert.same({ "b" }, tree(dir .. "/out"))
    end)
  end)

  it("ends with the first failure where that is wanted", function()
    with(THREE, { transform = function() error("no luck") end }, function(processor)
      assert.matches("no luck", tostring(failure(processor.process_directory, nil, { on_error = "raise" })))
    end)
  end)

  it("counts what the transformation leaves out", function()
    with(THREE, nil, function(processor)
      local report = processor.process_directory(nil, { transform = function(content) return content:find("t") and content or nil end })
      assert.same({ 1, 2 }, { report.skipped, #report.files })
    end)
  end)

  it("may leave alone what has not changed since it was written", function()
    with(THREE, nil, function(processor, dir)
      local function run()
        local report = processor.process_directory(nil, { newer = true })
        return { report.count, report.unchanged }
      end
      assert.same({ 3, 0 }, run())
      local later = @file.metadata(dir .. "/out/a.txt").modified + 10
      for _, path in ipairs { "a.txt", "b/c.txt" } do assert(uv.fs_utime(dir .. "/out/" .. path, later, later)) end
      assert(uv.fs_utime(dir .. "/in/b/d/e.log", later + 10, later + 10))
      assert.same({ 1, 2 }, run())
      assert.matches("newer: needs another folder",
        failure(file_processor.new { from = dir .. "/in" }.process_directory, nil, { newer = true }).message, 1, true)
    end)
  end)

  it("may be processed in place, each file once", function()
    with({ ["a.txt"] = "a", ["b.txt"] = "b", ["c/d.txt"] = "d" }, nil, function(_, dir)
      local processor = file_processor.new { from = dir .. "/in", to = dir .. "/in/../in" }
      local report = processor.process_directory(nil, { transform = function(content) return content .. content end })
      assert.equal(3, #report.files)
      assert.same({ "aa", "bb", "dd" },
        { @file.read(dir .. "/in/a.txt"), @file.read(dir .. "/in/b.txt"), @file.read(dir .. "/in/c/d.txt") })
      assert.same({ "a.txt", "b.txt", "c/d.txt" }, tree(dir .. "/in"))
    end)
  end)

  it("cannot be written into itself, where it would be read again", function()
    with(THREE, nil, function(_, dir)
      local processor = file_processor.new { from = dir, to = dir .. "/in/out" }
      assert.matches("is inside of", failure(processor.process_directory).message, 1, true)
    end)
  end)

  it("leaves alone what an atomic write of somebody else has not finished", function()
    with({ [".a.txt.tusk-abcd1234.tmp"] = "half", ["a.txt"] = "a" }, nil, function(processor)
      assert.same({ "a.txt" }, paths(processor.process_directory().files))
    end)
  end)

  it("that is not there is an error", function()
    with({}, nil, function(processor)
      assert.equal("file.not_found", failure(processor.process_directory, "none").kind)
      assert.equal("file.escape", failure(processor.process_directory, "..").kind)
    end)
  end)

  it("has a deadline", function()
    with(THREE, { transform = function() @sleep "1h" end }, function(processor)
      test.clock(function()
        assert.equal("timeout", failure(processor.process_directory, nil, { timeout = "5s" }).kind)
      end)
    end)
  end)
end)

describe("misuse of a file processor", function()
  it("is told with what was probably meant", function()
    with(THREE, nil, function(processor, dir)
      assert.matches('unknown option "globb" (did you mean "glob"?)', failure(processor.process_directory, nil, { globb = 1 }).message, 1, true)
      assert.matches("called with a colon", failure(function() return processor:process_file "a" end).message, 1, true)
      assert.matches("path: string expected", failure(processor.process_file).message, 1, true)
      assert.equal("process_file", failure(function() return processor.proces_file end).suggestion)
      assert.matches("transform: a string expected", failure(processor.process_file, "a.txt", { transform = function() return 1 end }).message, 1, true)
      assert.matches("concurrency: at least 1", failure(processor.process_directory, nil, { concurrency = 0 }).message, 1, true)
      assert.matches("on_error:", failure(processor.process_directory, nil, { on_error = "explode" }).message, 1, true)
      local err = failure(file_processor.new, { from = dir, transform = "claen" })
      assert.same({ "argument", "clean" }, { err.kind, err.suggestion })
      assert.equal("file.not_found", failure(file_processor.new, { from = dir .. "/none" }).kind)
    end)
  end)
end)

describe("progress", function()
  it("is told to a function: how many of how many", function()
    with(THREE, nil, function(processor)
      local last
      processor.process_directory(nil, { progress = function(p) last = p end })
      assert.same({ 3, 3, true }, { last.count, last.total, last.done })
    end)
  end)

  it("is a bar of at most 79 columns", function()
    local function columns(p) return #progress.line(p):gsub("[\128-\191]", "") end
    local p = { count = 30, total = 120, rate = 9, elapsed = 3.3, done = false }
    assert.equal(("█"):rep(6) .. ("░"):rep(18) .. "  25 % · 30 of 120 · 9/s · 0:10 left", progress.line(p))
    assert.is_true(columns { count = 999999, total = 1000000, rate = 0.01, elapsed = 1, done = false } <= 79)
    assert.matches("100 %% · 0 of 0 · 0/s · 0:00$", progress.line { count = 0, total = 0, rate = 0, elapsed = 0, done = true })
    assert.matches("1:01:01$", progress.line { count = 1, total = 1, rate = 1, elapsed = 3661, done = true })
  end)

  local SCRIPT = [[require("tusk.plugins.file_processor").new { from = arg[1] }.process_directory() print("done")]]

  it("is shown on a terminal, and gone at the end; elsewhere nothing is", function()
    with(THREE, nil, function(_, dir)
      temp.write(dir .. "/run.lua", SCRIPT)
      local r = program.run { dir .. "/run.lua", dir .. "/in" }
      assert.same({ "done\n", "" }, { r.stdout, r.stderr })
      if program.run({ "-qec", "true", "/dev/null" }, { program = "/usr/bin/script" }).status ~= 0 then
        return pending "there are no terminals to be had" -- no /dev/pts
      end
      local command = ("'%s' '%s/run.lua' '%s/in'"):format(program.path(), dir, dir)
      r = program.run({ "-qec", command, "/dev/null" }, { program = "/usr/bin/script", env = { TERM = "xterm" } })
      assert.matches("3 of 3 · %d+/s · 0:00\r\27%[Kdone", r.stdout)
      r = program.run({ "-qec", command, "/dev/null" }, { program = "/usr/bin/script", env = { TERM = "dumb" } })
      assert.equal("done\r\n", r.stdout)
    end)
  end)
end)

-- What the versions that go around get wrong.
describe("against known defects:", function()
  it("a sequential batch: so many files are worked on at a time, and no more", function()
    local files, open, most = {}, 0, 0
    for i = 1, 20 do files[i .. ".txt"] = "x" end
    with(files, { concurrency = 4 }, function(processor)
      processor.process_directory(nil, { transform = function(content)
        open = open + 1
        most = math.max(most, open)
        for _ = 1, 5 do @yield() end
        open = open - 1
        return content
      end })
    end)
    assert.equal(4, most)
  end)

  it("results in the order they happened to come: they are in the order of their paths", function()
    local files = {}
    for i = 10, 29 do files[i .. ".txt"] = "x" end
    with(files, nil, function(processor)
      for seed = 1, 5 do
        test.seed(seed, function()
          local list = paths(processor.process_directory(nil, { transform = function(content)
            for _ = 1, @random.int(0, 3) do @yield() end
            return content
          end }).files)
          for i = 1, 20 do assert.equal(9 + i .. ".txt", list[i]) end
        end)
      end
    end)
  end)

  it("failures dropped: each file is in one of the two lists", function()
    local files = {}
    for i = 10, 29 do files[i .. ".txt"] = tostring(i) end
    with(files, { transform = function(content) return assert(tonumber(content) % 3 > 0 and content) end }, function(processor)
      local report = processor.process_directory()
      assert.same({ 14, 6 }, { #report.files, #report.failed })
    end)
  end)

  it("one temporary name for all: two who write a file do not share it", function()
    with({}, nil, function(processor, dir)
      local watch, names = uv.new_fs_event(), {}
      watch:start(dir .. "/out", {}, function(_, name)
        if name and name:find("^%.a%.txt%.tusk%-%w+%.tmp$") then names[name] = true end
        names["end"] = names["end"] or name == "end" or nil
      end)
      local big = ("x"):rep(2 ^ 20)
      @all(@(processor.write("a.txt", big .. "1")), @(processor.write("a.txt", big .. "2")))
      processor.write("end", "")
      for _ = 1, 1000 do
        if names["end"] then break end
        @sleep "1ms"
      end
      watch:close()
      names["end"] = nil
      local first, second = next(names), next(names, (next(names)))
      assert.is_not_nil(second, first)
      assert.equal(2 ^ 20 + 1, #@file.read(dir .. "/out/a.txt"))
      assert.same({ "a.txt", "end" }, tree(dir .. "/out"))
    end)
  end)
end)

describe("a file processor cancelled anywhere", function()
  it("leaves a file old or new, and nothing else", function()
    with({ ["b/c.txt"] = "c" }, { transform = function(content) return content .. " new" end }, function(processor, dir)
      local n = test.sweep(function()
        processor.process_directory()
        processor.process_lines("b/c.txt", function(line) return line .. " new" end)
      end, {
        setup = function() processor.write("b/c.txt", "old") end,
        check = function()
          assert.same({ "b/c.txt" }, settled(dir .. "/out"))
          assert.matches("^old$", @file.read(dir .. "/out/b/c.txt"):gsub("^c new\n?$", "old"))
        end,
      })
      assert.is_true(n > 5)
    end)
  end)

  it("is used by two tasks at a time", function()
    with(THREE, nil, function(processor)
      local a, b = @all(@(processor.process_directory("b")), @(processor.process_directory()))
      assert.same({ 2, 3 }, { #a.files, #b.files })
    end)
  end)
end)

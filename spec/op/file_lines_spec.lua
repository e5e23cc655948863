-- @file.lines: the lines of a file, read in pieces.
local temp = require "spec.support.temp"

describe("@file.lines", function()
  local dir, path

  before_each(function()
    dir = temp.new()
    path = dir .. "/file"
  end)

  after_each(function() temp.remove(dir) end)

  local function lines_of(opts)
    local list = {}
    for line in @file.lines(path, opts) do list[#list + 1] = line end
    return list
  end

  local cases = {
    ["nothing of an empty file"] = { "", {} },
    ["a line without an end"] = { "a", { "a" } },
    ["a line with one"] = { "a\n", { "a" } },
    ["empty lines"] = { "\n\na\n\n", { "", "", "a", "" } },
    ["carriage returns as they are"] = { "a\r\nb\rc", { "a\r", "b\rc" } },
    ["zero bytes as they are"] = { "a\0b\n\0\n", { "a\0b", "\0" } },
  }
  for name, case in pairs(cases) do
    it("returns " .. name, function()
      temp.write(path, case[1])
      assert.same(case[2], lines_of())
    end)
  end

  it("joins lines that lie across the pieces it reads", function()
    local want = {}
    for i = 1, 3000 do want[i] = (i .. " "):rep(i % 97) end
    want[3001] = ("long"):rep(70000)
    want[3002] = "last"
    temp.write(path, table.concat(want, "\n"))
    assert.same(want, lines_of())
  end)

  it("finds an end that is the first or last byte of a piece", function()
    for _, size in ipairs { 65534, 65535, 65536, 65537 } do
      temp.write(path, ("x"):rep(size) .. "\nend")
      local list = lines_of()
      assert.same({ size, "end" }, { #list[1], list[2] })
    end
  end)

  it("agrees with io.lines on any text", function()
    math.randomseed(7)
    for _ = 1, 30 do
      local parts = {}
      for i = 1, math.random(0, 400) do
        parts[i] = math.random(4) == 1 and "\n" or ("y"):rep(math.random(0, 900))
      end
      temp.write(path, table.concat(parts))
      local want = {}
      for line in io.lines(path) do want[#want + 1] = line end
      assert.same(want, lines_of())
    end
  end)

  it("raises file.too_large for a line longer than max, and says which", function()
    temp.write(path, "short\n" .. ("x"):rep(100001) .. "\n")
    local _, e = @try(lines_of, { max = 100000 })
    assert.equal("file.too_large", e.kind)
    assert.equal(2, e.line)
    temp.write(path, ("x"):rep(100000) .. "\n" .. ("y"):rep(100000))
    assert.equal(2, #lines_of { max = 100000 })
  end)

  it("raises file.not_found at once", function()
    local _, e = @try(@file.lines, path)
    assert.equal("file.not_found", e.kind)
  end)

  it("raises file.is_directory for a folder", function()
    local _, e = @try(@file.lines, dir)
    assert.equal("file.is_directory", e.kind)
  end)

  it("ends early by close(), as often as one likes", function()
    temp.write(path, "a\nb\nc\n")
    local lines = @file.lines(path)
    assert.equal("a", lines())
    lines:close()
    lines:close()
    assert.is_nil(lines())
  end)

  it("left by break many times over does not use up the descriptors", function()
    temp.write(path, "a\nb\n")
    local tusk = require("luv").exepath()
    local script = temp.write(dir .. "/main.lua", ([[
      local n = 0
      for _ = 1, 300 do
        for line in @file.lines(%q) do n = n + #line break end
      end
      print(n)
    ]]):format(path))
    local out = io.popen(("ulimit -n 40; '%s' '%s' 2>&1"):format(tusk, script))
    local text = out:read("*a")
    out:close()
    assert.equal("300\n", text)
  end)
end)

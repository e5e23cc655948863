-- @file.chunks: the bytes of a file, so many at a time.
local temp = require "spec.support.temp"

describe("@file.chunks", function()
  local dir, path

  before_each(function()
    dir = temp.new()
    path = dir .. "/file"
  end)

  after_each(function() temp.remove(dir) end)

  local function sizes_of(size, opts)
    local sizes = {}
    for piece in @file.chunks(path, size, opts) do sizes[#sizes + 1] = #piece end
    return sizes
  end

  local function fails(fn, ...)
    local v, e = @try(fn, ...)
    assert.is_nil(v)
    return e
  end

  it("returns pieces of that size, the last one shorter", function()
    temp.write(path, "abcdefg")
    assert.same({ 3, 3, 1 }, sizes_of(3))
    assert.same({ 7 }, sizes_of(7))
    assert.same({ 7 }, sizes_of "1KiB")
    assert.same({ 1, 1, 1, 1, 1, 1, 1 }, sizes_of(1))
  end)

  it("returns nothing of an empty file", function()
    temp.write(path, "")
    assert.same({}, sizes_of(3))
  end)

  it("returns every byte, zeros too, in order", function()
    local text = ("\0a\n\255b"):rep(100003)
    temp.write(path, text)
    for _, size in ipairs { 1000, 65536, 262144, 262145, 1000000 } do
      local parts = {}
      for piece in @file.chunks(path, size) do
        assert.is_true(#piece == size or #parts * size + #piece == #text)
        parts[#parts + 1] = piece
      end
      assert.is_true(table.concat(parts) == text)
    end
  end)

  it("returns 64 KiB at a time unless told", function()
    temp.write(path, ("x"):rep(65537))
    assert.same({ 65536, 1 }, sizes_of())
  end)

  -- LuaJIT's collector would let nearly all of them lie about: its steps do not grow with what is allocated.
  it("keeps large pieces no longer than they are used", function()
    temp.write(path, ("0123456789"):rep(200000))
    local live = {}
    for i = 1, 50000 do live[i] = { i } end
    collectgarbage()
    collectgarbage()
    local before, most = collectgarbage("count"), 0
    for i = 1, 80 do
      assert.equal(2000000 - i, #@file.chunks(path, 2000000 - i)()) -- none is like another
      most = math.max(most, collectgarbage("count") - before)
    end
    assert.is_true(most < before + 40 * 1024, most) -- it begins when what is there has doubled
    assert.equal(50000, #live)
  end)

  it("is a source of streams", function()
    temp.write(path, ("ab"):rep(5))
    local n, bytes = @file.chunks(path, 4):map(string.upper):to(dir .. "/out")
    assert.same({ 3, 10 }, { n, bytes })
    assert.equal(("AB"):rep(5), temp.read(dir .. "/out"))
    assert.same({ "abab" }, @stream(@file.chunks(path, 4)):take(1):collect())
  end)

  it("ends early by close(), as often as one likes", function()
    temp.write(path, "abcdef")
    local chunks = @file.chunks(path, 2)
    assert.equal("ab", chunks())
    chunks:close()
    chunks:close()
    assert.is_nil(chunks())
  end)

  it("goes on where it was after a cancelled read", function()
    temp.write(path, ("0123456789"):rep(100000))
    local chunks, text = @file.chunks(path, 300000), "" -- beyond what is read without a hop
    while true do
      local task = @async(chunks)
      task:cancel()
      @try(task.await, task)
      local piece, e = @try(chunks)
      for _ = 1, 5000 do -- until the cancelled read has let go
        if not e then break end
        assert.equal("file.busy", e.kind)
        @sleep "1ms"
        piece, e = @try(chunks)
      end
      if not piece then break end
      text = text .. piece
    end
    assert.is_true(text == temp.read(path))
  end)

  it("serves two tasks, each with its own", function()
    temp.write(path, ("xy"):rep(300000))
    local a, b = @all(@(@file.chunks(path, 400000):count()), @(@file.chunks(path, 7):count()))
    assert.same({ 2, 85715 }, { a, b })
  end)

  it("raises file.not_found, file.is_directory and file.type at once", function()
    assert.equal("file.not_found", fails(@file.chunks, path).kind)
    assert.equal("file.is_directory", fails(@file.chunks, dir).kind)
    assert.equal("file.type", fails(@file.chunks, "/dev/zero").kind)
  end)

  it("reads a device when asked to", function()
    assert.equal(("\0"):rep(10), @file.chunks("/dev/zero", 10, { special = true })())
  end)

  local misuse = {
    ["a size of nothing"] = { function() @file.chunks("x", 0) end, "size: from 1 byte" },
    ["a size beyond memory"] = { function() @file.chunks("x", "1GiB") end, "size: from 1 byte" },
    ["a size that is none"] = { function() @file.chunks("x", "big") end, 'size: "big" is not a size' },
    ["options for a size"] = { function() @file.chunks("x", { special = true }) end, "a size expected before the options" },
    ["an unknown option"] = { function() @file.chunks("x", 5, { max = 5 }) end, 'unknown option "max"' },
    ["no path"] = { function() @file.chunks(nil, 5) end, "path: string expected" },
  }
  for name, case in pairs(misuse) do
    it("misused is an argument error: " .. name, function()
      local e = fails(case[1])
      assert.equal("argument", e.kind)
      assert.truthy(e.message:find(case[2], 1, true), e.message)
    end)
  end
end)

-- load, loadstring, loadfile: the dialect, and otherwise what Lua's own do.
local temp = require "spec.support.temp"

describe("load", function()
  it("compiles text with operators, which find their place", function()
    local fn = load("local a = ...\nreturn @map(a, function(x) return x * 2 end, { concurrency = 0 })", "=chunk")
    local _, e = @try(fn, { 1 })
    assert.same({ file = "chunk", line = 2, column = 8, span = 4, op = "map" }, e.site)
  end)

  it("hands on all arguments and values", function()
    assert.same({ 3, 1, 2 }, { load("@yield() return select('#', ...), ...")(1, 2, nil) })
  end)

  it("takes a reader, which may wait", function()
    local pieces = { "return ", "@try(function() ", "return 7 end)" }
    local fn = load(function()
      @yield()
      return table.remove(pieces, 1)
    end)
    assert.equal(7, fn())
  end)

  it("gives nil and the message when the reader fails", function()
    assert.same({ nil, "broken" }, { load(function() error("broken", 0) end) })
    assert.same({ nil, "reader function must return a string" }, { load(function() return {} end) })
  end)

  it("takes an environment, with and without operators", function()
    for _, text in ipairs { "x = 1", "x = @try(function() return 1 end)" } do
      local env = {}
      load(text, "=chunk", "t", env)()
      assert.equal(1, env.x)
    end
    assert.is_nil(rawget(_G, "x"))
  end)

  it("makes functions whose environment can be set", function()
    local fn = load("x = @try(function() return 1 end)")
    local env = {}
    setfenv(fn, env)()
    assert.equal(1, env.x)
  end)

  it("keeps the chunk's name", function()
    for name, shown in pairs {
      ["=shown"] = "shown:2: x", ["@path/to.lua"] = "path/to.lua:2: x", ["some\ncode"] = '[string "some..."]:2: x',
    } do
      for _, text in ipairs { "local a = 1\nerror('x')", "@yield()\nerror('x')" } do
        local _, message = pcall(load(text, name))
        assert.equal(shown, message)
      end
    end
  end)

  it("names a chunk by its text when it has no other name", function()
    local _, message = pcall(load("error('x')"))
    assert.equal([=[[string "error('x')"]:1: x]=], message)
  end)

  it("refuses bytecode, whatever the mode", function()
    local code = string.dump(function() end)
    for _, mode in ipairs { "b", "bt", "t" } do
      local fn, message = load(code, "=code", mode)
      assert.is_nil(fn)
      assert.is_string(message)
    end
    assert.is_nil((loadstring(code)))
  end)

  it("compiles a chunk that has two hundred locals already", function()
    local lines = {}
    for i = 1, 200 do lines[i] = "local v" .. i .. " = " .. i end
    lines[201] = "return v1 + v200 + @try(function() return 1 end)"
    assert.equal(202, load(table.concat(lines, "\n"))())
  end)

  it("keeps nothing of a chunk that is gone", function()
    local weak = setmetatable({}, { __mode = "v" })
    for i = 1, 50 do
      local fn = load("return function() @yield() end")
      weak[i] = fn
      fn()()
    end
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(weak))
  end)

  it("refuses what is neither text nor function", function()
    local ok, message = pcall(load, {})
    assert.is_false(ok)
    assert.truthy(message:find("string or function expected, got table", 1, true))
  end)
end)

describe("a syntax error", function()
  for _, case in ipairs {
    { "of the dialect: no name after @", "local a\nlocal b = @5", "chunk:2:11: " },
    { "of the dialect: an operator as a field", "local t = {}\n\nreturn t.@x", "chunk:3:10: " },
    { "of Lua's, in a chunk with operators", "@yield()\nlocal = 5", "chunk:2: '<name>' expected near '='" },
    { "of Lua's, at an operator", "local x = 5\nprint @sleep(1)", "chunk:2: '=' expected near '@'" },
    { "of Lua's, a block that is never closed", "@yield()\nif true then", "chunk:2:1: 'if' is never closed" },
    { "of Lua's, an end too many", "@yield()\nend", "chunk:2:1: unexpected 'end'" },
    { "of Lua's, in a chunk without operators", "\nlocal = 5", "chunk:2: '<name>' expected near '='" },
    { "an unfinished string", "@yield()\nlocal s = 'abc", nil },
    { "a loop left from outside", "@yield()\nbreak", nil },
  } do
    it(case[1] .. " has the right line and the right words", function()
      local fn, message = load(case[2], "=chunk")
      if case[3] then
        assert.is_nil(fn)
        assert.equal(case[3], message:sub(1, #case[3]))
      else
        local _, own = load(case[2]:gsub("@yield", "print"), "=chunk")
        assert.equal(own, message)
      end
    end)
  end

  it("of the dialect shows the source line with a caret under the column", function()
    local _, message = load("local a = 1\n\tlocal b = @5\n", "=chunk")
    assert.truthy(message:find("\n  2 │ \tlocal b = @5\n    │ \t          ^", 1, true))
  end)

  it("does not mention what the rewrite adds", function()
    for _, text in ipairs { "@yield(", "@(", "local x <const> = @a", "return @x y", "@yield() return 1 x = 2" } do
      local fn, message = load(text, "=chunk")
      assert.is_nil(fn)
      assert.is_nil(message:find("_at", 1, true))
    end
  end)
end)

describe("loadfile", function()
  it("compiles a file under its path", function()
    temp.dir(function(dir)
      local path = temp.write(dir .. "/a.lua", "#!/usr/bin/env tusk\nreturn @try(error, 'x')")
      local v, e = loadfile(path)()
      assert.is_nil(v)
      assert.equal("x", e.message:sub(-1))
    end)
  end)

  it("gives nil and why for a file that cannot be read", function()
    local fn, message = loadfile("/nonexistent/file.lua")
    assert.is_nil(fn)
    assert.equal("cannot open /nonexistent/file.lua: No such file or directory", message)
  end)
end)

-- require and dofile, whose files may wait.
local temp = require "spec.support.temp"

local function fails(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

-- fn(folder) with `name.lua` files in a folder on package.path, all forgotten afterwards.
local function with_modules(files, fn)
  temp.dir(function(dir)
    for name, text in pairs(files) do temp.write(dir .. "/" .. name .. ".lua", text) end
    local path = package.path
    package.path = dir .. "/?.lua"
    local ok, e = pcall(fn, dir)
    package.path = path
    for name in pairs(files) do package.loaded[name] = nil end
    if not ok then error(e, 0) end
  end)
end

describe("require", function()
  before_each(function() _G.loads = 0 end)
  after_each(function() _G.loads = nil end)

  it("loads a file once, and gives what it returned", function()
    with_modules({ rq_one = "loads = loads + 1; return { 'value' }" }, function()
      assert.equal("value", require("rq_one")[1])
      assert.is_true(rawequal(require "rq_one", require "rq_one"))
      assert.equal(1, _G.loads)
    end)
  end)

  it("hands the file its module name", function()
    with_modules({ rq_name = "return { ... }" }, function()
      assert.same({ "rq_name" }, require "rq_name")
    end)
  end)

  it("gives true for a file that returns nothing, and what it put in package.loaded itself", function()
    with_modules({ rq_none = "", rq_own = "package.loaded[...] = 'own'" }, function()
      assert.is_true(require "rq_none")
      assert.equal("own", require "rq_own")
    end)
  end)

  it("may wait, and speaks the dialect", function()
    with_modules({ rq_wait = "@sleep('1ms') return 'waited'" }, function()
      assert.equal("waited", require "rq_wait")
    end)
  end)

  it("is shared by tasks that ask at the same time", function()
    with_modules({ rq_shared = "loads = loads + 1 @sleep('1ms') return {}" }, function()
      local function load() return require "rq_shared" end
      local a, b, c = @all(load, load, load)
      assert.is_true(rawequal(a, b) and rawequal(b, c))
      assert.equal(1, _G.loads)
    end)
  end)

  it("does not show a half-built module to others", function()
    with_modules({ rq_half = "package.loaded[...] = 'half' @sleep('1ms') return 'whole'" }, function()
      local function load() return require "rq_half" end
      assert.same({ "whole", "whole" }, { @all(load, load) })
    end)
  end)

  it("raises for a loop within one task", function()
    with_modules({ rq_a = "return require 'rq_b'", rq_b = "return require 'rq_a'" }, function()
      local e = fails(require, "rq_a")
      assert.truthy(tostring(e):find("loop or previous error loading module 'rq_a'", 1, true))
    end)
  end)

  it("raises for a loop across tasks", function()
    with_modules({
      rq_x = "@sleep('1ms') return require 'rq_y'", rq_y = "@sleep('1ms') return require 'rq_x'",
    }, function()
      local outcomes = @all_settled(@(require "rq_x"), @(require "rq_y"))
      assert.is_false(outcomes[1].ok)
      assert.is_false(outcomes[2].ok)
      assert.truthy(tostring(outcomes[1].err):find("loop or previous error", 1, true))
    end)
  end)

  it("tries a failed file again, also for those who waited for it", function()
    with_modules({ rq_fail = "loads = loads + 1 @sleep('1ms') if loads == 1 then error('first') end return loads" },
      function()
        local outcomes = @all_settled(@(require "rq_fail"), @(require "rq_fail"))
        assert.is_false(outcomes[1].ok)
        assert.equal(2, outcomes[2].value)
        assert.equal(2, require "rq_fail")
      end)
  end)

  it("tries a cancelled file again", function()
    with_modules({ rq_cancel = "loads = loads + 1 @sleep(loads == 1 and '1h' or 0) return loads" }, function()
      @scope(function(s)
        local first = s:spawn(require, "rq_cancel")
        local second = s:async(require, "rq_cancel")
        first:cancel()
        assert.equal(2, second:await())
      end)
    end)
  end)

  it("lets one who waits for a load be cancelled alone", function()
    with_modules({ rq_slow = "@sleep('2ms') return 'slow'" }, function()
      @scope(function(s)
        local first = s:async(require, "rq_slow")
        s:spawn(require, "rq_slow"):cancel()
        assert.equal("slow", first:await())
      end)
    end)
  end)

  it("points into the file that failed", function()
    with_modules({ rq_broken = "local x\nreturn x.y" }, function(dir)
      local e = fails(function() @async(require, "rq_broken"):await() end)
      assert.equal(dir .. "/rq_broken.lua", e.site.file)
      assert.equal(2, e.site.line)
      assert.truthy(e.traceback:find("rq_broken.lua:2", 1, true))
    end)
  end)

  it("shows a syntax error of the dialect with its line and column", function()
    with_modules({ rq_syntax = "\nlocal x = @5" }, function(dir)
      local e = fails(require, "rq_syntax")
      assert.truthy(e:find("error loading module 'rq_syntax' from file '" .. dir, 1, true))
      assert.truthy(e:find("rq_syntax.lua:2:11: ", 1, true))
    end)
  end)

  it("says where it has looked for what is not there", function()
    with_modules({}, function(dir)
      local e = fails(require, "rq.nowhere")
      assert.truthy(e:find("^module 'rq.nowhere' not found:"))
      assert.truthy(e:find("no file '" .. dir .. "/rq/nowhere.lua'", 1, true))
      assert.truthy(e:find("no field package.preload['rq.nowhere']", 1, true))
    end)
  end)

  it("asks package.preload first", function()
    package.preload.rq_pre = function(...) return { ... } end
    assert.equal("rq_pre", require("rq_pre")[1])
    package.preload.rq_pre, package.loaded.rq_pre = nil, nil
  end)

  it("refuses what is no name", function()
    assert.truthy(fails(require, {}):find("bad argument #1 to 'require' (string expected, got table)", 1, true))
  end)
end)

describe("dofile", function()
  it("runs a file that waits and gives all its values", function()
    with_modules({ rq_do = "@sleep('1ms') return 1, nil, 3" }, function(dir)
      assert.same({ n = 3, 1, nil, 3 }, (function(...) return { n = select("#", ...), ... } end)(dofile(dir .. "/rq_do.lua")))
    end)
  end)

  it("raises for a file that is not there, and one that does not compile", function()
    with_modules({ rq_bad = "return +" }, function(dir)
      assert.truthy(fails(dofile, dir .. "/none.lua"):find("cannot open " .. dir .. "/none.lua", 1, true))
      assert.truthy(fails(dofile, dir .. "/rq_bad.lua"):find("rq_bad.lua:1: ", 1, true))
    end)
  end)
end)

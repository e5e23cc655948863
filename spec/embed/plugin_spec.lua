-- Plugins in C (plugin.c), loaded by the program as from a script directory.
local uv = require "luv"
local embedder = require "spec.support.embedder"
local program = require "spec.support.program"
local temp = require "spec.support.temp"

-- A script directory with files (path → text) and libraries (path → flags); what `tusk run`, or test, makes of it.
local function run(files, libraries, command)
  local r
  temp.dir(function(dir)
    for _, folder in ipairs { "plugins", "plugins/physics", "plugins/mixed", "spec" } do assert(uv.fs_mkdir(dir .. "/" .. folder, 493)) end
    for path, flags in pairs(libraries) do
      embedder.plugin(dir .. "/" .. path, "spec/embed/plugin.c", flags)
    end
    for path, text in pairs(files) do temp.write(dir .. "/" .. path, text) end
    r = program.run({ command or "run", dir })
  end)
  return r
end

local MAIN = [[
print(@physics.fall(2))
print(@physics.who(), @asks.who())
print(select(2, pcall(function() @physics.fell() end)).message)
print(select(2, pcall(@physics.fall, "x")).message)
]]

local ASKS = [[
return { name = "asks", requires = { "@physics" }, operators = { asks = {
  who = function()
    local said
    @spawn(function() said = @physics.who() end):await()
    return said
  end,
} }, setup = function() print("asks:", @physics.who()) end }
]]

describe("a plugin in C", function()
  local function works(path)
    local r = run({ ["main.lua"] = MAIN, ["plugins/asks.lua"] = ASKS }, { [path] = "" })
    assert.equal([[
asks:	asks
19.625
nobody	nobody
no function "fell" (did you mean "fall"?)
bad argument
]], r.stdout)
    assert.equal(0, r.status)
    assert.matches('"plugin ready","plugin":"physics"', r.stderr)
    assert.matches("physics: closed", r.stderr)
  end

  it("is a library among the plugins", function() works "plugins/physics.so" end)
  it("is a library in a folder of its name", function() works "plugins/physics/physics.so" end)

  it("is closed once, after the tasks that waited for it have ended", function()
    local waits = "return { name = 'waits', requires = { 'physics' }, setup = function() @spawn(@physics.settle) end }"
    local r = run({ ["main.lua"] = "@sleep(0) print('done')", ["plugins/waits.lua"] = waits }, { ["plugins/physics.so"] = "" })
    assert.equal("done\n", r.stdout)
    assert.matches("physics: too late: cancelled\nphysics: closed\n", r.stderr)
    assert.equal(1, select(2, r.stderr:gsub("physics: closed", "")))
  end)

  it("keeps its promises though its calls are cancelled at any point", function()
    local spec = [=[
      local test = require "tusk.test"
      local function asks()
        @scope(function(s)
          s:spawn(function() @physics.who() end)
          pcall(@timeout, "1ms", @physics.settle)
          return @physics.who()
        end)
      end
      it("sweeps", function()
        assert.is_true(test.sweep(asks) > 3)
        for seed = 1, 5 do test.seed(seed, test.sweep, asks) end
        test.leaks(asks)
      end)
    ]=]
    local r = run({ ["spec/physics_spec.lua"] = spec }, { ["plugins/physics.so"] = "" }, "test")
    assert.equal(0, r.status, r.stdout .. r.stderr)
    assert.matches("1 success", r.stdout)
  end)

  local function fails(what, flags, message)
    it("is refused " .. what, function()
      local r = run({ ["main.lua"] = "print('not run')" }, { ["plugins/physics.so"] = flags })
      assert.equal("", r.stdout)
      assert.equal(3, r.status)
      assert.matches(message, r.stderr)
    end)
  end

  fails("when it was built for another ABI", "-DOTHER_ABI",
    "physics%.so was built for ABI 99 of tusk%.h, this is Tusk with ABI 1: build it again")
  fails("when it is any other library", "-DNO_PLUGIN", "physics%.so is no plugin: it has no TUSK_PLUGIN%(")
  fails("when it fails to open", "-DFAILS=1", "physics%.so has failed to open: input or output error")

  it("is refused when it is no library", function()
    local r = run({ ["main.lua"] = "print('not run')", ["plugins/physics.so"] = "no library" }, {})
    assert.equal(3, r.status)
    assert.matches("physics%.so cannot be loaded: ", r.stderr)
  end)

  it("is refused when it defines what is the host's own", function()
    local r = run({ ["main.lua"] = "print('not run')" }, { ["plugins/physics.so"] = "-DNAMESPACE=file" })
    assert.equal(3, r.status)
    assert.matches("@file%.fall: @file is the host's own", r.stderr)
  end)

  it("can be the C half of a plugin in Lua", function()
    local init = "local native = require 'plugins.mixed.native' return { name = 'mixed', operators = { twice = native } }"
    local files = { ["main.lua"] = "print(@twice(21))", ["plugins/mixed/init.lua"] = init }
    local r = run(files, { ["plugins/mixed/native.so"] = "-DMODULE=TUSK_LUA_ABI" })
    assert.equal("42\n", r.stdout)
    r = run(files, { ["plugins/mixed/native.so"] = "-DMODULE=99" })
    assert.matches("built for ABI 99 of tusk_lua%.h", r.stderr)
    assert.equal(3, r.status)
  end)
end)

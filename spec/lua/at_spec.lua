-- What @name denotes: values, places, mistakes.
local tusk = require "tusk"

local function fails(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  return e
end

describe("@name", function()
  it("is a value: it can be kept, passed and called later, with its own place", function()
    local sleep = @sleep
    local here = debug.getinfo(1, "l").currentline - 1
    local _, e = @try(sleep, "x")
    assert.equal("sleep", e.op)
    assert.equal(here, e.site.line)
  end)

  it("is the same operator as in require 'tusk'", function()
    assert.same({ n = 2, 2, 4 }, tusk.map({ 1, 2 }, function(x) return x * 2 end))
    assert.equal("argument", fails(tusk.sleep, "x").kind)
  end)

  it("can be called for each item of something", function()
    local texts = @map({ "/proc/self/comm" }, @file.read)
    assert.is_string(texts[1])
  end)

  it("denotes a namespace whose members have names of their own", function()
    local e = fails(function() return @file.read(5) end)
    assert.equal("file.read", e.op)
    assert.truthy(tostring(@file):find("@file", 1, true))
  end)

  it("that does not exist is named with the nearest", function()
    local e = fails(function() return @slep(1) end)
    assert.equal("operator", e.kind)
    assert.equal("sleep", e.suggestion)
    assert.equal(debug.getinfo(1, "l").currentline - 3, e.site.line)
    assert.truthy(e.message:find('there is no operator @slep (did you mean "sleep"?)', 1, true))
  end)

  it("that resembles nothing has no suggestion", function()
    local e = fails(function() return @xylophone() end)
    assert.equal("there is no operator @xylophone", e.message)
  end)

  it("does not fail before it is reached", function()
    assert.equal(1, load("if false then @nothing() end return 1")())
  end)

  it("names the nearest function of a namespace", function()
    local e = fails(function() return @file.raed("x") end)
    assert.equal("operator", e.kind)
    assert.equal("read", e.suggestion)
    assert.equal(debug.getinfo(1, "l").currentline - 3, e.site.line)
  end)

  it("says that a namespace is not called, and what is", function()
    local e = fails(function() return @log("x") end)
    assert.equal("operator", e.kind)
    assert.equal(debug.getinfo(1, "l").currentline - 2, e.site.line)
    assert.truthy(e.message:find("call one of them, such as @log.debug(…)", 1, true))
    assert.same({ "functions: debug, error, info, warn" }, e.help)
    assert.equal(e.message, fails(tusk.log, "x").message)
  end)

  it("gives the same error through require 'tusk'", function()
    assert.equal("read", fails(function() return tusk.file.raed end).suggestion)
    assert.equal("sleep", fails(function() return tusk.slep end).suggestion)
  end)

  it("cannot be written to", function()
    local e = fails(function() (@file).read = print end)
    assert.equal("operator", e.kind)
    assert.truthy(e.message:find("read-only", 1, true))
    assert.equal("argument", fails(function() return @file.read(5) end).kind)
  end)

  it("cannot be redefined through what stands for it", function()
    local e = fails(load("local _ = @yield local at = select(2, debug.getupvalue(debug.getinfo(1, 'f').func, 1)) at[1] = print"))
    assert.equal("operator", e.kind)
  end)
end)

describe("@(expression)", function()
  it("is a function that is not called yet", function()
    local called = false
    local function call() called = true return 1, 2 end
    local deferred = @(call())
    assert.is_false(called)
    assert.same({ 1, 2 }, { deferred() })
  end)

  it("sees the variables as they are when it is called", function()
    local x = 1
    local deferred = @(x)
    x = 2
    assert.equal(2, deferred())
  end)
end)

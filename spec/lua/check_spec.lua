-- What operators say to a caller's mistake: types, durations, sizes, options.
local check = require "tusk.check"

local function refusal(fn, ...)
  local ok, e = pcall(fn, ...)
  assert.is_false(ok)
  assert.equal("argument", e.kind)
  return e
end

describe("a duration", function()
  for text, seconds in pairs {
    ["250ms"] = 0.25, ["30s"] = 30, ["5m"] = 300, ["1h30m"] = 5400, ["7d"] = 604800, ["2w"] = 1209600,
    ["1.5h"] = 5400, ["0s"] = 0, ["1m30s500ms"] = 90.5,
  } do
    it(text .. " is " .. seconds .. " seconds, the second time too", function()
      assert.equal(seconds, check.duration("d", text))
      assert.equal(seconds, check.duration("d", text))
    end)
  end

  it("is a number of seconds", function()
    assert.equal(0, check.duration("d", 0))
    assert.equal(0.5, check.duration("d", 0.5))
  end)

  for _, bad in ipairs { "", "5", "ms", "5 s", "5S", "-5s", "5s ", "1h30", "1e3s", ".5s", "5sec", "s5" } do
    it("is not " .. ("%q"):format(bad), function()
      local e = refusal(check.duration, "timeout", bad)
      assert.equal("timeout", e.argument)
      assert.truthy(e.message:find(("timeout: %q is not a duration"):format(bad), 1, true))
    end)
  end

  it("is neither negative, nor infinite, nor no number, nor something else", function()
    for _, bad in ipairs { -0.001, 1 / 0, 0 / 0, true, {}, print } do refusal(check.duration, "d", bad) end
  end)

  it("has no default unless one is given", function()
    refusal(check.duration, "d", nil)
    assert.equal(7, check.duration("d", nil, 7))
  end)

  it("forgets old texts rather than growing for ever", function()
    for i = 1, 3000 do assert.equal(i, check.duration("d", i .. "s")) end
    assert.equal(1, check.duration("d", "1s"))
  end)
end)

describe("a size", function()
  for text, bytes in pairs {
    ["0B"] = 0, ["64KiB"] = 65536, ["10MB"] = 1e7, ["1KB"] = 1000, ["1.5KiB"] = 1536, ["2GiB"] = 2 ^ 31, ["1GB"] = 1e9,
  } do
    it(text .. " is " .. bytes .. " bytes", function() assert.equal(bytes, check.size("max", text)) end)
  end

  it("is a whole number of bytes", function()
    assert.equal(12, check.size("max", 12))
    for _, bad in ipairs { -1, 1.5, 2 ^ 53, 1 / 0, 0 / 0, "12", "1.5B", "10 MB", "10mb", "1TB", "", true } do
      local e = refusal(check.size, "max", bad)
      assert.equal("max", e.argument)
    end
  end)

  it("has no default unless one is given", function()
    refusal(check.size, "max", nil)
    assert.equal(5, check.size("max", nil, 5))
  end)
end)

describe("options", function()
  local KNOWN = { "timeout", "mode", "concurrency" }

  it("are the table, or an empty one", function()
    local opts = { mode = 1 }
    assert.is_true(rawequal(opts, check.options(opts, KNOWN)))
    assert.same({}, check.options(nil, KNOWN))
  end)

  it("that do not exist are named with the nearest, and the list", function()
    local e = refusal(check.options, { timoeut = 1 }, KNOWN)
    assert.equal('unknown option "timoeut" (did you mean "timeout"?)', e.message)
    assert.equal("timeout", e.suggestion)
    assert.same({ "options: timeout, mode, concurrency" }, e.help)
  end)

  it("that resemble nothing have no suggestion", function()
    local e = refusal(check.options, { zebra = 1 }, KNOWN)
    assert.equal('unknown option "zebra"', e.message)
    assert.is_nil(e.suggestion)
  end)

  it("are not a list, nor something else", function()
    refusal(check.options, { "timeout" }, KNOWN)
    refusal(check.options, 5, KNOWN)
  end)
end)

describe("the nearest word", function()
  for _, case in ipairs {
    { "emial", "email" }, { "EMAIL", "email" }, { "emai", "email" }, { "id", "id" }, { "nam", "name" }, { "xyz", nil },
    { "", nil },
  } do
    it(("of %q is %s"):format(case[1], tostring(case[2])), function()
      assert.equal(case[2], check.nearest(case[1], { "id", "name", "email" }))
    end)
  end
end)

describe("a type", function()
  for kind, value in pairs { string = "x", number = 1, boolean = false, table = {}, integer = 3, callable = print } do
    it(kind .. " passes, and is given back", function()
      assert.equal(value, check[kind]("arg", value))
      assert.equal(value, check["opt_" .. kind]("arg", value))
      assert.is_nil(check["opt_" .. kind]("arg", nil))
    end)

    it(kind .. " is not nil", function()
      local e = refusal(check[kind], "arg", nil)
      assert.equal("arg", e.argument)
      assert.truthy(e.message:find("^arg: %a+ expected, got nil$"))
    end)
  end

  it("shows what it got, not at any length", function()
    assert.equal('arg: number expected, got string "abc"', refusal(check.number, "arg", "abc").message)
    assert.truthy(#refusal(check.number, "arg", ("x"):rep(1000)).message < 100)
  end)

  it("is not a namespace, where a function is called with a colon", function()
    check.dotted(nil, "find(id)")
    check.dotted({}, "find(id)")
    assert.equal("called with a colon; write find(id) with a dot", refusal(check.dotted, @cache, "find(id)").message)
  end)

  it("names what it got without its address", function()
    assert.equal("path: string expected, got a table", refusal(check.string, "path", {}).message)
    assert.equal("path: string expected, got a function", refusal(check.string, "path", print).message)
    assert.equal('n: table expected, got string "a\\nb"', refusal(check.table, "n", "a\nb").message)
    assert.equal("n: table expected, got number 5", refusal(check.table, "n", 5).message)
  end)

  it("callable says how work is handed over, for a call that was made too early", function()
    local e = refusal(check.callable, "fn", nil)
    assert.equal("fn: function expected, got nil", e.message)
    assert.truthy(e.help[1]:find("@(f(x))", 1, true))
  end)

  it("integer is exact", function()
    for _, bad in ipairs { 1.5, 2 ^ 53, 0 / 0, 1 / 0, "1" } do refusal(check.integer, "arg", bad) end
  end)

  it("callable is also a table that can be called", function()
    local callable = setmetatable({}, { __call = print })
    assert.equal(callable, check.callable("fn", callable))
  end)
end)

describe("a misspelt method", function()
  local function message(fn)
    local ok, err = pcall(fn)
    assert.is_false(ok)
    return err.kind .. ": " .. err.message
  end

  it("of a scope is told with the nearest one", function()
    local text = message(function() @scope(function(s) s:spwan(print) end) end)
    assert.equal('argument: a scope has no "spwan" (did you mean "spawn"?)', text)
  end)

  it("of a task is told with the nearest one", function()
    local task = @async(function() return 1 end)
    assert.equal('argument: a task has no "awiat" (did you mean "await"?)', message(function() task:awiat() end))
    assert.equal(1, task:await())
  end)
end)

-- @log: one line for each call, for a person or a machine.
local program = require "spec.support.program"

local function logged(code, env)
  local r = program.run({ "-e", code }, { env = env })
  assert.equal(0, r.status, r.stderr)
  return r.stderr
end

local function fields_of(code)
  return @json.decode(logged(code))
end

describe("@log, where stderr is no terminal,", function()
  it("writes one JSON object a line, with the time and the place", function()
    local entry = fields_of '@log.info("stored", { rows = 12, table = "users" })'
    assert.is_true(math.abs(@date.parse(entry.time) - @date.now()) < 60)
    entry.time = nil
    assert.same({ level = "info", msg = "stored", site = "(command line):1", rows = 12, table = "users" }, entry)
  end)

  it("names the task, if it has a name", function()
    local entry = fields_of '@spawn({ name = "mail" }, function() @log.warn("late") end)'
    assert.same({ "warn", "mail" }, { entry.level, entry.task })
  end)

  it("writes fields in the order of their names, after its own", function()
    assert.matches('"site":"[^"]+","a":1,"b":2,"c":3}\n$', logged '@log.info("x", { c = 3, a = 1, b = 2 })')
  end)

  it("keeps a message on its line, whatever is in it", function()
    local text = logged [[@log.info('a\nb\r\t"\\ \0 \1', { ["k\n"] = "v\n" })]]
    assert.equal(1, select(2, text:gsub("\n", "")))
    assert.equal('a\nb\r\t"\\ \0 \1', @json.decode(text).msg)
    assert.equal("v\n", @json.decode(text)["k\n"])
  end)

  it("shows anything: numbers that are none, tables, lists, errors, nil", function()
    local entry = fields_of [[
      local _, e = @try(error, "boom")
      @log.info(nil, { nan = 0 / 0, inf = 1 / 0, list = @map({ 1, 2 }, function(i) return i end),
        tree = { a = { 1 } }, fn = print, err = e, big = 2LL ^ 60 })
    ]]
    assert.same({ "nil", { 1, 2 }, { a = { 1 } } }, { entry.msg, entry.list, entry.tree })
    assert.same({ "nan", "inf", "(command line):1: boom" }, { entry.nan, entry.inf, entry.err })
    assert.matches("^function", entry.fn)
    assert.equal(1152921504606846976LL, entry.big)
  end)

  it("does not write debug lines unless asked to", function()
    assert.equal("", logged '@log.debug("x")')
  end)

  it("hides secrets and the passwords of URLs", function()
    local text = logged([[
      local token = @env.secret("TOKEN")
      @log.info("uses " .. token:reveal(), { token = token, url = "http://me:hunter2@example.com/" })
    ]], { TOKEN = "s3cr3t-value" })
    assert.is_nil(text:find("s3cr3t", 1, true))
    assert.is_nil(text:find("hunter2", 1, true))
    local entry = @json.decode(text)
    assert.same({ "uses ***", "***", "http://***@example.com/" }, { entry.msg, entry.token, entry.url })
  end)

  it("refuses fields that are no table, and names a misspelt level", function()
    local _, e = @try(@log.info, "x", 5)
    assert.equal("argument", e.kind)
    _, e = @try(function() @log.inof("x") end)
    assert.same({ "operator", "info" }, { e.kind, e.suggestion })
  end)
end)

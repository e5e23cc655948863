-- tusk check: what can be seen without running anything.
local program = require "spec.support.program"
local temp = require "spec.support.temp"

local function check(text)
  local result
  temp.dir(function(dir)
    result = program.run { "check", temp.write(dir .. "/script.lua", text) }
    result.stderr = result.stderr:gsub("[^\n ]*/script", "script")
  end)
  return result
end

describe("tusk check", function()
  it("accepts what is well written", function()
    local result = check("local row = @db.users.find(1)\n@log.info('x', { row = row })\nreturn @file.read\n")
    assert.same({ 0, "1 file ok\n", "" }, { result.status, result.stdout, result.stderr })
  end)

  it("names an unknown operator with its place", function()
    local result = check("\n  @flie.read('x')\n")
    assert.equal(1, result.status)
    assert.matches("there is no operator @flie %(did you mean \"file\"%?%)\n  ┌─ script.lua:2:3\n", result.stderr)
  end)

  it("names an unknown function of an operator", function()
    local result = check("return @http.gt('http://x/')")
    assert.equal(1, result.status)
    assert.matches("@http has no function \"gt\" %(did you mean \"get\"%?%)\n  ┌─ script.lua:1:8\n", result.stderr)
  end)

  it("tells all there is, not only the first", function()
    local result = check("@nosuch()\n@file.raed('x')\n@sleep(1)\n")
    local _, found = result.stderr:gsub("error%[operator%]", "")
    assert.equal(2, found)
  end)

  it("shows a syntax error with its line", function()
    local result = check("local x =\nif x then end\n")
    assert.equal(1, result.status)
    assert.matches("error%[syntax%]: unexpected symbol near 'if'\n  ┌─ script.lua:2\n", result.stderr)
  end)
end)

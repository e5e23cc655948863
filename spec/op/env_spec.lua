-- @env: variables of the process and of .env files.
local core = require "tusk.core"
local secret = require "tusk.secret"

local function failure(fn, ...)
  local v, e = @try(fn, ...)
  assert.is_nil(v)
  return e
end

describe("@env", function()
  local names = { "SPEC_TEXT", "SPEC_NUMBER", "SPEC_YES", "SPEC_NO", "SPEC_EMPTY", "SPEC_TOKEN" }

  before_each(function()
    rawset(core.env, "SPEC_TEXT", "text")
    rawset(core.env, "SPEC_NUMBER", "12.5")
    rawset(core.env, "SPEC_YES", "Yes")
    rawset(core.env, "SPEC_NO", "false")
    rawset(core.env, "SPEC_EMPTY", "")
    rawset(core.env, "SPEC_TOKEN", "s3cr3t-token")
  end)

  after_each(function()
    for _, name in ipairs(names) do rawset(core.env, name, nil) end
  end)

  it("get returns a value, a default, or nil", function()
    assert.equal("text", @env.get("SPEC_TEXT"))
    assert.equal("text", @env("SPEC_TEXT", "other"))
    assert.equal("other", @env("SPEC_NONE", "other"))
    assert.is_nil(@env.get("SPEC_NONE"))
    assert.equal("", @env.get("SPEC_EMPTY", "other"))
  end)

  it("get sees the process's own variables", function()
    assert.equal(os.getenv("PATH"), @env.get("PATH"))
  end)

  it("parse reads a value as what its default is", function()
    assert.equal(12.5, @env.parse("SPEC_NUMBER", 1))
    assert.is_true(@env.parse("SPEC_YES", false))
    assert.is_false(@env.parse("SPEC_NO", true))
    assert.equal("12.5", @env.parse("SPEC_NUMBER", "x"))
    assert.equal(7, @env.parse("SPEC_NONE", 7))
    assert.is_false(@env.parse("SPEC_NONE", false))
  end)

  it("parse raises env.invalid for a value that cannot be read so", function()
    local e = failure(@env.parse, "SPEC_TEXT", 1)
    assert.equal("env.invalid", e.kind)
    assert.equal("SPEC_TEXT", e.name)
    assert.equal("env.invalid", failure(@env.parse, "SPEC_TEXT", true).kind)
  end)

  it("require raises env.missing when nothing, or an empty text, is set", function()
    assert.equal("text", @env.require("SPEC_TEXT"))
    local e = failure(@env.require, "SPEC_NONE")
    assert.equal("env.missing", e.kind)
    assert.equal("SPEC_NONE is not set", e.message)
    assert.equal("SPEC_EMPTY is empty", failure(@env.require, "SPEC_EMPTY").message)
  end)

  it("secret prints as ***, and gives itself away only by reveal()", function()
    local s = @env.secret("SPEC_TOKEN")
    assert.equal("***", tostring(s))
    assert.equal("s3cr3t-token", s:reveal())
    assert.is_true(s == @env.secret("SPEC_TOKEN"))
    assert.is_true(secret.is(s))
    assert.equal("argument", failure(function() return "Bearer " .. s end).kind)
    assert.equal("json.value", failure(@json.encode, { s }).kind)
    assert.equal("env.missing", failure(@env.secret, "SPEC_NONE").kind)
  end)

  it("masks known secrets in text", function()
    assert.is_true(secret.is(@env.secret("SPEC_TOKEN")))
    assert.equal("a *** b ***", secret.mask("a s3cr3t-token b s3cr3t-token"))
  end)

  it("refuses misuse", function()
    for _, case in ipairs {
      { @env.get, 5 }, { @env.get, "" }, { @env.get, "A=B" }, { @env.parse, "SPEC_TEXT" },
      { @env.parse, "SPEC_TEXT", {} }, { @env.require },
    } do
      assert.equal("argument", failure(unpack(case)).kind)
    end
  end)
end)

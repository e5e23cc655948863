-- What a plugin may say of itself, and the order that follows from it.
local manifest = require "tusk.manifest"

local function plugin(name, fields)
  fields = fields or {}
  fields.name = name
  return { manifest = manifest.check(fields, name .. ".lua", name), file = name .. ".lua" }
end

local function names(order)
  local list = {}
  for i, p in ipairs(order) do list[i] = p.manifest.name end
  return table.concat(list, " ")
end

local function failure(fn, ...)
  local value, err = @try(fn, ...)
  assert.is_nil(value)
  assert.are.equal("plugin", err.kind)
  return err
end

local function refused(fields)
  fields.name = fields.name or "p"
  return failure(manifest.check, fields, "p.lua", "p").message
end

describe("a manifest", function()
  it("needs no more than a name", function()
    assert.are.equal("users", manifest.check({ name = "users" }, "users.lua", "users").name)
  end)

  it("may be a function alone: its setup, under the file's name", function()
    local function setup() end
    local m = manifest.check(setup, "plugins/greet.lua", "greet")
    assert.are.equal("greet", m.name)
    assert.are.equal(setup, m.setup)
  end)

  it("must be there at all", function()
    local err = failure(manifest.check, nil, "plugins/p.lua", "p")
    assert.are.equal('plugins/p.lua must return a table like { name = "p" }, or a function; it returned nil', err.message)
  end)

  it("must have a name of letters, digits, _ and -", function()
    for _, name in ipairs { "", "a b", "a.b", 7, true } do
      assert.matches("p.lua: name must be", refused { name = name }, 1, true)
    end
    assert.matches("name must be", failure(manifest.check, {}, "p.lua", "p").message)
  end)

  it("has no unknown field, and is told the nearest", function()
    assert.are.equal('p.lua: a plugin has no field "setpu" (did you mean "setup"?)', refused { setpu = print })
  end)

  it("has functions where functions belong", function()
    for _, field in ipairs { "setup", "teardown", "check" } do
      assert.are.equal("p.lua: " .. field .. " must be a function", refused { [field] = {} })
    end
    assert.matches('service "loop" must be a function', refused { services = { loop = 1 } }, 1, true)
    assert.matches('service "loop" must be a function', refused { services = { loop = { restart = "never" } } }, 1, true)
    assert.matches('service "loop": unknown option "restrat" (did you mean "restart"?)',
      refused { services = { loop = { run = print, restrat = "never" } } }, 1, true)
    assert.matches("on.shutdown must be a function", refused { on = { shutdown = 1 } }, 1, true)
  end)

  it("has tables where tables belong", function()
    for _, field in ipairs { "requires", "config", "operators", "services", "on" } do
      assert.are.equal("p.lua: " .. field .. " must be a table", refused { [field] = "x" })
    end
  end)

  it("has texts where texts belong", function()
    assert.are.equal("p.lua: version must be a string", refused { version = 1 })
    assert.are.equal("p.lua: description must be a string", refused { description = {} })
    assert.are.equal("p.lua: requires must be a list of strings", refused { requires = { 1 } })
    assert.are.equal("p.lua: requires must be a list of strings", refused { requires = { db = true } })
  end)

  it("listens to events of any name, but for slips of ready and shutdown", function()
    local p = { name = "p", on = { start = print, ready = print } }
    assert.equal(p, manifest.check(p, "p.lua", "p"))
    assert.are.equal("p.lua: on: events have names", refused { on = { print } })
    assert.are.equal("p.lua: on.start must be a function", refused { on = { start = 1 } })
    assert.matches('(did you mean "shutdown"?)', refused { on = { shutdwon = print } }, 1, true)
  end)

  it("cannot replace an operator of the host", function()
    assert.are.equal("p.lua: @db is the host's own and cannot be replaced", refused { operators = { db = {} } })
  end)

  it("gives operators names that can be written after @", function()
    assert.matches("is no name for an operator", refused { operators = { ["a-b"] = {} } }, 1, true)
    assert.matches("is no name for an operator", refused { operators = { {} } }, 1, true)
    assert.matches("is no name for an operator", refused { operators = { ["end"] = {} } }, 1, true)
  end)

  it("gives operators values that can be called or have functions", function()
    assert.are.equal("p.lua: @p must be a table or a function, not a string", refused { operators = { p = "text" } })
  end)

  it("has a well-made schema, all of its mistakes told", function()
    assert.matches('config field "n": unknown type intger (did you mean "integer"?)',
      refused { config = { n = { type = "intger" } } }, 1, true)
    assert.matches('unknown key defualt (did you mean "default"?)',
      refused { config = { n = { type = "string", defualt = 1 } } }, 1, true)
    assert.matches("must be a table", refused { config = { n = "string" } }, 1, true)
    local err = failure(manifest.check, { name = "p", config = { a = 1, b = 2 } }, "p.lua", "p")
    assert.are.equal(2, #err.help)
  end)

  it("has defaults that its own schema accepts", function()
    assert.matches('config field "n": default: integer expected, got "x"',
      refused { config = { n = { type = "integer", default = "x" } } }, 1, true)
    assert.matches('config field "n": default: "c" is not one of a, b',
      refused { config = { n = { type = "string", choices = { "a", "b" }, default = "c" } } }, 1, true)
  end)
end)

describe("the order of plugins", function()
  it("is the given one when nothing is required", function()
    assert.are.equal("a b c", names(manifest.order { plugin "a", plugin "b", plugin "c" }))
  end)

  it("puts a plugin that is required by name first", function()
    local order = manifest.order { plugin("a", { requires = { "b" } }), plugin "b" }
    assert.are.equal("b a", names(order))
  end)

  it("puts the provider of an operator first", function()
    local order = manifest.order {
      plugin("a", { requires = { "@users" } }), plugin "b", plugin("repo", { operators = { users = {} } }) }
    assert.are.equal("repo a b", names(order))
  end)

  it("asks for nothing that the host has itself", function()
    assert.are.equal("a", names(manifest.order { plugin("a", { requires = { "@db", "@http" } }) }))
  end)

  it("follows chains and diamonds, each plugin once", function()
    local order = manifest.order {
      plugin("top", { requires = { "left", "right" } }), plugin("left", { requires = { "base" } }),
      plugin("right", { requires = { "base" } }), plugin "base" }
    assert.are.equal("base left right top", names(order))
  end)

  it("is refused when nobody provides what is required: the chain, and what there is", function()
    local err = failure(manifest.order, {
      plugin("app", { requires = { "users" } }), plugin("users", { requires = { "@stroe" } }),
      plugin("repo", { operators = { store = {} } }) })
    assert.are.equal('users requires @stroe, which no plugin provides (did you mean "@store"?)', err.message)
    assert.are.same({ "app → users → @stroe", "there is: @store, app, repo, users" }, err.help)
  end)

  it("is refused when plugins require each other in a circle, which is shown", function()
    local err = failure(manifest.order, {
      plugin("x", { requires = { "a" } }), plugin("a", { requires = { "b" } }),
      plugin("b", { requires = { "c" } }), plugin("c", { requires = { "a" } }) })
    assert.are.equal("plugins require each other in a circle: a → b → c → a", err.message)
  end)

  it("is refused when a plugin requires itself", function()
    local err = failure(manifest.order, { plugin("a", { requires = { "a" } }) })
    assert.are.equal("plugins require each other in a circle: a → a", err.message)
  end)

  it("is refused when an operator has two providers, both named", function()
    local err = failure(manifest.order, {
      plugin("a", { operators = { users = {} } }), plugin("b", { operators = { users = {} } }) })
    assert.are.equal("@users has two providers: a (a.lua) and b (b.lua)", err.message)
  end)

  it("is refused when two plugins have one name", function()
    local err = failure(manifest.order, { plugin "a", plugin "a" })
    assert.are.equal('two plugins are called "a": a.lua and a.lua', err.message)
  end)
end)

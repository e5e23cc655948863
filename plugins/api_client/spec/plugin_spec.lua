-- The plugin: an API that tusk.lua declares, and plugins that are made of it.
local app = require "spec.support.app"
local raw_server = require "spec.support.raw_server"

local LISTED = [[return { plugins = { api_client = {
  auth = { bearer = "API_TOKEN" }, endpoints = { user_history = "GET /users/{id}/history?page" } } } }]]

-- Runs a directory beside a server that answers with what it was asked.
local function run(files, flags, env)
  return raw_server.with(function(connection, request)
    local text = @json.encode { target = request.target, token = request.header "authorization" }
    connection:write(raw_server.response(200, { "Content-Type: application/json" }, text))
  end, function(server)
    local args = {}
    for i, flag in ipairs(flags or { "plugins.api_client.base=" }) do
      args[2 * i - 1], args[2 * i] = "--set", flag:find("=$") and flag .. server.url or flag
    end
    return app.run(files, args, { env = env or { API_TOKEN = "s3cret-token" } })
  end)
end

describe("the plugin api_client", function()
  it("makes @api of what tusk.lua declares", function()
    local r = run { ["tusk.lua"] = LISTED, ["main.lua"] = [[
      local answer = @api.user_history(7, 2)
      print(answer.target, answer.token)]] }
    assert.equal("/users/7/history?page=2\tBearer s3cret-token\n", r.stdout, r.stderr)
  end)

  it("does not start without its base, or without the variable of its credentials", function()
    local r = run({ ["tusk.lua"] = LISTED, ["main.lua"] = "" }, {})
    assert.equal(3, r.status)
    assert.matches("plugins.api_client.base: is required", r.stderr, 1, true)
    r = run({ ["tusk.lua"] = LISTED, ["main.lua"] = "" }, nil, {})
    assert.equal(3, r.status)
    assert.matches("API_TOKEN", r.stderr, 1, true)
  end)

  it("places a mistake in a call at the caller's line, and in a declaration at tusk.lua's setting", function()
    local r = run { ["tusk.lua"] = LISTED, ["main.lua"] = "\n  @api.user_history { di = 7 }" }
    assert.matches('@api.user_history: user_history has no parameter "di" (did you mean "id"?)', r.stderr, 1, true)
    assert.matches("main.lua:2:3", r.stderr, 1, true)
    r = run { ["tusk.lua"] = LISTED, ["main.lua"] = "\n  @api:user_history { id = 7 }" }
    assert.matches("@api.user_history: called with a colon; write api.user_history with a dot", r.stderr, 1, true)
    r = run { ["tusk.lua"] = LISTED, ["main.lua"] = "\n  @api:fetch_multiple {}" }
    assert.matches("write api.fetch_multiple with a dot", r.stderr, 1, true)
    r = run { ["tusk.lua"] = "return { plugins = { api_client = { endpoints = { x = 'GTE /' } } } }", ["main.lua"] = "" }
    assert.equal(3, r.status)
    assert.matches("endpoints.x: there is no method GTE", r.stderr, 1, true)
  end)

  it("is the base of plugins of a few lines: two APIs, each with its settings", function()
    local declare = [[return require("tusk.plugins.api_client").plugin(%q, { endpoints = { get = "GET /%s/{id}" } })]]
    local r = run({
      ["plugins/cats.lua"] = declare:format("cats", "cats"), ["plugins/dogs.lua"] = declare:format("dogs", "dogs"),
      ["tusk.lua"] = "return { plugins = { dogs = { attempts = 1, rate = 100, breaker = false, timeout = '5s' } } }",
      ["main.lua"] = "print(@cats.get(1).target, @dogs.get(2).target)",
    }, { "plugins.cats.base=", "plugins.dogs.base=" })
    assert.equal("/cats/1\t/dogs/2\n", r.stdout, r.stderr)
  end)
end)

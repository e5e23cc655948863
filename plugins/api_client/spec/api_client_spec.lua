-- API clients: what is declared, what is sent, what comes back.
local api_client = require "tusk.plugins.api_client"
local nginx = require "spec.support.nginx"
local raw_server = require "spec.support.raw_server"
local test = require "tusk.test"
local uv = require "luv"

local ENDPOINTS = {
  user = { "GET /users/{id}", absent = true },
  user_history = "GET /users/{id}/history?page&limit",
  fetch_data = "GET /data/{source}?offset&limit",
  create_user = "POST /users",
  rename_user = "PATCH /users/{id}",
  delete_user = "DELETE /users/{id}",
  enrich = { "POST /enrich", idempotent = true },
  pay = { "POST /payments", idempotency_key = true },
  sign_in = { "POST /session", encode = "form" },
  note = { "PUT /notes/{id}", encode = "raw", headers = { ["Content-Type"] = "text/plain" }, timeout = "5s" },
}
local JSON = { "Content-Type: application/json; charset=utf-8" }

local function json(status, value)
  return raw_server.response(status, JSON, @json.encode(value))
end

local function options(server, more)
  local opts = { base = server.url .. "/v1", endpoints = ENDPOINTS, retry = { base = "1ms" } }
  for name, value in pairs(more or {}) do opts[name] = value end
  return opts
end

-- fn(api, server) with a server whose answer is answer(request), a text or nil for a lost connection. Its handles hold
-- back no virtual clock.
local function with(answer, more, fn)
  return raw_server.with(function(connection, request)
    connection.handle:unref()
    local text = type(answer) == "function" and answer(request) or answer
    if text == "drop" then connection:close() else connection:write(text) end
  end, function(server)
    server.listener:unref()
    fn(api_client.new(options(server, more)), server)
  end)
end

local function failure(fn, ...)
  local value, err = @try(fn, ...)
  assert.is_nil(value)
  return assert(err)
end

-- Answers with the n-th of a list, the last one for all that follow.
local function in_turn(list)
  return function(request) return list[math.min(request.number, #list)] end
end

describe("an endpoint", function()
  it("is a function that gives the decoded answer", function()
    with(json(200, { { id = 1 } }), nil, function(api, server)
      assert.same({ { id = 1 } }, api.user_history { id = 7, page = 2 })
      local r = server.requests[1]
      assert.same({ "GET", "/v1/users/7/history?page=2" }, { r.method, r.target })
    end)
  end)

  it("takes parameters in the order of its declaration too", function()
    with(json(200, {}), nil, function(api, server)
      api.user_history(7)
      api.fetch_data("log", 100, 50)
      assert.same({ "/v1/users/7/history", "/v1/data/log?limit=50&offset=100" },
        { server.requests[1].target, server.requests[2].target })
    end)
  end)

  it("sends a body as JSON, as a form, or as it is", function()
    with(json(201, { id = 3 }), nil, function(api, server)
      assert.same({ id = 3 }, api.create_user { body = { name = "Ann" } })
      api.sign_in { body = { user = "ann b", password = "&" } }
      api.note { id = "a", body = "as it is" }
      local seen = {}
      for i, r in ipairs(server.requests) do seen[i] = { r.method, r.header("content-type"), r.body } end
      assert.same({ { "POST", "application/json", '{"name":"Ann"}' },
        { "POST", "application/x-www-form-urlencoded", "password=%26&user=ann+b" }, { "PUT", "text/plain", "as it is" } }, seen)
    end)
  end)

  it("gives text as text, and nothing as nil", function()
    with(in_turn { raw_server.response(200, { "Content-Type: text/plain" }, "hello"), raw_server.response(204) }, nil, function(api)
      assert.equal("hello", api.user(1))
      assert.is_nil(api.delete_user(1))
    end)
  end)

  it("gives nil for 404 where that is absence", function()
    with(json(404, {}), nil, function(api)
      assert.is_nil(api.user(1))
      assert.equal("http.status.404", failure(api.user_history, 1).kind)
    end)
  end)

  it("gives the response itself when asked to", function()
    with(json(418, {}), nil, function(api)
      assert.equal(418, api.user({ id = 1 }, { response = true }).status)
    end)
  end)
end)

describe("a failure", function()
  it("has the status, the endpoint, and what the server said of it", function()
    with(json(422, { message = "the name is taken", field = "name" }), { name = "shop" }, function(api)
      local err = failure(api.create_user, { body = {} })
      assert.same({ "http.status.422", 422, "shop", "create_user", "name" },
        { err.kind, err.status, err.api, err.endpoint, err.body.field })
      assert.matches("^shop.create_user: http://[%d.:]+/v1/users answered 422: the name is taken$", err.message)
    end)
  end)

  it("shows a text that is no JSON, its first line alone", function()
    with(raw_server.response(500, {}, "oh no\nsecret details"), { retry = false }, function(api)
      assert.matches("answered 500: oh no$", failure(api.user, 1).message)
    end)
  end)

  it("shows nothing that a terminal would obey, and no half character", function()
    local said = { title = "no\27[2J luck\r\n" .. ("ä"):rep(200) }
    with(raw_server.response(422, { "Content-Type: application/problem+json" }, @json.encode(said)), nil, function(api)
      local message = failure(api.user, 1).message
      assert.is_nil(message:find("%c"))
      assert.matches("answered 422: no %[2J luck [ä]+…$", message)
      assert.equal(message, @json.decode(@json.encode(message)))
    end)
  end)

  it("of the connection says whose call it was", function()
    local api = api_client.new { base = "http://127.0.0.1:" .. raw_server.free_port(), endpoints = ENDPOINTS, retry = false }
    local err = failure(api.user, 1)
    assert.same({ "http.connect", "user" }, { err.kind, err.endpoint })
  end)

  it("is JSON that is none: whose answer it is", function()
    with(raw_server.response(200, JSON, '{"a":'), { name = "shop" }, function(api)
      local err = failure(api.user, 1)
      assert.same({ "json.syntax", "shop", "user" }, { err.kind, err.api, err.endpoint })
      assert.matches("^shop%.user: http://[^ ]*/v1/users/1 answered invalid JSON at line 1", err.message)
    end)
  end)

  it("is an answer that cannot be read", function()
    with(raw_server.response(200, JSON, "{"), nil, function(api)
      assert.matches("^json", failure(api.user, 1).kind)
    end)
  end)
end)

describe("path parameters", function()
  local function target(id)
    local seen
    with(json(200, {}), nil, function(api, server)
      api.user_history { id = id }
      seen = server.requests[1].target
    end)
    return seen
  end

  it("are encoded: none becomes more than one segment", function()
    for id, path in pairs { ["a b"] = "a%20b", ["a/b"] = "a%2Fb", ["../admin"] = "..%2Fadmin", ["a?x=1#y"] = "a%3Fx%3D1%23y",
      ["%2e%2e"] = "%252e%252e", ["é"] = "%C3%A9" } do
      assert.equal("/v1/users/" .. path .. "/history", target(id))
    end
    assert.equal("/v1/users/900000000000001/history", target(900000000000001))
    assert.equal("/v1/users/9007199254740993/history", target(9007199254740993LL))
  end)

  it("that would be another path, or break a header, are refused, and nothing is sent", function()
    with(json(200, {}), nil, function(api, server)
      for id, why in pairs { [""] = "is empty", ["."] = "another path", [".."] = "another path",
        ["a\r\nHost: evil"] = "control character", [math.huge] = "expected" } do
        assert.matches("^id: .*" .. why, failure(api.user, { id = id }).message)
      end
      assert.matches("id: is missing", failure(api.user).message, 1, true)
      assert.matches("got a table", failure(api.user, { id = {} }).message, 1, true)
      assert.equal(0, #server.requests)
    end)
  end)
end)

describe("a mistake in a call", function()
  it("is told with what was probably meant", function()
    with(json(200, {}), { name = "shop" }, function(api, server)
      local err = failure(function() return api.user_histroy(1) end)
      assert.same({ "argument", "user_history" }, { err.kind, err.suggestion })
      assert.matches('shop has no endpoint "user_histroy" (did you mean "user_history"?)', err.message, 1, true)
      err = failure(api.user_history, { id = 1, limti = 2 })
      assert.matches('user_history has no parameter "limti" (did you mean "limit"?)', err.message, 1, true)
      err = failure(api.create_user, { name = "Ann" })
      assert.same({ "endpoint: POST /users", "what is sent goes in { body = … }" }, err.help)
      assert.matches('user has no parameter "body"', failure(api.user, { id = 1, body = {} }).message, 1, true)
      assert.matches("user: 1 parameter, got 2", failure(api.user, 1, 2).message, 1, true)
      assert.matches('unknown option "tiemout" (did you mean "timeout"?)', failure(api.user, { id = 1 }, { tiemout = 1 }).message, 1, true)
      assert.matches("called with a colon", failure(function() return api:user(1) end).message, 1, true)
      assert.equal(0, #server.requests)
    end)
  end)

  it("in a declaration is told when the client is made", function()
    local function refused(said)
      return failure(api_client.new, { base = "http://localhost", endpoints = { x = said } }).message
    end
    assert.matches('endpoints.x: write "GET /path/{name}?name&name", not "users"', refused "users", 1, true)
    assert.matches('there is no method GTE (did you mean "GET"?)', refused "GTE /users", 1, true)
    assert.matches("a brace without its other", refused "GET /users/{id", 1, true)
    assert.matches('the parameter "id" is there twice', refused "GET /users/{id}?id", 1, true)
    assert.matches('"body" is no name for a parameter', refused "GET /users/{body}", 1, true)
    assert.matches('unknown option "idempotant" (did you mean "idempotent"?)', refused { "GET /", idempotant = true }, 1, true)
    assert.matches("encode: json, form or raw expected", refused { "POST /", encode = "xml" }, 1, true)
    assert.matches("endpoints: \"fetch_multiple\" is no name",
      failure(api_client.new, { base = "http://localhost", endpoints = { fetch_multiple = "GET /" } }).message, 1, true)
    assert.matches("base: string expected", failure(api_client.new, { endpoints = {} }).message, 1, true)
  end)
end)

describe("credentials", function()
  local function sent(auth)
    local seen
    with(json(200, {}), { auth = auth }, function(api, server)
      api.user(1)
      seen = server.requests[1]
    end)
    return seen
  end

  it("come from the environment, as a bearer, as user and password, or in a header", function()
    uv.os_setenv("SPEC_TOKEN", "s3cret-token")
    uv.os_setenv("SPEC_USER", "ann")
    assert.equal("Bearer s3cret-token", sent({ bearer = "SPEC_TOKEN" }).header "authorization")
    assert.equal("Basic YW5uOnMzY3JldC10b2tlbg==", sent({ basic = { "SPEC_USER", "SPEC_TOKEN" } }).header "authorization")
    assert.equal("s3cret-token", sent({ header = "X-Api-Key", env = "SPEC_TOKEN" }).header "x-api-key")
  end)

  it("that are not there are an error when the client is made", function()
    local err = failure(api_client.new, { base = "http://localhost", endpoints = {}, auth = { bearer = "SPEC_NOT_SET" } })
    assert.same({ "env.missing", "SPEC_NOT_SET" }, { err.kind, err.name })
    assert.matches("expected", failure(api_client.new, { base = "http://localhost", endpoints = {}, auth = {} }).message)
  end)
end)

describe("repetition", function()
  it("is for what may be carried out twice, after the time that the server asks for", function()
    local busy = raw_server.response(503, { "Retry-After: 3" }, "")
    test.clock(function()
      with(in_turn { busy, "drop", json(200, { id = 1 }) }, { timeout = "1m" }, function(api, server)
        assert.same({ id = 1 }, api.user(1))
        assert.is_true(test.now() >= 3)
        assert.equal(3, #server.requests)
      end)
    end)
  end)

  it("has a time limit for each attempt", function()
    with(function(request) return request.number > 1 and json(200, { id = 1 }) or "" end, { attempt_timeout = "20ms" },
      function(api, server)
        assert.same({ id = 1 }, api.user(1))
        assert.equal(2, #server.requests)
      end)
  end)

  it("of a POST is for those that are declared so, with the same key each time where it has one", function()
    local list = { raw_server.response(503), json(200, {}) }
    with(in_turn(list), nil, function(api, server)
      api.enrich { body = { 1 } }
      assert.equal(2, #server.requests)
    end)
    with(in_turn(list), nil, function(api, server)
      api.pay { body = { sum = 1 } }
      local first, again = server.requests[1].header "idempotency-key", server.requests[2].header "idempotency-key"
      assert.matches("^%x+%-%x+%-", first)
      assert.equal(first, again)
      api.pay { body = { sum = 1 } }
      assert.are_not.equal(first, server.requests[3].header "idempotency-key")
    end)
  end)
end)

describe("a breaker", function()
  it("leaves a server alone that fails", function()
    with(raw_server.response(500), { retry = false, breaker = { min = 2, open = "1m" } }, function(api, server)
      for _ = 1, 2 do assert.equal("http.status.500", failure(api.user, 1).kind) end
      local err = failure(api.enrich, { body = {} }) -- it is the whole API's
      assert.same({ "breaker_open", "enrich", 2 }, { err.kind, err.endpoint, #server.requests })
    end)
  end)
end)

describe("a limiter", function()
  it("spaces requests out", function()
    test.clock(function()
      with(json(200, {}), { limiter = { rate = 1 } }, function(api)
        for _ = 1, 3 do api.user(1) end
        assert.is_true(test.now() >= 2)
      end)
    end)
  end)
end)

describe("fetch_multiple", function()
  local function by_path(request)
    if request.target:find("history") then return json(500, { message = "no history" }) end
    return json(200, { path = request.target })
  end

  it("gives what came by name, and what failed by name", function()
    with(by_path, { retry = false }, function(api)
      local results, failed = api.fetch_multiple {
        user = { "user", { id = 7 } }, other = { "user", 8 }, history = { "user_history", 7 },
      }
      assert.same({ user = { path = "/v1/users/7" }, other = { path = "/v1/users/8" } }, results)
      assert.equal("http.status.500", failed.history.kind)
      assert.equal("user_history", failed.history.endpoint)
      assert.is_nil(failed.user)
    end)
  end)

  it("gives no second value when nothing has failed", function()
    with(by_path, nil, function(api)
      local results, failed = api.fetch_multiple { { "user", 1 }, { "user", 2 } }
      assert.same({ { path = "/v1/users/1" }, { path = "/v1/users/2" } }, results)
      assert.is_nil(failed)
    end)
  end)

  it("asks side by side, no more at a time than was said", function()
    local open, most = {}, 0
    local function answer_all()
      local list = open
      open = {}
      for _, connection in ipairs(list) do connection:write(json(200, {})) end
    end
    local function slowly(connection) -- three are answered, a little after the third: a fourth would be seen
      table.insert(open, connection)
      most = math.max(most, #open)
      if #open ~= 3 then return end
      local timer = uv.new_timer()
      timer:start(5, 0, function()
        timer:close()
        answer_all()
      end)
    end
    raw_server.with(slowly, function(server)
      local requests = {}
      for i = 1, 12 do requests[i] = { "user", i } end
      api_client.new(options(server)).fetch_multiple(requests, { concurrency = 3 })
      assert.equal(3, most)
    end)
  end)

  it("sends nothing when one of them is a mistake", function()
    with(by_path, nil, function(api, server)
      assert.equal("user", failure(api.fetch_multiple, { a = { "user", 1 }, b = { "usr", 1 } }).suggestion)
      assert.matches("id: is missing", failure(api.fetch_multiple, { a = { "user", 1 }, b = "user" }).message, 1, true)
      assert.equal(0, #server.requests)
    end)
  end)

  it("reports what was not there in time", function()
    with(function(request) return request.target:find("/7$") and "" or json(200, {}) end, { retry = false }, function(api)
      local results, failed = api.fetch_multiple({ a = { "user", 1 }, b = { "user", 7 } }, { timeout = "50ms" })
      assert.same({ {}, "timeout", "user" }, { results.a, failed.b.kind, failed.b.endpoint })
    end)
  end)

  it("is cancelled as a whole", function()
    with(function() return "" end, nil, function(api)
      test.leaks({ warm = true }, function()
        local err = failure(@timeout, 0.02, api.fetch_multiple, { { "user", 1 }, { "user", 2 } })
        assert.equal("timeout", err.kind)
      end)
    end)
  end)
end)

-- What the clients that go around get wrong.
describe("against known defects:", function()
  it("a POST retried blindly: one that is not declared so is sent once", function()
    for _, bad in ipairs { raw_server.response(503), "drop" } do
      with(in_turn { bad, json(200, {}) }, nil, function(api, server)
        failure(api.create_user, { body = {} })
        assert.equal(1, #server.requests)
      end)
    end
  end)

  it("5xx never retried: a GET is sent again after one, up to so many times", function()
    with(raw_server.response(502), { retry = { attempts = 4, base = "1ms" } }, function(api, server)
      local err = failure(api.user, 1)
      assert.same({ "http.status.502", 4, 4 }, { err.kind, #server.requests, err.attempts })
    end)
  end)

  it("pauses without chance: those of many clients do not fall together", function()
    local pauses = {}
    test.clock(function()
      with(raw_server.response(503), { retry = { attempts = 2, base = "10s" }, timeout = "1m" }, function(api)
        for i = 1, 8 do
          local from = test.now()
          failure(api.user, 1)
          pauses[("%.3f"):format(test.now() - from)] = i
        end
      end)
    end)
    local different = 0
    for _ in pairs(pauses) do different = different + 1 end
    assert.is_true(different > 4)
  end)

  it("a deadline that retries outlive: the call ends within its timeout", function()
    test.clock(function()
      with(raw_server.response(503), { retry = { attempts = 50, base = "10s", jitter = "none" }, timeout = "5s" }, function(api)
        failure(api.user, 1)
        assert.is_true(test.now() <= 5)
      end)
    end)
  end)

  it("failures dropped from several: each is reported under its name", function()
    with(json(404, {}), nil, function(api)
      local results, failed = api.fetch_multiple { a = { "user_history", 1 }, b = { "user_history", 2 } }
      assert.same({}, results)
      assert.same({ "http.status.404", "http.status.404" }, { failed.a.kind, failed.b.kind })
    end)
  end)
end)

describe("an API behind nginx", function()
  local server

  setup(function()
    server = nginx.start { locations = [[
      location /v1/ { default_type application/json; return 200 '{"uri": "$request_uri", "method": "$request_method"}'; }
      location /v1/users/gone { default_type application/json; return 410 '{"detail": "she has left"}'; }
      location /v1/users/busy { return 503; }
    ]] }
  end)

  teardown(function() server:stop() end)

  it("gets paths as they were meant, over connections that are used again", function()
    local api = api_client.new { base = server.url .. "/v1", endpoints = ENDPOINTS, retry = { base = "1ms" } }
    assert.equal("/v1/users/a%2Fb%20c/history?page=%26", api.user_history("a/b c", "&").uri)
    assert.equal("PATCH", api.rename_user { id = 1, body = { name = "Ann" } }.method)
    local requests = {}
    for i = 1, 20 do requests[i] = { "user", i } end
    local results, failed = api.fetch_multiple(requests)
    assert.is_nil(failed)
    for i = 1, 20 do assert.equal("/v1/users/" .. i, results[i].uri) end
  end)

  it("fails with what it says", function()
    local api = api_client.new { base = server.url .. "/v1", endpoints = ENDPOINTS, retry = { attempts = 2, base = "1ms" } }
    assert.matches("answered 410: she has left$", failure(api.user, "gone").message)
    assert.same({ "http.status.503", 2 }, { failure(api.user, "busy").kind, failure(api.user, "busy").attempts })
  end)
end)

-- Many tasks, a server that answers, fails, hangs up or says nothing, calls that are given up: when all is over, all that
-- was taken has been given back.
describe("an API client in a commotion", function()
  local function answer_somehow(request)
    local n = @random.int(1, 6)
    if n == 1 then return json(500, {}) end
    if n == 2 then return "drop" end
    if n == 3 then return "" end
    return json(200, { path = request.target })
  end

  it("gives back every place, and answers what it was asked", function()
    local bulkhead = @bulkhead { max = 3, queue = 1000 }
    with(answer_somehow, { bulkhead = bulkhead, breaker = false, attempt_timeout = "5ms" }, function(api)
      local function call(id)
        local value, err = @try(@random.int(1, 3) == 1 and @(@timeout("4ms", api.user_history, id)) or @(api.user_history(id)))
        if value then assert.equal("/v1/users/" .. id .. "/history", value.path)
        else assert.is_true(err:is "http" or err:is "timeout", err.kind) end
      end
      for seed = 1, 3 do
        test.seed(seed, function()
          @map({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20 }, call)
        end)
      end
      assert.same({ 0, 0 }, { bulkhead:stats().in_use, bulkhead:stats().waiting })
    end)
  end)
end)

describe("an API client cancelled anywhere", function()
  it("leaves nothing behind", function()
    with(json(200, { id = 1 }), nil, function(api)
      api.user(1)
      local n = test.sweep(function()
        assert.same({ id = 1 }, api.user(1))
        api.fetch_multiple { { "user", 1 }, { "user", 2 } }
      end)
      assert.is_true(n >= 3)
    end)
  end)

  it("is used by two tasks at a time", function()
    with(function(request) return json(200, { path = request.target }) end, nil, function(api)
      local a, b = @all(@(api.user(1)), @(api.user(2)))
      assert.same({ "/v1/users/1", "/v1/users/2" }, { a.path, b.path })
    end)
  end)
end)

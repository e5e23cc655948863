-- docs/from-the-guide.md does what it says: its code, taken from it, against a real database, server, mail server and
-- folder. Only names of other machines and of folders are replaced, and pauses that would be real.
local app = require "spec.support.app"
local core = require "tusk.core"
local page = require "spec.support.page"
local program = require "spec.support.program"
local routes = require "spec.support.routes"
local smtp = require "spec.support.smtp"
local temp = require "spec.support.temp"
local test = require "tusk.test"

local PAGE = "docs/from-the-guide.md"

-- What the guide consists of, by its own headings and names.
local GUIDE = {
  { "Basic Async Operations", "fetch_user_data", "process_user_data" },
  { "Async Database Operations", "find_user", "find_users_by_ids", "create_user_with_profile" },
  { "Async HTTP Operations", "get", "post", "fetch_multiple_endpoints" },
  { "Async File Operations", "read_file", "write_file_atomic", "process_directory", "process_single_file", "process_content" },
  { "Async Stream Processing", "process_data_stream", "process_batch", "process_single_item", "generate_data_stream" },
  { "Async Background Tasks", "new", "worker_loop", "process_task", "enqueue_task", "shutdown" },
  { "Async Error Handling", "retry_with_backoff", "with_timeout", "with_circuit_breaker", "CircuitBreaker" },
  { "Async Performance Optimization", "with_connection_pool", "cached_operation", "batch_process", "rate_limited_operation",
    "RateLimiter" },
  { "Async Testing", "test_async_database_operations", "test_async_http_operations", "test_async_stream_processing",
    "test_async_error_handling" },
}

local sections = page.sections(PAGE)
local by_title, server, dir = {}, nil, nil
for _, section in ipairs(sections) do by_title[section.title] = section end

-- A text of the page, for the server and the folder of this spec.
local function here(text)
  if server then text = text:gsub("https://api%.example%.com", server.url):gsub("retry = true", 'retry = { base = "1ms" }') end
  return (text:gsub('base = "1s"', 'base = "1ms"'):gsub('"inbox"', ("%q"):format(dir)):gsub('"reports/', '"' .. dir .. "/")
    :gsub('"data/', '"' .. dir .. "/"))
end

-- The module that a section is.
local function module(title)
  return assert(load(here(by_title[title].code), "@" .. PAGE))()
end

-- Within a describe: there is a server, and its routes are empty. It holds a virtual clock, so not everywhere.
local function served()
  setup(function() server = routes.start {} end)
  before_each(function() server.routes, server.requests = {}, {} end)
  teardown(function()
    server:stop()
    server = nil
  end)
end

local function failure(fn, ...)
  local v, e = @try(fn, ...)
  assert.is_nil(v)
  return assert(e)
end

setup(function()
  dir = temp.new()
  rawset(core.env, "API_TOKEN", "a-token-of-the-spec")
end)

teardown(function()
  temp.remove(dir)
  rawset(core.env, "API_TOKEN", nil)
end)

local SCHEMA = [[
  create table users (id integer primary key, name text not null, visits integer not null default 0);
  create table profiles (user_id integer not null references users (id), bio text not null);
  create table events (name text not null, user_id integer not null);
  create table data (id integer primary key, content text);
  create table processed_data (id integer primary key, content text);
  create table items (id integer primary key, data text, processed_at real);
  insert into users (name) values ('Ann'), ('Bob'), ('Cleo');
  insert into data values (5, ' a ' || char(10, 10) || ' b ');
]]

before_each(function()
  @cache.clear()
  @db.exec(SCHEMA)
end)

after_each(function()
  for _, name in ipairs { "profiles", "events", "data", "processed_data", "items", "users" } do @db.exec("drop table " .. name) end
end)

describe("the page", function()
  it("has every heading of the guide, and everything below it, in its order", function()
    for i, wanted in ipairs(GUIDE) do
      local section = sections[i]
      assert.same(wanted, { section.title, unpack(section.constructs) })
    end
    assert.equal(#GUIDE, #sections)
  end)

  it("has code for each", function()
    for _, section in ipairs(sections) do
      local code = section.code .. (section.files["spec/guide_spec.lua"] or "")
      local functions = select(2, code:gsub("\nfunction [%w_.]+%(", "")) + select(2, code:gsub("\nit%(", ""))
      assert.is_true(functions >= #section.constructs, section.title)
    end
  end)

  it("names only specs and pages that there are", function()
    local defects, n = temp.read("spec/guide_defects_spec.lua"), 0
    for _, section in ipairs(sections) do
      for names in section.text:gsub("%s+", " "):gmatch("Specs?: ([^.]+)%.") do
        for name in names:gmatch("%*([^*]+)%*") do
          n = n + 1
          assert.truthy(defects:find(('("%s"'):format(name), 1, true), name)
        end
      end
    end
    assert.is_true(n >= 20)
    for target in temp.read(PAGE):gmatch("%]%(([^)#]+)[^)]*%)") do assert.is_true(@file.exists("docs/" .. target), target) end
  end)
end)

describe("Basic Async Operations", function()
  served()
  local basic

  before_each(function() basic = module "Basic Async Operations" end)

  it("fetches a user, and says when there is none", function()
    server.routes["GET /users/1"] = { id = 1, name = "Ann" }
    assert.same({ id = 1, name = "Ann" }, basic.fetch_user_data(1))
    assert.equal("http.status.404", failure(basic.fetch_user_data, 2).kind)
  end)

  it("processes a user: both changes, or none", function()
    server.routes["GET /users/1/history"] = { "came", "went" }
    @cache.set("user_prefs:1", { colour = "blue" })
    local result = basic.process_user_data(1)
    assert.same({ id = 1, name = "Ann", visits = 2 }, result.user)
    assert.same({ colour = "blue" }, result.preferences)
    assert.same({ { name = "user_processed", user_id = 1 } }, @db.events.all())
    @all(@(basic.process_user_data(1)), @(basic.process_user_data(1)))
    assert.equal(6, @db.users.find(1).visits)
    server.routes["GET /users/99/history"] = { "never" }
    assert.is_nil(basic.process_user_data(99))
    @db.exec "create trigger full before insert on events begin select raise(abort, 'no room'); end"
    assert.equal("db.constraint", failure(basic.process_user_data, 1).kind)
    assert.equal(6, @db.users.find(1).visits)
  end)
end)

describe("Async Database Operations", function()
  local users

  before_each(function() users = module "Async Database Operations" end)

  it("finds one, asks once, and finds none where there is none", function()
    assert.equal("Ann", users.find_user(1).name)
    local loads = @cache.stats().loads
    assert.equal("Ann", users.find_user(1).name)
    assert.equal(loads, @cache.stats().loads)
    assert.is_nil(users.find_user(99))
  end)

  it("finds many, each in its place", function()
    local found = users.find_users_by_ids { 3, 99, 1 }
    assert.same({ 3, "Cleo", "nil", "Ann" }, { found.n, found[1].name, tostring(found[2]), found[3].name })
  end)

  it("creates user and profile, or neither, and keeps what is stored", function()
    local created = users.create_user_with_profile({ name = "Dora" }, { bio = "explores" })
    assert.same(created, @cache.get("user:" .. created.id))
    assert.same(@db.users.find(created.id), users.find_user(created.id))
    assert.same({ { user_id = created.id, bio = "explores" } }, @db.profiles.all())
    assert.equal("db.constraint", failure(users.create_user_with_profile, { name = "Eve" }, {}).kind)
    assert.equal(0, @db.users.count { name = "Eve" })
    assert.is_nil(@cache.get("user:" .. created.id + 1))
  end)
end)

-- fails "n" times with a status, then gives the value
local function failing(n, status, value)
  return function()
    n = n - 1
    if n >= 0 then return status end
    return value
  end
end

describe("Async HTTP Operations", function()
  served()
  local api

  before_each(function() api = module "Async HTTP Operations" end)

  it("gets, with its token, and again when the server fails", function()
    server.routes["GET /test"] = failing(2, 503, { ok = true })
    assert.same({ ok = true }, api.get("/test"))
    assert.equal(3, #server.requests)
    assert.equal("Bearer a-token-of-the-spec", server.requests[3].header "authorization")
  end)

  it("raises what can be told apart", function()
    server.routes["GET /test"] = function() return 503 end
    local e = failure(api.get, "/test")
    assert.same({ "http.status.503", 503, 3 }, { e.kind, e.status, #server.requests })
  end)

  it("posts once, however often it is sent", function()
    local lost = true
    server.routes["POST /orders"] = function()
      if not lost then return 201, { id = 7 } end
      lost = false
      return false
    end
    assert.same({ id = 7 }, api.post("/orders", { item = 1 }))
    local first, second = server.requests[1], server.requests[2]
    assert.equal(first.header "idempotency-key", second.header "idempotency-key")
    assert.same({ item = 1 }, @json.decode(second.body))
    api.post("/orders", { item = 1 })
    assert.not_equal(first.header "idempotency-key", server.requests[3].header "idempotency-key")
  end)

  it("fetches several, and tells which failed", function()
    server.routes["GET /a"], server.routes["GET /c"] = { n = 1 }, { n = 3 }
    local outcomes = api.fetch_multiple_endpoints { "/a", "/b", "/c" }
    assert.same({ 1, 3 }, { outcomes[1].value.n, outcomes[3].value.n })
    assert.same({ "/b", "http.status.404" }, { outcomes[2].path, outcomes[2].err.kind })
  end)
end)

describe("Async File Operations", function()
  local files, folder

  before_each(function()
    folder = dir .. "/files"
    @file.mkdir(folder)
    files = module "Async File Operations"
  end)

  after_each(function() @file.remove(folder, { recursive = true }) end)

  it("reads and writes beneath its folder, and nowhere else", function()
    files.write_file_atomic("files/a.txt", "hello")
    assert.equal("hello", files.read_file("files/a.txt"))
    assert.same({ "a.txt" }, temp.list(folder))
    assert.equal("file.escape", failure(files.read_file, "../../etc/passwd").kind)
    assert.equal("file.escape", failure(files.write_file_atomic, "../out", "x").kind)
  end)

  it("processes a folder, and tells which files it could not", function()
    temp.write(folder .. "/a", "  one \n\n two\n")
    temp.write(folder .. "/c", "three")
    @file.mkdir(folder .. "/folder")
    local huge = io.open(folder .. "/b", "wb")
    huge:seek("set", 70 * 2 ^ 20) -- a hole, and more than read takes
    huge:write("x")
    huge:close()
    local done, failed = files.process_directory("files")
    assert.same({ "files/a", "one\ntwo", 13 }, { done[1].path, done[1].content, done[1].size })
    assert.same({ "files/c", "three", 5, @file.metadata(folder .. "/c").modified },
      { done[2].path, done[2].content, done[2].size, done[2].modified })
    assert.same({ 2, 1, "files/b", "file.too_large" }, { #done, #failed, failed[1].path, failed[1].err.kind })
  end)
end)

-- 250 events, a page of a hundred at a time.
local function page_of_events(request)
  local offset = tonumber(request.target:match("offset=(%d+)"))
  local events = require("tusk").array {}
  for i = 1, math.min(100, 250 - offset) do events[i] = { id = offset + i, raw = "x" .. offset + i } end
  return events
end

describe("Async Stream Processing", function()
  served()
  local streams

  before_each(function()
    streams = module "Async Stream Processing"
    server.routes["GET /enrich"] = function(request)
      local name = request.target:match("q=(%w*)")
      return { name = name, score = name == "wrong" and "high" or nil }
    end
  end)

  local function items(...)
    local list = {}
    for i, raw in ipairs { ... } do list[i] = { id = i, raw = raw } end
    return list
  end

  it("enriches, validates, stamps, in order, and says what failed in its place", function()
    test.clock({ at = 1000, by_hand = true }, function()
      local done = streams.process_data_stream(@stream(items("a", "wrong", "c")))
      assert.same({ id = 1, data = { name = "a", score = 0 }, processed_at = 1000 }, done[1])
      assert.same({ 2, "validation", "/score" }, { done[2].id, done[2].err.kind, done[2].err.errors[1].path })
      assert.same({ id = 3, data = { name = "c", score = 0 }, processed_at = 1000 }, done[3])
    end)
  end)

  it("processes batches, and asks once for what comes twice", function()
    local batch = items("a", "b")
    batch[3] = batch[1]
    local batches = @stream(batch):chunks(2):map(streams.process_batch):collect()
    assert.same({ 2, 1, "a", "b", "a" }, { #batches[1], #batches[2], batches[1][1].data.name, batches[1][2].data.name,
      batches[2][1].data.name })
    assert.equal(2, #server.requests)
  end)

  it("generates a stream page by page, and does not take a failure for its end", function()
    server.routes["GET /data/events"] = page_of_events
    local ids = streams.generate_data_stream("events"):map(function(item) return item.id end):collect()
    assert.same({ 250, 250, 4 }, { #ids, ids[250], #server.requests })
    local good = server.routes["GET /data/events"]
    server.routes["GET /data/events"] = function(request)
      if request.target:find("offset=100", 1, true) then return 500 end
      return good(request)
    end
    local came = 0
    local e = failure(function()
      for _ in streams.generate_data_stream("events") do came = came + 1 end
    end)
    assert.same({ "http.status.500", 100 }, { e.kind, came })
  end)
end)

describe("Async Background Tasks", function()
  local tasks

  before_each(function() tasks = module "Async Background Tasks" end)

  it("does all kinds, keeps what failed, and does all that waits before it ends", function()
    smtp.with("plain", nil, function(mail)
      local client = @email.client { url = mail.url, from = "shop@example.com" }
      test.fake("email", { send = client.send }, function()
        @scope(function()
          local pool = tasks.new(2)
          tasks.enqueue_task(pool, { kind = "email", to = "bob@example.com", subject = "Hello", body = "Hi." })
          tasks.enqueue_task(pool, { kind = "data", id = 5 })
          tasks.enqueue_task(pool, { kind = "data", id = 6 })
          tasks.enqueue_task(pool, { kind = "report", id = "weekly" })
          tasks.shutdown(pool)
          assert.same({ 1, 6 }, { #pool.failed, pool.failed[1].task.id })
          assert.equal("closed", failure(tasks.enqueue_task, pool, { kind = "data", id = 5 }).kind)
        end)
      end)
      client.close()
      assert.equal("Hi.\r\n", mail:message().parts[1].text)
    end)
    assert.equal("a\nb", @db.processed_data.find(5).content)
    assert.equal("Ann,0\nBob,0\nCleo,0\n", temp.read(dir .. "/weekly.csv"))
  end)

  it("tries again what a mail server puts off", function()
    local sent = 0
    test.fake("email", { send = function()
      sent = sent + 1
      if sent < 3 then error { kind = "email.temporary", retryable = true } end
    end }, tasks.process_task, { kind = "email" })
    assert.equal(3, sent)
  end)

  it("keeps who brings more than a hundred waiting", function()
    @scope(function(s)
      local pool = tasks.new(0)
      for i = 1, 100 do tasks.enqueue_task(pool, { id = i }) end
      local waits = s:spawn(tasks.enqueue_task, pool, { id = 101 })
      assert.equal("parked", waits.state)
      waits:cancel()
    end)
  end)
end)

describe("Async Error Handling", function()
  local handler

  -- it, on the virtual clock, with a breaker that was made on it.
  local function timed(name, fn)
    it(name, function()
      test.clock(function()
        handler = module "Async Error Handling"
        fn()
      end)
    end)
  end

  timed("tries again as often as told, and never what is a mistake", function()
    local n = 0
    local function fails_as(e)
      return function()
        n = n + 1
        error(e, 0)
      end
    end
    failure(handler.retry_with_backoff, fails_as { retryable = true }, 4)
    assert.equal(4, n)
    failure(handler.retry_with_backoff, fails_as "a mistake", 4)
    assert.equal(5, n)
  end)

  timed("gives up in time", function()
    local e = failure(handler.with_timeout, @(@sleep("1h")), "2s")
    assert.same({ "timeout", 2, 2 }, { e.kind, e.after, test.now() })
    assert.equal(7, handler.with_timeout(@(7), "2s"))
  end)

  timed("breaks, and lets one look whether all is well again", function()
    for _ = 1, 4 do failure(handler.with_circuit_breaker, @(error { kind = "http.connect" })) end
    assert.is_true(handler.is_open())
    assert.equal("breaker_open", failure(handler.with_circuit_breaker, @(1)).kind)
    @sleep("5s")
    assert.equal(2, handler.with_circuit_breaker(@(2)))
    assert.is_false(handler.is_open())
  end)
end)

describe("Async Performance Optimization", function()
  local optimizer

  before_each(function() optimizer = module "Async Performance Optimization" end)

  it("hands over a connection, and uses it again", function()
    local first
    optimizer.with_connection_pool(function(db)
      first = db
      db.exec "create table if not exists t (x)"
    end)
    assert.is_true(optimizer.with_connection_pool(function(db) return db == first and db.t.count() == 0 end))
    first.close()
  end)

  it("keeps what an operation gave", function()
    local n = 0
    for _ = 1, 3 do
      optimizer.cached_operation("guide:sum", "1m", function()
        n = n + 1
        return n
      end)
    end
    assert.equal(1, n)
  end)

  it("processes four batches at a time, and gives results in order", function()
    test.clock(function()
      local list = {}
      for i = 1, 40 do list[i] = i end
      local results = optimizer.batch_process(list, 5, function(batch)
        @sleep("1s")
        return batch
      end)
      assert.same(list, results)
      assert.equal(2, test.now())
    end)
  end)

  it("limits a rate that is no whole number", function()
    test.clock(function()
      optimizer = module "Async Performance Optimization"
      for i = 1, 15 do
        if i % 2 == 0 then optimizer.acquire() else assert.equal(i, optimizer.rate_limited_operation(@(i))) end
      end
      assert.is_near(4, test.now(), 1e-6) -- five at once, ten more at 2.5 a second
    end)
  end)
end)

describe("Async Testing", function()
  served()

  it("passes, with the modules of the page", function()
    server.routes["GET /test"] = { fine = true }
    server.routes["GET /enrich"] = function(request) return { name = request.target:match("q=(%w+)") } end
    local written = { ["main.lua"] = "", ["spec/guide_spec.lua"] = by_title["Async Testing"].files["spec/guide_spec.lua"] }
    for name, title in pairs { api = "Async HTTP Operations", handler = "Async Error Handling",
      streams = "Async Stream Processing", users = "Async Database Operations" } do
      written[("lib/%s.lua"):format(name)] = here(by_title[title].code)
    end
    app.with(written, function(folder)
      local r = program.run({ "test", folder }, { env = { API_TOKEN = "a-token-of-the-spec" } })
      assert(r.status == 0, r.stdout .. r.stderr)
      assert.matches("\n4 passed, 0 failed, 0 skipped\n$", r.stdout)
    end)
  end)
end)

describe("with plugins,", function()
  served()

  local mail

  -- What the section's program prints, in a folder of its own.
  local function printed(section)
    local written = { ["migrations/001_guide.sql"] = SCHEMA }
    for name, text in pairs(section.files) do
      written[name] = text:gsub("https://api%.example%.com", server.url):gsub("smtp://mail%.example%.com", mail and mail.url or "%0")
    end
    local out
    app.with(written, function(folder)
      local leaks = temp.write(folder .. "/known_leaks", "leak:libfontconfig\nleak:libcairo\n") -- what they keep for good
      local r = program.run({ "run", "." }, { cwd = folder, env = { API_TOKEN = "a-token-of-the-spec",
        LSAN_OPTIONS = "print_suppressions=0:suppressions=" .. leaks } })
      assert.equal(0, r.status, r.stderr)
      out = r.stdout
    end)
    return out
  end

  before_each(function()
    server.routes = {
      ["GET /users/1"] = { name = "Ann" }, ["GET /users/1/history"] = { "came", "went" },
      ["POST /orders"] = function() return 201, { id = 7 } end,
      ["GET /data/events"] = page_of_events,
      ["GET /enrich"] = function(request)
        local raw = request.target:match("q=(%w+)")
        return { name = raw ~= "x77" and raw or nil, raw = raw }
      end,
    }
  end)

  local made = 0
  for _, section in ipairs(sections) do
    if section.files["main.lua"] then
      made = made + 1
      it(section.title .. " prints what the page says", function()
        if section.files["tusk.lua"]:find("smtp:", 1, true) then mail = smtp.start "plain" end
        local ok, out = pcall(printed, section)
        local letter = ok and mail and mail:message()
        if mail then mail:stop() end
        mail = nil
        if not ok then error(out, 0) end
        assert.equal(section.output, out)
        if letter then assert.equal("Hi.\r\n", letter.parts[1].text) end
      end)
    end
  end

  it("there are six of them", function() assert.equal(6, made) end)
end)

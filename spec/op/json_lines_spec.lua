-- @json.lines: values out of lines, whatever these come from.
local null = require "tusk.null"
local temp = require "spec.support.temp"

local function failure(fn, ...)
  local v, e = @try(fn, ...)
  assert.is_nil(v)
  return e
end

local function iterator(lines)
  local i = 0
  return function()
    i = i + 1
    return lines[i]
  end
end

-- fn(folder) in a private folder.
local function in_folder(fn)
  return function() temp.dir(fn) end
end

local function all(values)
  local list = {}
  for v in values do list[#list + 1] = v end
  return list
end

describe("@json.lines", function()
  it("reads a value from each line that is not blank", function()
    assert.same({ { a = 1 }, 2, null, false }, all(@json.lines(iterator { '{"a":1}', "", " \t", "2\r", "null", "false" })))
  end)

  it("reads a text, whose last line need not be ended", function()
    assert.same({ { 1 }, 2, 3 }, all(@json.lines "[1]\n2\r\n\n3"))
    assert.same({}, all(@json.lines ""))
    assert.same({ 1 }, all(@json.lines "\239\187\1911\n"))
  end)

  it("reads the lines of a file, and closes it", in_folder(function(folder)
    local path = folder .. "/events.jsonl"
    @file.write(path, '{"id": 9007199254740993}\n{"id": 2, "tags": []}\n')
    local source = @file.lines(path)
    local list = all(@json.lines(source))
    assert.is_true(list[1].id == 9007199254740993LL)
    assert.equal(2, list[2].id)
    assert.is_nil(source())
  end))

  it("reads what a stream takes: lists, channels, streams", function()
    assert.same({ 1, 2 }, all(@json.lines { "1", "2" }))
    assert.same({ 2, 4 }, all(@json.lines(@stream({ "1", "2" }):map(function(s) return tostring(tonumber(s) * 2) end))))
    @scope(function(s)
      local ch = s:channel()
      s:spawn(function()
        for i = 1, 3 do ch:send("[" .. i .. "]") end
        ch:close()
      end)
      assert.same({ { 1 }, { 2 }, { 3 } }, all(@json.lines(ch)))
    end)
  end)

  it("reads an answer while it arrives, and says in which line it breaks", function()
    local raw_server = require "spec.support.raw_server"
    local body = '{"n":1}\n{"n":2}\n\n{"n":'
    raw_server.saying(raw_server.response(200, { "Content-Type: application/x-ndjson" }, body), function(server)
      for _, stream in ipairs { true, false } do
        local values = @json.lines(@http.get(server.url, { stream = stream }))
        assert.same({ { n = 1 }, { n = 2 } }, { values(), values() })
        local e = failure(values)
        assert.same({ "json.syntax", 4, 6 }, { e.kind, e.line, e.column })
        values:close()
      end
    end)
  end)

  it("is a stream itself", function()
    assert.same({ 2, 4 }, @json.lines("1\n2"):map(function(n) return n * 2 end):collect())
    assert.same({ { 1, 2 }, { 3 } }, @stream(@json.lines "1\n2\n3"):chunks(2):collect())
  end)

  it("says in which line and column something is wrong, and of which file", in_folder(function(folder)
    local path = folder .. "/x.jsonl"
    @file.write(path, '1\n\n{"é": nul}\n')
    local values = @json.lines(@file.lines(path))
    assert.equal(1, values())
    local e = failure(values)
    assert.same({ "json.syntax", 3, 7, path }, { e.kind, e.line, e.column, e.path })
    assert.truthy(e.message:find('invalid JSON in "' .. path .. '" at line 3, column 7: ', 1, true), e.message)
  end))

  it("goes on with the next line when it is asked to", function()
    local values = @json.lines "1\n{\n2"
    assert.equal(1, values())
    assert.equal(2, failure(values).line)
    assert.equal(2, values())
    assert.is_nil(values())
  end)

  it("passes over what is wrong, or tells a function of it", function()
    assert.same({ 1, 2, 3 }, all(@json.lines("1\n{\n2\n[[1]]\nx\n3", { on_error = "skip", depth = 1 })))
    local seen = {}
    local values = @json.lines("x\n1\n[[1]]", { depth = 1, on_error = function(err) seen[#seen + 1] = err.line .. err.kind end })
    assert.same({ 1 }, all(values))
    assert.same({ "1json.syntax", "3json.depth" }, seen)
    assert.equal("json.syntax", failure(@json.lines("x", { on_error = "raise" })).kind)
  end)

  it("does not take what the source fails with for a wrong line", function()
    local values = @json.lines(function() error("broken") end, { on_error = "skip" })
    assert.matches("broken", failure(values).message)
  end)

  it("keeps null in objects when asked to", function()
    assert.same({ { a = null } }, all(@json.lines('{"a":null}', { nulls = true })))
    assert.same({ {} }, all(@json.lines '{"a":null}'))
  end)

  it("bounds how long a line may be, and how deep", function()
    for _, source in ipairs { "1\n" .. ("2"):rep(11) .. "\n3", iterator { "1", ("2"):rep(11) } } do
      local values = @json.lines(source, { max = 10 })
      assert.equal(1, values())
      local e = failure(values)
      assert.same({ "json.too_large", 2, 10 }, { e.kind, e.line, e.limit })
    end
    assert.equal("json.depth", failure(@json.lines("[[1]]", { depth = 1 })).kind)
  end)

  it("closes its source once, at the end or before", function()
    local closed = 0
    local function source()
      local next_line = iterator { "1", "2" }
      return setmetatable({ close = function() closed = closed + 1 end }, { __call = function() return next_line() end })
    end
    local values = @json.lines(source())
    assert.same({ 1, 2 }, all(values))
    assert.equal(1, closed)
    assert.is_nil(values())
    values:close()
    assert.equal(1, closed)
    values = @json.lines(source())
    assert.equal(1, values())
    values:close()
    assert.equal(2, closed)
    assert.is_nil(values())
    assert.equal(1, @json.lines(source()):first())
    assert.equal(3, closed)
  end)

  it("is cancelled where its source waits, and loses nothing", function()
    @scope(function(s)
      local ch = s:channel()
      local values = @json.lines(ch.recv and function() return (ch:recv()) end)
      assert.equal("timeout", failure(@timeout, 0, values).kind)
      s:spawn(function() ch:send "[7]" end)
      assert.same({ 7 }, values())
    end)
  end)

  it("serves two tasks side by side", function()
    local function sum(text)
      return @json.lines(text):map(function(n)
        @yield()
        return n
      end):fold(function(total, n) return total + n end, 0)
    end
    local a, b = @async(sum, "1\n2\n3"), @async(sum, "10\n20")
    assert.same({ 6, 30 }, { a:await(), b:await() })
  end)

  it("reads any number of lines in bounded memory", function()
    local made = 0
    local function source()
      made = made + 1
      if made <= 50000 then return '{"id": ' .. made .. ', "name": "somebody"}' end
    end
    collectgarbage()
    local before, most, count = collectgarbage "count", 0, 0
    for _ in @json.lines(source) do
      count = count + 1
      if count % 5000 == 0 then
        collectgarbage()
        most = math.max(most, collectgarbage "count" - before)
      end
    end
    assert.equal(50000, count)
    assert.is_true(most < 512, most .. " KiB")
  end)

  it("refuses misuse", function()
    assert.truthy(failure(@json.lines, "data/events.jsonl").message:find("those of a file are @file.lines(path)", 1, true))
    assert.truthy(failure(@json.lines, 5).message:find("source: ", 1, true))
    assert.truthy(failure(@json.lines).message:find("source: ", 1, true))
    assert.truthy(failure(@json.lines, "1", { dept = 1 }).message:find('did you mean "depth"', 1, true))
    assert.truthy(failure(@json.lines, "1", { on_error = "skp" }).message:find('did you mean "skip"', 1, true))
    assert.equal("argument", failure(@json.lines, "1", { max = "1 pound" }).kind)
    assert.equal("argument", failure(@json.lines, "1", { depth = 1001 }).kind)
    local values = @json.lines { "1", 2 }
    assert.equal(1, values())
    assert.truthy(failure(values).message:find("source: line 2 is a number, not a string", 1, true))
    local json = @json
    assert.truthy(failure(json.lines, json, "1").message:find("with a dot", 1, true))
  end)
end)

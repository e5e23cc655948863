-- @date: times as Unix seconds, always UTC.
local function failure(fn, ...)
  local v, e = @try(fn, ...)
  assert.is_nil(v)
  return e
end

describe("@date", function()
  it("now() is the time of day", function()
    local before, now, after = os.time(), @date.now(), os.time()
    assert.is_true(now > before - 1 and now < after + 2)
  end)

  it("clock() never goes back", function()
    local last = @date.clock()
    for _ = 1, 100 do
      local next_one = @date.clock()
      assert.is_true(next_one >= last)
      last = next_one
    end
  end)

  it("clock() goes on while a task sleeps", function()
    local before = @date.clock()
    @sleep("5ms")
    assert.is_true(@date.clock() > before)
  end)

  it("formats as RFC 3339 in UTC, with milliseconds only when there are some", function()
    assert.equal("1970-01-01T00:00:00Z", @date.format(0))
    assert.equal("2024-02-29T12:34:56.789Z", @date.format(1709210096.789))
    assert.equal("1969-12-31T23:59:59.500Z", @date.format(-0.5))
    assert.equal("2000-01-01T00:00:00Z", @date.format(946684799.9999))
    assert.equal("9999-12-31T23:59:59Z", @date.format(253402300799))
  end)

  it("formats by a pattern", function()
    assert.equal("29.02.2024 12:34 Thu 100% .789", @date.format(1709210096.789, "%d.%m.%Y %H:%M %a 100%% .%L"))
    assert.equal("", @date.format(0, ""))
  end)

  it("parses what RFC 3339 allows", function()
    for text, t in pairs {
      ["1970-01-01T00:00:00Z"] = 0, ["2024-02-29t12:34:56z"] = 1709210096, ["2024-02-29 12:34:56Z"] = 1709210096,
      ["2024-02-29T14:34:56.5+02:00"] = 1709210096.5, ["2024-02-29T07:04:56-05:30"] = 1709210096,
      ["1969-12-31T23:59:59Z"] = -1, ["2016-12-31T23:59:60Z"] = 1483228800, ["2024-02-29"] = 1709164800,
    } do
      assert.equal(t, @date.parse(text))
    end
  end)

  it("raises date.syntax for anything else", function()
    for _, text in ipairs {
      "", "yesterday", "2024-2-29", "2023-02-29", "2024-13-01", "2024-00-01", "2024-01-00", "2024-01-01T24:00:00Z",
      "2024-01-01T00:60:00Z", "2024-01-01T00:00:61Z", "2024-01-01T00:00:00", "2024-01-01T00:00Z",
      "2024-01-01T00:00:00.Z", "2024-01-01T00:00:00+0200", "2024-01-01T00:00:00+24:00", "2024-01-01T00:00:00Zx",
    } do
      local e = failure(@date.parse, text)
      assert.equal("date.syntax", e.kind)
      assert.equal(text, e.value)
    end
  end)

  it("parses what it has formatted, over ten thousand years", function()
    math.randomseed(5)
    for _ = 1, 3000 do
      local t = math.random(-62167219200, 253402300799)
      assert.equal(t, @date.parse(@date.format(t)))
    end
  end)

  it("agrees with the system's calendar", function()
    for t = -2000000000, 4000000000, 86399 * 367 do
      assert.equal(os.date("!%Y-%m-%dT%H:%M:%SZ", t), @date.format(t))
    end
  end)

  it("adds and takes away durations", function()
    assert.equal(5400, @date.add(0, "1h30m"))
    assert.equal(-86400, @date.add(0, "-1d"))
    assert.equal(0.5, @date.add(1, -0.5))
  end)

  it("makes a time from its parts", function()
    assert.equal(1709210096.5, @date.utc { year = 2024, month = 2, day = 29, hour = 12, min = 34, sec = 56.5 })
    assert.equal(1704067200, @date.utc { year = 2024 })
  end)

  it("refuses misuse", function()
    for _, case in ipairs {
      { @date.format, "now" }, { @date.format, 0 / 0 }, { @date.format, 1e15 }, { @date.format, 0, "%Q" },
      { @date.format, 0, "100%" }, { @date.parse, 5 }, { @date.add, 0, "soon" }, { @date.add, 0 },
      { @date.utc, {} }, { @date.utc, { year = 2023, month = 2, day = 29 } }, { @date.utc, { year = 2023, mounth = 2 } },
      { @date.utc, { year = 2023.5 } },
    } do
      assert.equal("argument", failure(unpack(case)).kind)
    end
  end)
end)

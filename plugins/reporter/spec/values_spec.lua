-- Values as people read them, axes at round numbers, text that fits.
local numbers = require "tusk.plugins.reporter.numbers"
local scale = require "tusk.plugins.reporter.scale"
local text = require "tusk.plugins.reporter.text"

local ENGLISH, FRENCH = { thousands = ",", decimal = "." }, { thousands = "\194\160", decimal = "," }

describe("a value", function()
  for _, case in ipairs {
    { 0, {}, "0" }, { -0.001, { decimals = 1 }, "0.0" }, { 999, {}, "999" }, { 1000, {}, "1,000" }, { -1234567.891, {}, "−1,234,567.89" },
    { 2 ^ 53, {}, "9,007,199,254,740,992" }, { 9223372036854775807LL, {}, "9,223,372,036,854,775,807" }, { 0.1 + 0.2, {}, "0.3" },
    { 12.6, { format = "integer" }, "13" }, { 1 / 0, {}, "∞" }, { 0 / 0, {}, "–" }, { 0.1234, { format = "percent" }, "12.3 %" },
    { -5, { prefix = "€ ", decimals = 2 }, "−€ 5.00" }, { 5, { suffix = " kg" }, "5 kg" }, { 1.7e9, { format = "date" }, "2023-11-14" },
    { "2024-02-29", { format = "month" }, "Feb 2024" }, { "2024-02-29 12:30:00", { format = "datetime" }, "2024-02-29 12:30" },
    { "soon", { format = "date" }, "soon" }, { 59, { format = "duration" }, "59 s" }, { 61.2, { format = "duration" }, "1:01 min" },
    { 7322, { format = "duration" }, "2:02 h" }, { 1536, { format = "size" }, "1.5 KiB" }, { 500, { format = "size" }, "500 B" },
    { true, {}, "yes" }, { "1e3", { format = "number" }, "1e3" }, { 1234.5, { format = "text" }, "1234.5" },
  } do
    it(("%s is shown as %s"):format(tostring(case[1]), case[3]), function()
      assert.equal(case[3], numbers.show(case[1], case[2], ENGLISH))
    end)
  end

  it("that is none is shown as nothing, and numbers as elsewhere if so wanted", function()
    assert.equal("", numbers.show(nil, {}, ENGLISH))
    assert.equal("1\194\160234\194\160567,5", numbers.show(1234567.5, {}, FRENCH))
  end)
end)

describe("an axis", function()
  it("holds all, in steps of 1, 2 or 5, beginning and ending with one", function()
    for _ = 1, 500 do
      local a, b = @random.int(-1e6, 1e6), (@random.int(-1e6, 1e6) / 1e5) ^ 5
      local low, high = math.min(a, b), math.max(a, b)
      local axis = scale.nice(low, high, 5)
      local little = axis.step * 1e-6
      assert.is_true(axis.low <= low + little and axis.high >= high - little)
      local digits = axis.step / 10 ^ math.floor(math.log10(axis.step) + 1e-9)
      assert.is_true(math.abs(digits - 1) < 1e-6 or math.abs(digits - 2) < 1e-6 or math.abs(digits - 5) < 1e-6, digits)
      assert.is_true(#axis.ticks >= 3 and #axis.ticks <= 8, #axis.ticks)
    end
  end)

  it("of one value, or none, is one all the same", function()
    assert.same({ 0, 1 }, { scale.nice(0, 0, 4).low, scale.nice(0, 0, 4).high })
    assert.same({ 0, 7 }, { scale.nice(7, 7, 4).low, math.min(7, scale.nice(7, 7, 4).high) })
    assert.equal(0, scale.nice(-3, -3, 4).high)
  end)

  it("is labelled in one unit, with as many decimals as its steps have", function()
    local function labels(low, high, spec) return table.concat(scale.labels(scale.nice(low, high, 4), spec or {}, ENGLISH), " ") end
    assert.equal("0.0 0.5 1.0 1.5 2.0", (labels(0, 1.9):gsub("^0 ", "0.0 ")))
    assert.equal("0 2,000 4,000 6,000 8,000", labels(0, 7800))
    assert.equal("0 20 k 40 k 60 k 80 k", labels(0, 78000))
    assert.equal("€ 0 € 0.5 M € 1.0 M € 1.5 M € 2.0 M", labels(0, 2e6, { prefix = "€ " }))
    assert.equal("40 % 42 % 44 % 46 %", labels(0.405, 0.455, { format = "percent" }))
  end)
end)

describe("text", function()
  local function measure(s) return select(2, s:gsub("[^\128-\191]", "")) end

  it("is wrapped at spaces, a word that is too long anywhere; no character is lost", function()
    assert.same({ "one two", "three" }, text.wrap("one two three", 8, measure))
    assert.same({ "a", "", "b" }, text.wrap("a\n\nb", 8, measure))
    assert.same({ "ÄÖÜÄÖÜ", "ÄÖ x" }, text.wrap("ÄÖÜÄÖÜÄÖ x", 6, measure))
    assert.same({ "x", "y" }, text.wrap("xy", 0.5, measure))
  end)

  it("is measured once, however long a word is", function()
    local measured = 0
    local lines = text.wrap(("x"):rep(10000), 10, function(s)
      measured = measured + #s
      return measure(s)
    end)
    assert.same({ 1000, 1000 }, { #lines, #lines[1] * 100 })
    assert.is_true(measured <= 20001)
  end)

  it("is cut with dots where it has to be one line", function()
    assert.equal("abc", text.cut("abc", 3, measure))
    assert.equal("ab…", text.cut("abcd", 3, measure))
    assert.equal("a b", text.cut("a\nb", 3, measure))
  end)

  it("becomes UTF-8 without control characters, whatever it was", function()
    assert.equal("a\239\191\189b", text.clean("a\255b"))
    assert.equal("ab c\nd", text.clean("a\0b\tc\r\nd"))
    assert.equal("\239\191\189\239\191\189\239\191\189", text.clean("\237\160\128")) -- half of a surrogate pair
    for _ = 1, 200 do
      local bytes = text.clean(@random.bytes(40))
      assert.equal(bytes, text.clean(bytes))
    end
  end)
end)

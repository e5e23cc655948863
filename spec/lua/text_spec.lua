-- tusk.text: whole texts, beside plain Lua that does the same slowly.
local null = require("tusk").null
local text = require("tusk").text

-- ---- the same in plain Lua ----

local plain = {}

function plain.trim(s, side)
  if side == "start" then return (s:gsub("^%s+", "")) end
  if side == "end" then return s:match("^(.-)%s*$") end
  return s:match("^%s*(.-)%s*$")
end

local function shaped(piece, opts)
  if opts.trim then piece = plain.trim(piece, opts.trim) end
  if opts.drop_blanks and not piece:find("%S") then return nil end
  return piece
end

function plain.split(s, sep, opts)
  local list, at = {}, 1
  while true do
    local from, to = s:find(sep, at, true)
    if #list + 1 == opts.max then from = nil end
    list[#list + 1] = shaped(s:sub(at, from and from - 1), opts)
    if not from then return list end
    at = to + 1
  end
end

function plain.lines(s, opts)
  local list = {}
  for line in (s:sub(-1) == "\n" and s or s == "" and s or s .. "\n"):gmatch("([^\n]*)\n") do
    list[#list + 1] = shaped(line, opts)
  end
  return list
end

function plain.clean(s, opts)
  local list = plain.lines(s, opts)
  if not opts.ending then return table.concat(list, "\n") end
  for i, line in ipairs(list) do list[i] = line .. opts.ending end
  return table.concat(list)
end

function plain.replace(s, part, by)
  local n, at, out = 0, 1, {}
  for from, to in function() return s:find(part, at, true) end do
    out[#out + 1] = s:sub(at, from - 1) .. by
    n, at = n + 1, to + 1
  end
  return table.concat(out) .. s:sub(at), n
end

-- ---- random texts of few characters, so that everything occurs ----

local ALPHABET = { "a", "b", "\n", "\n", " ", "\t", "\r", "\0", "\v", "\f", "\195\160", "\194\160", ",", ", " }

local function some(list) return list[math.random(#list)] end

local function random_text(max)
  local parts = {}
  for i = 1, math.random(0, max) do parts[i] = some(ALPHABET) end
  return table.concat(parts)
end

local function random_opts()
  return { trim = some { false, true, "start", "end", "both" }, drop_blanks = some { false, true } }
end

local function bare(list) return setmetatable(list, nil) end

describe("tusk.text", function()
  it("agrees with plain Lua on any text", function()
    math.randomseed(11)
    for _ = 1, 4000 do
      local s, opts = random_text(30), random_opts()
      assert.same(plain.lines(s, opts), bare(text.lines(s, opts)))
      opts.ending = some { false, "\n", "", "\r\n", "\0--" } or nil
      assert.equal(plain.clean(s, opts), text.clean(s, opts))
      opts.ending, opts.max = nil, some { false, 1, 2, 3, 100 } or nil
      local sep = some { ",", ", ", "\n", "aa", "\0", "ab\n" }
      assert.same(plain.split(s, sep, opts), bare(text.split(s, sep, opts)))
      local side = some { "start", "end", "both" }
      assert.equal(plain.trim(s, side), text.trim(s, side))
      local by = some { "", "x", "%1", "longer than it" }
      local want, n = plain.replace(s, sep, by)
      assert.same({ want, n }, { text.replace(s, sep, by) })
      assert.equal(n, text.count(s, sep))
    end
  end)

  it("join undoes split", function()
    math.randomseed(12)
    for _ = 1, 500 do
      local s, sep = random_text(30), some { ",", "\n", "ab", "\0" }
      assert.equal(s, text.join(text.split(s, sep), sep))
    end
  end)

  for _, size in ipairs { 65535, 65536, 65537, 3000000 } do
    it(("works on %d bytes"):format(size), function()
      local s = (" a line of some length \n"):rep(math.ceil(size / 24)):sub(1, size)
      local all = { trim = true, drop_blanks = true }
      assert.is_true(text.clean(s) == plain.clean(s, all))
      assert.is_true(text.clean(s, { trim = false, ending = "\r\n" }) == plain.clean(s, { drop_blanks = true, ending = "\r\n" }))
      assert.is_true(text.replace(s, "line", "a longer word") == (s:gsub("line", "a longer word")))
      assert.equal(#plain.lines(s, all), #text.lines(s, all))
    end)
  end

  it("keeps up with the collection of large results", function()
    local live, s = {}, ("x"):rep(2000000)
    for i = 1, 50000 do live[i] = { i } end
    collectgarbage()
    collectgarbage()
    local before, most = collectgarbage("count"), 0
    for i = 1, 80 do
      assert.equal(2000000 + #tostring(i), #text.clean(s, { ending = tostring(i) })) -- none is like another
      most = math.max(most, collectgarbage("count") - before)
    end
    assert.is_true(most < before + 40 * 1024, most) -- it begins when what is there has doubled
    assert.equal(50000, #live)
  end)

  it("trims and cleans unless told otherwise", function()
    assert.equal("a \0b", text.trim("\r\n a \0b\t\v\f"))
    assert.equal("a\nb", text.clean("  a\r\n\t\r\n\r\nb  "))
    assert.equal("", text.clean(" \n \n"))
    assert.equal("\194\160x", text.trim(" \194\160x ")) -- a no-break space is no white space here
  end)

  it("lines: only \"\\n\" ends one, and the last needs none", function()
    assert.same({}, bare(text.lines("")))
    assert.same({ "" }, text.lines("\n"))
    assert.same({ "a\r", "", "b\rc" }, text.lines("a\r\n\nb\rc"))
    assert.same({ "a" }, text.lines("a\n"))
    assert.same({ "a" }, text.lines("a"))
  end)

  it("split: one piece more than separators, and at most max", function()
    assert.same({ "" }, text.split("", ","))
    assert.same({ "", "" }, text.split(",", ","))
    assert.same({ "k", "v=w" }, text.split("k=v=w", "=", { max = 2 }))
    assert.same({ "b", "c,," }, text.split(" , b, c,,", ",", { max = 2, trim = true, drop_blanks = true }))
  end)

  it("lists with nothing in them are arrays to JSON", function()
    assert.equal("[[],[]]", @json.encode { text.lines(""), text.split(" ", ",", { drop_blanks = true }) })
  end)

  it("join takes numbers too, and nothing between unless told", function()
    assert.equal("a1b", text.join { "a", 1, "b" })
    assert.equal("", text.join({}, ","))
  end)

  it("takes nothing for a pattern", function()
    assert.equal("a+b", (text.replace("a.b", ".", "+")))
    assert.equal("%0%1", (text.replace("x", "x", "%0%1")))
    assert.equal(0, text.count("abc", "%a"))
    assert.equal(1, text.count("aaa", "aa"))
  end)

  it("is loaded on first use", function()
    local pipe = io.popen(("'%s' -e '%s'"):format(require("luv").exepath(), [[
      local tusk = require "tusk"
      print(package.loaded["tusk.text"] == nil, tusk.text.trim " x ", package.loaded["tusk.text"] == tusk.text)
    ]]))
    local out = pipe:read("*a")
    pipe:close()
    assert.equal("true\tx\ttrue\n", out)
  end)

  describe("misuse is an argument error:", function()
    local cases = {
      ["no string"] = { function() text.trim(5) end, "s: string expected, got number 5" },
      ["nothing"] = { function() text.clean() end, "s: string expected, got nil" },
      ["a colon for a dot"] = { function() text:lines("x") end, "called with a colon; write text.lines(s) with a dot" },
      ["a side that is none"] = { function() text.trim("x", "strat") end, 'did you mean "start"?' },
      ["a trim that is none"] = { function() text.clean("x", { trim = 5 }) end, "trim: " },
      ["an unknown option"] = { function() text.lines("x", { drop_blank = true }) end, 'did you mean "drop_blanks"?' },
      ["an option of another"] = { function() text.clean("x", { max = 2 }) end, 'unknown option "max"' },
      ["a flag that is none"] = { function() text.lines("x", { drop_blanks = 1 }) end, "drop_blanks: boolean expected" },
      ["an ending that is no string"] = { function() text.clean("x", { ending = 1 }) end, "ending: string expected" },
      ["an empty separator"] = { function() text.split("x", "") end, "sep: an empty string is everywhere" },
      ["no separator"] = { function() text.split("x") end, "sep: string expected, got nil" },
      ["a max of nothing"] = { function() text.split("x", ",", { max = 0 }) end, "max: at least 1 is needed, got 0" },
      ["a max that is not whole"] = { function() text.split("x", ",", { max = 1.5 }) end, "max: integer expected" },
      ["an empty part"] = { function() text.count("x", "") end, "part: an empty string is everywhere" },
      ["a replacement that is no string"] = { function() text.replace("x", "x") end, "by: string expected, got nil" },
      ["no list"] = { function() text.join("x") end, "list: table expected" },
      ["a list of other things"] = { function() text.join { "a", null } end, "item 2: string expected" },
      ["a separator that is no string"] = { function() text.join({}, 5) end, "sep: string expected, got number 5" },
    }
    for name, case in pairs(cases) do
      it(name, function()
        local _, e = @try(case[1])
        assert.equal("argument", e.kind)
        assert.truthy(e.message:find(case[2], 1, true), e.message)
        assert.truthy(e.message:find("text_spec", 1, true) or e.site.file:find("text_spec", 1, true))
      end)
    end
  end)
end)

-- Reports: what is in them, read back by other programs; what fails, and what is left then.
local database = require "spec.support.database"
local drawing = require "spec.support.drawing"
local reporter = require "tusk.plugins.reporter"
local temp = require "spec.support.temp"
local test = require "tusk.test"
local uv = require "luv"

local function failure(fn, ...)
  local value, err = @try(fn, ...)
  assert.is_nil(value)
  return assert(err)
end

-- fn(reports, db, dir) with a table of sales, and a folder.
local function with(fn, settings)
  return function()
    database.with("memory", function(db)
      db.exec [[
        create table sales (id integer primary key, month text, product text, orders integer, revenue real);
        insert into sales (month, product, orders, revenue) values
          ('2025-01-01', 'Kaffee & Tee', 1200, 98765.5), ('2025-02-01', 'Ελλάδα', 7, -1234.25),
          ('2025-03-01', '=1+1', 1234567, 0), ('2025-04-01', '<b>x</b>', null, 12);
      ]]
      temp.dir(function(dir)
        local own = { db = db, dir = dir .. "/out" }
        for k, v in pairs(settings or {}) do own[k] = v end
        fn(reporter.new(own), db, dir)
      end)
    end)
  end
end

-- The text of a PDF's pages, as another program reads it.
local function pages_of(bytes)
  local r = @process.run({ "pdftotext", "-layout", "-", "-" }, { stdin = bytes }):check()
  local pages = {}
  for page in r.stdout:gmatch("([^\f]*)\f") do pages[#pages + 1] = page end
  return pages
end

local function squeezed(s) return (s:gsub("%s+", " ")) end

local SALES = {
  title = "Sales {year}", subtitle = "by month", author = "The shop", params = { year = 2025 },
  query = "select * from sales where month like :year || '%' order by id",
  body = {
    "A text of the year {year}; {this} stays.",
    { figures = { { label = "Orders", sum = "orders" }, { label = "Share", value = 0.125, format = "percent" } } },
    { heading = "Months" },
    { chart = "bars", x = { "month", format = "month" }, y = { { "orders", title = "Orders" }, "revenue" }, title = "A chart" },
    { table = { { "month", title = "Month", format = "month" }, "product", { "orders", total = "sum" },
      { "revenue", title = "Revenue", decimals = 2, suffix = " €", total = "sum" } } },
  },
}

-- The names in a folder, once what was cancelled has been tidied up by its thread.
local function settled(folder)
  for _ = 1, 2000 do
    local names = temp.list(folder)
    if #names == 1 then return names end
    @sleep(0.001)
  end
  return temp.list(folder)
end

describe("a PDF", function()
  it("has the title, texts, figures, a chart and a table, numbers as people write them", with(function(reports)
    reports.define("sales", SALES)
    local r = reports.generate("sales")
    assert.equal(1, r.pages)
    assert.matches("/out/sales%.pdf$", r.path)
    local bytes = @file.read(r.path)
    assert.equal(r.size, #bytes)
    local text = squeezed(pages_of(bytes)[1])
    for _, part in ipairs { "Sales 2025 by month", "A text of the year 2025; {this} stays.", "1,235,774", "12.5 %",
      "A chart", "1.5 M", "Month product orders Revenue", "Jan 2025 Kaffee & Tee 1,200 98,765.50 €",
      "Feb 2025 Ελλάδα 7 −1,234.25 €", "Apr 2025 <b>x</b> 12.00 €", "Total 1,235,774 97,543.25 €", "1 of 1", "The shop · " } do
      assert.truthy(text:find(part, 1, true), part .. "\n" .. text)
    end
  end))

  it("tells readers what it is", with(function(reports)
    reports.define("sales", SALES)
    local info = @process.run({ "pdfinfo", "-" }, { stdin = (reports.render("sales")) }):check().stdout
    assert.matches("Title:%s+Sales 2025", info)
    assert.matches("Author:%s+The shop", info)
    assert.matches("Page size:%s+595.%d+ x 841.%d+ pts %(A4%)", info)
  end))

  it("may lie on its side, on another paper", with(function(reports)
    reports.define("wide", { title = "Wide", paper = "letter", landscape = true, query = "select 1 as one" })
    local info = @process.run({ "pdfinfo", "-" }, { stdin = (reports.render("wide")) }):check().stdout
    assert.matches("Page size:%s+792 x 612 pts %(letter%)", info)
  end))

  it("has headings in its outline", with(function(reports)
    reports.define("sales", SALES)
    local bytes = reports.render("sales")
    assert.truthy(bytes:find("/Outlines", 1, true))
    assert.truthy(bytes:find("/Title (Months)", 1, true))
  end))

  it("repeats the head of a table on each page, and numbers the pages", with(function(reports)
    local rows = {}
    for i = 1, 150 do rows[i] = { number = i, name = "row-" .. i } end
    reports.define("long", { title = "Long", data = { rows = function() return rows end },
      body = { { table = { { "number", title = "Number" }, { "name", title = "Name" } } } } })
    local bytes, count = reports.render("long")
    local pages = pages_of(bytes)
    assert.equal(count, #pages)
    assert.is_true(count >= 4)
    local seen = 0
    for n, page in ipairs(pages) do
      local text = squeezed(page)
      assert.truthy(text:find("Number Name", 1, true), text)
      assert.truthy(text:find(("%d of %d"):format(n, count), 1, true), text)
      for _ in text:gmatch("row%-%d+") do seen = seen + 1 end
    end
    assert.equal(150, seen)
  end))

  it("wraps what is long, breaks what is longer, and stays on the page", with(function(reports)
    local word = ("W"):rep(400)
    reports.define("wide", { title = ("long title "):rep(20), data = { rows = function()
      local row = { text = ("some words "):rep(60), word = word }
      for k = 1, 14 do row["c" .. k] = 123456.78 * k end
      return { row }
    end } })
    local pages = pages_of((reports.render("wide")))
    local _, found = table.concat(pages):gsub("W", "")
    assert.equal(400, found)
    local boxes = @process.run({ "pdftotext", "-bbox", "-", "-" }, { stdin = (reports.render("wide")) }):check().stdout
    local n = 0
    for left, right in boxes:gmatch('<word xMin="([%d.-]+)" yMin="[%d.-]+" xMax="([%d.-]+)"') do
      n = n + 1
      assert.is_true(tonumber(left) > 40 and tonumber(right) < 556, left .. " " .. right)
    end
    assert.is_true(n > 100)
  end))

  it("has numbers in a column end at one line", with(function(reports)
    reports.define("sales", SALES)
    local boxes = @process.run({ "pdftotext", "-bbox", "-", "-" }, { stdin = (reports.render("sales")) }):check().stdout
    local ends = {}
    for number in ("98,765.50 −1,234.25 0.00 12.00"):gmatch("%S+") do
      ends[#ends + 1] = tonumber(boxes:match('xMax="([%d.]+)" yMax="[%d.]+">' .. number:gsub("%p", "%%%0") .. "<"))
    end
    assert.equal(4, #ends)
    for i = 2, 4 do assert.is_near(ends[1], ends[i], 0.1) end
  end))

  it("takes what the font lacks from another", with(function(reports)
    reports.define("both", { title = "A שלום", data = { rows = function() return { { a = "x ⠿ y" } } end } })
    local bytes = reports.render("both")
    local fonts = @file.temp({ suffix = ".pdf" }, function(path)
      @file.write(path, bytes)
      return @process.run({ "pdffonts", path }):check()
    end)
    assert.matches("+DejaVuSerif", fonts.stdout, 1, true)
    assert.matches("%+%a", (fonts.stdout:gsub("%+DejaVuSerif", ""))) -- and one that has Hebrew
    assert.truthy(pages_of(bytes)[1]:find("⠿", 1, true))
  end, { font = "DejaVu Serif" }))

  it("of ten thousand rows has them all", with(function(reports, db)
    db.exec [[
      create table many (id integer primary key, name text, amount real);
      with recursive c (i) as (select 1 union all select i + 1 from c where i < 10000)
        insert into many select i, 'name ' || i, i * 1.5 from c;
    ]]
    reports.define("many", { title = "Many", query = "select * from many", body = {
      { chart = "lines", x = "id", y = "amount" }, { table = { "id", "name", { "amount", decimals = 1, total = "sum" } } } } })
    local bytes, count = reports.render("many")
    local pages = pages_of(bytes)
    assert.equal(count, #pages)
    local rows = 0
    for _ in table.concat(pages):gmatch("\n%s*%d+%s+name %d+%s+[%d,.]+") do rows = rows + 1 end
    assert.equal(10000, rows)
    assert.truthy(squeezed(pages[#pages]):find("10000 name 10000 15,000.0 Total 75,007,500.0", 1, true), pages[#pages])
    assert.truthy(pages[1]:find("10 k", 1, true))
  end))

  it("shows years and ids without separators", with(function(reports)
    reports.define("years", { title = "Years", data = { rows = function() return { { year = 2024, user_id = 12345, n = 1500 }, { year = 2025, user_id = 12346, n = 2500 } } end },
      body = { { chart = "lines", x = "year", y = "n" }, { table = { "year", "user_id", "n" } } } })
    local text = squeezed(pages_of((reports.render("years")))[1])
    assert.truthy(text:find("2025 12346 2,500", 1, true), text)
    assert.truthy(text:find("2024 2025", 1, true), text)
  end))

  it("says when there is nothing", with(function(reports)
    reports.define("none", { title = "None", query = "select * from sales where id > 100",
      body = { { chart = "lines", x = "month", y = "orders" }, { table = true } } })
    local text = squeezed(pages_of((reports.render("none")))[1])
    assert.truthy(text:find("No rows.", 1, true))
    assert.truthy(text:find("month product orders revenue No rows.", 1, true), text)
    assert.matches("No rows%.", reports.render("none", { format = "html" }))
    assert.equal("id,month,product,orders,revenue\r\n", (reports.render("none", { format = "csv" })))
  end))

  it("takes text that is no UTF-8", with(function(reports)
    reports.define("bad", { title = "Bad \255", data = { rows = function() return { { a = "x\0y\27z\128" } } end } })
    local text = squeezed(pages_of((reports.render("bad")))[1])
    assert.truthy(text:find("xyz", 1, true), text)
  end))

  it("needs cairo, and says so; the others do not", with(function(reports)
    reports.define("sales", SALES)
    local e = failure(reports.generate, "sales")
    assert.equal("reporter.cairo", e.kind)
    assert.matches("libnosuchcairo", e.message)
    assert.matches("libcairo2", e.help[1])
    assert.is_true(#reports.render("sales", { format = "html" }) > 1000)
  end, { cairo = "libnosuchcairo.so.2" }))
end)

describe("an HTML", function()
  it("has all of it in one file, everything escaped", with(function(reports)
    reports.define("sales", SALES)
    local html = @file.read(reports.generate("sales", { format = "html" }).path)
    assert.truthy(html:find("<td>&lt;b&gt;x&lt;/b&gt;</td>", 1, true))
    assert.truthy(html:find("<td>Kaffee &amp; Tee</td>", 1, true))
    assert.truthy(html:find('<td class="r">−1,234.25 €</td>', 1, true))
    assert.truthy(html:find("<svg", 1, true))
    assert.is_nil(html:find("<script", 1, true))
    assert.is_nil(html:find("src=", 1, true))
    assert.is_nil(html:find("https?://"))
  end))

  it("lets nobody's text out of its place", with(function(reports)
    local evil = [["'></title><script>alert(1)</script>&]]
    reports.define("evil", { title = evil, subtitle = evil, author = evil, lang = evil, data = { rows = function()
      return { { [evil] = evil, n = 1 }, { [evil] = evil, n = 2 } }
    end }, body = { evil, { heading = evil }, { figures = { { label = evil, value = evil, note = evil } } },
      { chart = "bars", title = evil, x = evil, y = { { "n", title = evil }, { "n", title = evil } }, prefix = evil },
      { table = { { evil, title = evil }, { "n", prefix = evil, suffix = evil } }, title = evil } } })
    local html = reports.render("evil", { format = "html" })
    assert.is_nil(html:find("<script", 1, true))
    assert.is_nil(html:find("alert(1)</", 1, true))
    local r = @process.run({ "python3", "-c", [[
import sys, html.parser
class P(html.parser.HTMLParser):
    def handle_startendtag(self, tag, attrs): self.n += 1
    def __init__(self): super().__init__(); self.open, self.n = [], 0
    def handle_starttag(self, tag, attrs):
        self.n += 1
        for name, _ in attrs: assert not name.startswith("on"), name
        if tag != "meta": self.open.append(tag)
    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag
p = P(); p.feed(sys.stdin.read()); assert p.open == []; print(p.n)
]] }, { stdin = html }):check()
    assert.is_true(tonumber(r.stdout) > 40)
  end))
end)

describe("a CSV", function()
  -- RFC 4180, read back.
  local function parsed(text)
    local r = @process.run({ "python3", "-c",
      "import csv, json, sys; print(json.dumps(list(csv.reader(open(0, newline='')))))" }, { stdin = text }):check()
    return @json.decode(r.stdout)
  end

  it("has values as they are, for programs", with(function(reports)
    reports.define("sales", SALES)
    local rows = parsed((reports.render("sales", { format = "csv" })))
    assert.same({ "Month", "product", "orders", "Revenue" }, rows[1])
    assert.same({ "2025-01-01", "Kaffee & Tee", "1200", "98765.5" }, rows[2])
    assert.same({ "2025-02-01", "Ελλάδα", "7", "-1234.25" }, rows[3])
    assert.same({ "2025-04-01", "<b>x</b>", "", "12" }, rows[5])
  end))

  it("gives every text back that was put in", with(function(reports)
    local texts = { 'a "quoted" one', "a,b", "two\nlines", "two\r\nlines", " space ", ";", "'", "", "–" }
    reports.define("texts", { title = "x", data = { rows = function()
      local rows = {}
      for i, s in ipairs(texts) do rows[i] = { a = s, b = 0.1, c = 2 ^ 53 - 1 } end
      return rows
    end } })
    local rows = parsed((reports.render("texts", { format = "csv" })))
    for i, s in ipairs(texts) do assert.same({ s, "0.1", "9007199254740991" }, rows[i + 1]) end
  end))

  it("lets no text pass for a formula, unless told", with(function(reports, db)
    local function rows_of(own)
      own.define("formulas", { title = "x", data = { rows = function()
        return { { a = "=1+1" }, { a = "+1" }, { a = "-1" }, { a = "@x" }, { a = "\tx" }, { a = -1 } }
      end } })
      local out = {}
      for i, row in ipairs(parsed((own.render("formulas", { format = "csv" })))) do out[i] = row[1] end
      return out
    end
    assert.same({ "a", "'=1+1", "'+1", "'-1", "'@x", "'\tx", "-1" }, rows_of(reports))
    assert.same({ "a", "=1+1", "+1", "-1", "@x", "\tx", "-1" }, rows_of(reporter.new { db = db, csv_guard = false }))
  end))
end)

describe("a report", function()
  it("is told by name, the nearest one when there is none", with(function(reports)
    reports.define("sales", SALES)
    assert.same({ "sales" }, reports.list())
    local e = failure(reports.generate, "sale")
    assert.equal("reporter.unknown", e.kind)
    assert.equal("sales", e.suggestion)
  end))

  it("takes its parameters from the call, and misses none", with(function(reports)
    reports.define("sales", SALES)
    assert.matches("Sales 2024", (reports.render("sales", { format = "html", params = { year = 2024 } })))
    reports.define("from", { title = "x", query = "select * from sales where id > :first" })
    local e = failure(reports.render, "from", { format = "csv" })
    assert.equal("argument", e.kind)
    assert.matches('report from: rows: a value for the parameter "first"', e.message)
  end))

  it("has no parameters in texts and comments, and all of those between them", with(function(reports)
    local sql = [[
      select ':no' as a, "id" as b /* it's :not one */, :year as c -- nor isn't :this
      , 'it''s' || :two as d, [id] as ":e", 1-:two as f from sales where id = 1 -- what's :that]]
    reports.define("d", { title = "x", query = sql, params = { year = 2024, two = 2 } })
    local bytes = reports.render("d", { format = "csv" })
    assert.matches("\n:no,1,2024,it's2,1,%-1\r\n", bytes)
    for _, missing in ipairs { "year", "two" } do
      reports.define("d", { title = "x", query = sql, params = { [missing == "two" and "year" or "two"] = 1 } })
      assert.matches('parameter "' .. missing .. '"', failure(reports.render, "d", { format = "csv" }).message, 1, true)
    end
  end))

  it("that is described wrongly is an argument error that says where and what", with(function(reports)
    local function wrong(change, message)
      local d = { title = "x", query = "select 1 as one" }
      change(d)
      local e = failure(reports.define, "d", d)
      assert.equal("argument", e.kind)
      assert.truthy(e.message:find(message, 1, true), e.message)
    end
    wrong(function(d) d.tilte = "x" end, 'report d: no field "tilte" (did you mean "title"?)')
    wrong(function(d) d.title = nil end, "report d.title: string expected, got nil")
    wrong(function(d) d.data = {} end, "query or data expected, not both")
    wrong(function(d) d.body = { {} } end, "report d.body[1]: one of heading, text, figures, chart, table, page_break expected")
    wrong(function(d) d.body = { { chart = "bar", x = "one", y = "one" } } end,
      'report d.body[1].chart: there is no "bar" (did you mean "bars"?)')
    wrong(function(d) d.body = { { table = { { "one", format = "nubmer" } } } } end, '(did you mean "number"?)')
    wrong(function(d) d.body = { { figures = { { label = "x" } } } } end, "one of value, query, sum, count, avg, min, max expected")
    wrong(function(d) d.body = { { table = true, from = "other" } } end, 'report d.body[1].from: there is no "other"')
    wrong(function(d) d.body = { { chart = "bars", x = "x", y = { "a", "b", "c", "d", "e", "f", "g", "h", "i" } } } end,
      "report d.body[1].y: at most 8 columns: more cannot be told apart")
    wrong(function(d) d.paper = "a44" end, '(did you mean "a4"?)')
    assert.equal("argument", failure(reports.define, "../x", { title = "x" }).kind)
  end))

  it("has settings that are checked, and words of another language", with(function(reports)
    assert.equal("words", failure(reporter.new, { word = {} }).suggestion)
    assert.matches("max_rows: integer expected", failure(reporter.new, { max_rows = "many" }).message)
    assert.matches('words: no field "totl" (did you mean "total"?)', failure(reporter.new, { words = { totl = "x" } }).message, 1, true)
    reports.define("sales", SALES)
    local text = squeezed(pages_of((reports.render("sales")))[1])
    assert.truthy(text:find("Summe 1.235.774 97.543,25 €", 1, true), text)
    assert.truthy(text:find("1 von 1", 1, true), text)
  end, { words = { of = "von", total = "Summe" }, thousands = ".", decimal = "," }))

  it("that names a column which is not there fails with the nearest", with(function(reports)
    reports.define("d", { title = "x", query = "select * from sales", body = { { chart = "bars", x = "month", y = "order" } } })
    local e = failure(reports.generate, "d")
    assert.equal("reporter.column", e.kind)
    assert.equal("orders", e.suggestion)
  end))

  it("of a query that fails fails as it does, and writes nothing", with(function(reports, _, dir)
    reports.define("d", { title = "x", query = "select nosuch from sales" })
    assert.matches("^db%.", failure(reports.generate, "d").kind)
    assert.is_false(@file.exists(dir .. "/out/d.pdf"))
  end))

  it("that is a snapshot sees one moment in all its queries, another one what is written meanwhile", function()
    database.with("file", function(db)
      db.exec("create table t (n integer)")
      local function counted(snapshot)
        local begun, written, reports = database.gate(), database.gate(), reporter.new { db = db }
        reports.define("d", { title = "x", snapshot = snapshot, query = "select n from t", body = { { figures = {
          { label = "between", value = function()
            begun.open()
            if not snapshot then written.wait() end
            for _ = 1, 100 do @yield() end -- the one who writes has the time to
            return "-"
          end }, { label = "count", query = "select count(*) from t" } } } } })
        local html = @all(@((reports.render("d", { format = "html" }))), function()
          begun.wait()
          db.exec("insert into t values (1)")
          written.open()
        end)
        return html:match("<b>(%d)</b>")
      end
      assert.equal("1", counted(false))
      assert.equal("1", counted(true))
      assert.equal(2, db.value("select count(*) from t"))
    end)
  end)

  it("of too many rows is refused", with(function(reports)
    reports.define("d", { title = "x", query = "select * from sales" })
    assert.equal("reporter.too_large", failure(reports.generate, "d").kind)
  end, { max_rows = 3 }))

  it("two at once are each their own", with(function(reports)
    for i = 1, 2 do
      reports.define("r" .. i, { title = "Report " .. i, data = { rows = function()
        local rows = {}
        for k = 1, 300 do rows[k] = { a = "r" .. i .. "-" .. k } end
        return rows
      end } })
    end
    local one, two = @all(@((reports.render("r1"))), @((reports.render("r2"))))
    for i, bytes in ipairs { one, two } do
      local text = table.concat(pages_of(bytes))
      local _, own = text:gsub("r" .. i .. "%-%d+", "")
      local _, others = text:gsub("r" .. (3 - i) .. "%-%d+", "")
      assert.same({ 300, 0 }, { own, others })
    end
  end))

  it("that is cancelled, anywhere, leaves the old file or the new one", with(function(reports, _, dir)
    reports.define("sales", SALES)
    local path = dir .. "/out/sales.csv"
    local checkpoints = test.sweep(function() reports.generate("sales", { format = "csv" }) end, {
      setup = function()
        @file.mkdir(dir .. "/out", { parents = true })
        @file.write(path, "old")
      end,
      check = function()
        local text = @file.read(path)
        assert.is_true(text == "old" or text:find("^Month,") ~= nil, text)
        assert.same({ "sales.csv" }, settled(dir .. "/out"))
      end,
    })
    assert.is_true(checkpoints >= 3)
  end))

  it("as a PDF, too", with(function(reports, _, dir)
    reports.define("sales", SALES)
    test.sweep(function() reports.generate("sales") end, { check = function(_, info)
      local there = @file.exists(dir .. "/out/sales.pdf")
      if info.checkpoint == 0 then assert.is_true(there) end
      if there then assert.equal("%PDF-", @file.read(dir .. "/out/sales.pdf"):sub(1, 5)) end
    end })
  end))

  it("stops being made when its time is over", with(function(reports)
    reports.define("long", { title = "Long", data = { rows = function()
      local rows = {}
      for k = 1, 20000 do rows[k] = { a = k, b = "text " .. k } end
      return rows
    end } })
    test.leaks({ warm = true }, function()
      assert.equal("timeout", failure(@timeout, "50ms", reports.render, "long").kind)
    end)
  end))
end)

describe("a disk that is full", function()
  it("leaves the old report, and nothing beside it", with(function(reports, _, dir)
    local small = dir .. "/small"
    @file.mkdir(small)
    if uv.getuid() ~= 0 or os.execute(("mount -t tmpfs -o size=16k tusk-spec '%s' 2>/dev/null"):format(small)) ~= 0 then
      return pending("a file system can be mounted by root only")
    end
    reports.define("big", { title = "x", data = { rows = function()
      local rows = {}
      for k = 1, 3000 do rows[k] = { a = k } end
      return rows
    end } })
    local path = small .. "/big.csv"
    temp.write(path, "old")
    local e = failure(reports.generate, "big", { path = path })
    local names, text = temp.list(small), temp.read(path)
    assert.equal(0, os.execute(("umount '%s'"):format(small)))
    assert.equal("file.no_space", e.kind)
    assert.same({ "big.csv" }, names)
    assert.equal("old", text)
  end))
end)

describe("cairo", function()
  it("keeps nothing but its caches", drawing.forget)
end)

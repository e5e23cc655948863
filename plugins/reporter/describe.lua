-- describe.lua: descriptions of reports, checked and brought into one form.
local fault = require "tusk.plugins.reporter.fault"
local look = require "tusk.plugins.reporter.look"
local numbers = require "tusk.plugins.reporter.numbers"
local tusk = require "tusk"

local check = tusk.check

---@class reporter.Report
---@field title string
---@field subtitle string|nil
---@field author string|nil
---@field lang string|nil of the HTML: "en"
---@field paper string|nil "a4" (the configuration's) "a3" "a5" "letter" "legal"
---@field landscape boolean|nil
---@field snapshot boolean|nil all queries see one moment, in a transaction
---@field params table<string, any>|nil defaults of what `:name` in a query and `{name}` in a text stand for
---@field query string|nil short for data = { rows = query }
---@field data table<string, string|fun(params: table): table[]>|nil rows by name: a query of @db, or what a function returns
---@field body (string|reporter.Block)[]|nil unless given, a table of all columns

---@class reporter.Block one of heading text figures chart table page_break, and what belongs to it
---@field heading string|nil
---@field text string|nil
---@field figures reporter.Figure[]|nil
---@field chart string|nil "bars" "stacked" "lines"
---@field table boolean|(string|reporter.Column)[]|nil its columns; true for all
---@field page_break boolean|nil
---@field from string|nil which data; need not be said when there is one
---@field title string|nil
---@field x string|reporter.Column|nil of a chart
---@field y string|(string|reporter.Column)[]|nil of a chart
---@field height number|nil of a chart, in points

---@class reporter.Column
---@field [1] string its name in the rows
---@field title string|nil
---@field format string|nil "text" "number" "integer" "percent" "date" "datetime" "month" "duration" "size"
---@field decimals integer|nil
---@field prefix string|nil
---@field suffix string|nil
---@field pattern string|nil of a time, as for @date.format
---@field align string|nil "left" "right" "center"
---@field total string|nil "sum" "count" "avg" "min" "max"

---@class reporter.Figure as a column, but what it shows is
---@field label string
---@field value any|fun(data: table<string, table[]>, params: table): any
---@field query string|nil its first column
---@field sum string|nil of a column; so are count, avg, min, max
---@field note string|nil a small line below

local describe = {}

local REPORT = { "title", "subtitle", "author", "lang", "paper", "landscape", "snapshot", "params", "query", "data", "body" }
local KINDS = { "heading", "text", "figures", "chart", "table", "page_break" }
local SHOWN = { "format", "decimals", "prefix", "suffix", "pattern" }
local COLUMN = { 1, "title", "align", "total", unpack(SHOWN) }
local FOLDS = { "sum", "count", "avg", "min", "max" }
local FIGURE = { "label", "note", "value", "query", "from", "sum", "count", "avg", "min", "max", unpack(SHOWN) }
local CHARTS = { "bars", "stacked", "lines" }
local FIELDS = {
  heading = { "heading" }, text = { "text" }, page_break = { "page_break" }, figures = { "figures" },
  chart = { "chart", "from", "title", "x", "y", "height", unpack(SHOWN) },
  table = { "table", "from", "title" },
}

local function fail(place, message)
  check.fail(place .. ": " .. message)
end

local function want(place, v, kind)
  return check[kind](place, v)
end

local function opt(place, v, kind)
  return check["opt_" .. kind](place, v)
end

local function one_of(place, v, list)
  for _, name in ipairs(list) do
    if name == v then return v end
  end
  fault.unknown(place .. ": there is no", v, list)
end

local function only(place, t, allowed)
  fault.only(place, want(place, t, "table"), allowed)
end

-- How values are shown.
local function shown(place, t, into)
  for _, name in ipairs(SHOWN) do into[name] = t[name] end
  if t.format ~= nil then one_of(place .. ".format", t.format, numbers.FORMATS) end
  if t.decimals ~= nil and not (type(t.decimals) == "number" and t.decimals >= 0 and t.decimals <= 10) then
    fail(place .. ".decimals", "a number from 0 to 10 expected")
  end
  for _, name in ipairs { "prefix", "suffix", "pattern" } do opt(place .. "." .. name, t[name], "string") end
  return into
end

local function column(place, c)
  if type(c) == "string" then return { name = c } end
  only(place, c, COLUMN)
  local own = shown(place, c, { name = want(place .. "[1]", c[1], "string"), title = opt(place .. ".title", c.title, "string") })
  own.align = c.align and one_of(place .. ".align", c.align, { "left", "right", "center" })
  own.total = c.total and one_of(place .. ".total", c.total, FOLDS)
  return own
end

local function columns(place, list)
  if type(list) == "string" then list = { list } end
  local out = {}
  for i, c in ipairs(want(place, list, "table")) do out[i] = column(("%s[%d]"):format(place, i), c) end
  if not out[1] then fail(place, "at least one column expected") end
  return out
end

-- Which data a block is made of.
local function source(place, from, data)
  local names = {}
  for name in pairs(data) do names[#names + 1] = name end
  table.sort(names)
  if from == nil and #names == 1 then return names[1] end
  if from == nil then fail(place, #names == 0 and "there is no data: query or data expected" or "from expected: which data") end
  return one_of(place .. ".from", from, names)
end

local function figure(place, f, data)
  only(place, f, FIGURE)
  local own = shown(place, f, { label = want(place .. ".label", f.label, "string"), note = opt(place .. ".note", f.note, "string") })
  local ways = 0
  for _, how in ipairs(FOLDS) do
    if f[how] ~= nil then
      own.of, own.column, ways = how, want(place .. "." .. how, f[how], "string"), ways + 1
      own.from = source(place, f.from, data)
    end
  end
  own.query, own.value = opt(place .. ".query", f.query, "string"), f.value
  ways = ways + (f.query ~= nil and 1 or 0) + (f.value ~= nil and 1 or 0)
  if ways ~= 1 then fail(place, "one of value, query, sum, count, avg, min, max expected") end
  return own
end

local normal = {}

function normal.heading(place, b) return { heading = want(place .. ".heading", b.heading, "string") } end
function normal.text(place, b) return { text = want(place .. ".text", b.text, "string") } end
function normal.page_break() return {} end

function normal.figures(place, b, data)
  local items = {}
  for i, f in ipairs(want(place .. ".figures", b.figures, "table")) do
    items[i] = figure(("%s.figures[%d]"):format(place, i), f, data)
  end
  return { items = items }
end

function normal.chart(place, b, data)
  if b.x == nil or b.y == nil then fail(place, "x and y expected: columns") end
  if b.height ~= nil and not (type(b.height) == "number" and b.height >= 60 and b.height <= 600) then
    fail(place .. ".height", "a number from 60 to 600 expected, points")
  end
  local series = columns(place .. ".y", b.y)
  if #series > #look.series then fail(place .. ".y", ("at most %d columns: more cannot be told apart"):format(#look.series)) end
  return { chart = one_of(place .. ".chart", b.chart, CHARTS), from = source(place, b.from, data), x = column(place .. ".x", b.x),
    series = series, height = b.height, title = opt(place .. ".title", b.title, "string"),
    spec = shown(place, b, {}) }
end

function normal.table(place, b, data)
  local own = { from = source(place, b.from, data), title = opt(place .. ".title", b.title, "string") }
  if b.table ~= true then own.columns = columns(place .. ".table", b.table) end
  return own
end

local function block(place, b, data)
  if type(b) == "string" then b = { text = b } end
  want(place, b, "table")
  local kind
  for _, name in ipairs(KINDS) do
    if b[name] ~= nil then kind = kind or name end
  end
  if not kind then fail(place, "one of " .. table.concat(KINDS, ", ") .. " expected") end
  only(place, b, FIELDS[kind])
  local own = normal[kind](place, b, data)
  own.kind = kind
  return own
end

local function data_of(place, r)
  if r.query ~= nil and r.data ~= nil then fail(place, "query or data expected, not both") end
  local data = r.query ~= nil and { rows = r.query } or r.data or {}
  for name, from in pairs(want(place .. ".data", data, "table")) do
    if type(from) ~= "string" and type(from) ~= "function" then
      fail(("%s.data.%s"):format(place, tostring(name)), "a query or a function expected, got " .. type(from))
    end
  end
  return data
end

--- A description in its one form. Raises kind `argument` for what is wrong in it.
---@param id string
---@param r reporter.Report
---@return table
function describe.report(id, r)
  local place = "report " .. id
  only(place, r, REPORT)
  local own = { id = id, title = want(place .. ".title", r.title, "string"), data = data_of(place, r), body = {} }
  for _, name in ipairs { "subtitle", "author", "lang" } do own[name] = opt(place .. "." .. name, r[name], "string") end
  for _, name in ipairs { "landscape", "snapshot" } do own[name] = opt(place .. "." .. name, r[name], "boolean") end
  local papers = {}
  for name in pairs(look.papers) do papers[#papers + 1] = name end
  own.paper = r.paper and one_of(place .. ".paper", r.paper, papers)
  own.params = opt(place .. ".params", r.params, "table") or {}
  for i, b in ipairs(opt(place .. ".body", r.body, "table") or { { table = true } }) do
    own.body[i] = block(("%s.body[%d]"):format(place, i), b, own.data)
  end
  return own
end

return describe

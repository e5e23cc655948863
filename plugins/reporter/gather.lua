-- gather.lua: a report's rows and figures, asked of @db: all that a worker needs, as plain data.
local fault = require "tusk.plugins.reporter.fault"
local tusk = require "tusk"

local check = tusk.check

local gather = {}

-- The parameters that a statement has, in a table, or nothing. None may be missing: it would be NULL, and go unnoticed.
local function bound(told, sql, params)
  local own, any = {}, false
  local code = sql:gsub("'[^']*'", "''"):gsub('"[^"]*"', '""'):gsub("%-%-[^\n]*", ""):gsub("/%*.-%*/", "")
  for name in code:gmatch("[:@$]([%a_][%w_]*)") do
    if params[name] == nil then check.fail(("%s: a value for the parameter %q expected"):format(told, name)) end
    own[name], any = params[name], true
  end
  if any then return own end
end

-- The rows of a query and the names of its columns, in their order.
local function queried(name, sql, params, cfg)
  local rows, most = {}, cfg.max_rows
  local stream = (cfg.db or tusk.db).each(sql, bound(name, sql, params))
  local columns = stream:columns()
  for row in stream do
    if #rows == most then
      stream:close()
      tusk.errors.raise("reporter.too_large", ("%s: more than %d rows; see max_rows"):format(name, most))
    end
    rows[#rows + 1] = row
  end
  return { rows = rows, columns = columns }
end

-- The same of a function's: columns are those of all rows, sorted.
local function computed(name, fn, params, most)
  local rows = fn(params)
  if type(rows) ~= "table" then
    check.fail(("%s: a list of rows expected of its function, got %s"):format(name, type(rows)))
  end
  if #rows > most then tusk.errors.raise("reporter.too_large", ("%s: more than %d rows; see max_rows"):format(name, most)) end
  local columns, seen = {}, {}
  for i, row in ipairs(rows) do
    if type(row) ~= "table" then check.fail(("%s: row %d is a %s, not a table"):format(name, i, type(row))) end
    for key in pairs(row) do
      if not seen[key] then seen[key], columns[#columns + 1] = true, key end
    end
  end
  table.sort(columns, function(a, b) return tostring(a) < tostring(b) end)
  return { rows = rows, columns = columns }
end

-- {name} in a text is a parameter; what is none stays as it is.
local function filled(s, params)
  return s and (s:gsub("{([%a_][%w_]*)}", function(name)
    return params[name] ~= nil and tostring(params[name]) or nil
  end))
end

-- Every column that is named must be there, unless there is no row to tell.
local function known(report, data, block, list)
  local from = data[block.from]
  if not from.rows[1] and #from.columns == 0 then return end
  for _, c in ipairs(list) do
    local found = false
    for _, name in ipairs(from.columns) do found = found or name == c.name end
    if not found then
      fault.unknown(("report %s: %s has no column"):format(report.id, block.from), c.name, from.columns, "reporter.column")
    end
  end
end

local complete = {}

function complete.text(b, _, ctx) return { text = filled(b.text, ctx.params) } end
function complete.heading(b, _, ctx) return { heading = filled(b.heading, ctx.params) } end
function complete.page_break() return {} end

local function asked(f, report, ctx)
  local told = ("report %s: figure %q"):format(report.id, f.label)
  return (ctx.db or tusk.db).value(f.query, bound(told, f.query, ctx.params))
end

local function value_of(f, report, ctx)
  if f.query then return asked(f, report, ctx) end
  if type(f.value) ~= "function" then return f.value end
  local rows = {}
  for name, d in pairs(ctx.data) do rows[name] = d.rows end
  return f.value(rows, ctx.params)
end

function complete.figures(b, report, ctx)
  local items = {}
  for i, f in ipairs(b.items) do
    if f.of then known(report, ctx.data, f, { { name = f.column } }) end
    local own = {}
    for k, v in pairs(f) do own[k] = v end
    own.label, own.note, own.query = filled(f.label, ctx.params), filled(f.note, ctx.params), nil
    own.value = value_of(f, report, ctx)
    items[i] = own
  end
  return { items = items }
end

function complete.chart(b, report, ctx)
  known(report, ctx.data, b, { b.x })
  known(report, ctx.data, b, b.series)
  local series = {}
  for i, s in ipairs(b.series) do series[i] = { name = s.name, title = s.title or s.name } end
  return { chart = b.chart, from = b.from, x = b.x, series = series, height = b.height, spec = b.spec,
    title = filled(b.title, ctx.params) }
end

local function all_columns(from)
  local list = {}
  for i, name in ipairs(from.columns) do list[i] = { name = name } end
  return list
end

function complete.table(b, report, ctx)
  if b.columns then known(report, ctx.data, b, b.columns) end
  return { from = b.from, columns = b.columns or all_columns(ctx.data[b.from]), title = filled(b.title, ctx.params) }
end

local function blocks_of(report, ctx)
  local blocks = {}
  for i, b in ipairs(report.body) do
    blocks[i] = complete[b.kind](b, report, ctx)
    blocks[i].kind = b.kind
  end
  return blocks
end

local function data_of(report, params, cfg)
  local names, work = {}, {}
  for name, from in pairs(report.data) do
    local told = ("report %s: %s"):format(report.id, name)
    names[#names + 1] = name
    work[#work + 1] = type(from) == "string" and function() return queried(told, from, params, cfg) end
      or function() return computed(told, from, params, cfg.max_rows) end
  end
  local data = {}
  for i, found in ipairs { @all(unpack(work)) } do data[names[i]] = found end
  return data
end

-- What the CSV is of: the first table, else all columns of the first data that a block names.
local function csv_of(doc, report)
  for _, b in ipairs(doc.blocks) do
    if b.kind == "table" then return { from = b.from, columns = b.columns } end
  end
  for _, b in ipairs(doc.blocks) do
    if b.from then return { from = b.from, columns = all_columns(doc.data[b.from]) } end
  end
  check.fail(("report %s: there is no table, and CSV is one"):format(report.id))
end

--- All of a report as plain data.
---@param report table from describe.lua
---@param opts table { params =, format = }
---@param cfg table the plugin's configuration
---@return table doc for render.lua
function gather.document(report, opts, cfg)
  local params = {}
  for k, v in pairs(report.params) do params[k] = v end
  for k, v in pairs(opts.params or {}) do params[k] = v end
  local ctx = { params = params, db = cfg.db, data = data_of(report, params, cfg) }
  local now = @date.now()
  local doc = { title = filled(report.title, params), subtitle = filled(report.subtitle, params),
    author = report.author or cfg.author, lang = report.lang or "en", paper = report.paper or cfg.paper, landscape = report.landscape,
    style = { thousands = cfg.thousands, decimal = cfg.decimal }, words = cfg.words, font = cfg.font, cairo = cfg.cairo,
    created = @date.format(math.floor(now)), data = ctx.data }
  doc.foot = (doc.author and doc.author .. " · " or "") .. @date.format(now, "%Y-%m-%d %H:%M") .. " UTC"
  doc.blocks = blocks_of(report, ctx)
  if opts.format == "csv" then
    doc.csv = csv_of(doc, report)
    doc.csv.separator, doc.csv.guard, doc.csv.bom = cfg.csv_separator, cfg.csv_guard, cfg.csv_bom
    doc.blocks = {}
  end
  return doc
end

return gather

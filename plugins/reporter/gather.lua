-- gather.lua: a report's rows and figures, asked of @db: all that a worker needs, as plain data.
local data = require "tusk.plugins.reporter.data"
local fault = require "tusk.plugins.reporter.fault"
local tusk = require "tusk"

local check = tusk.check

local gather = {}

-- {name} in a text is a parameter; what is none stays as it is.
local function filled(s, params)
  return s and (s:gsub("{([%a_][%w_]*)}", function(name)
    return params[name] ~= nil and tostring(params[name]) or nil
  end))
end

-- Every column that is named must be there, unless there is no row to tell.
local function known(report, all, block, list)
  local from = all[block.from]
  if #from.columns == 0 then return end
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
  return ctx.db.value(f.query, data.bound(told, f.query, ctx.params))
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

-- Does a figure want to see the rows themselves?
local function wants_rows(report)
  for _, b in ipairs(report.body) do
    for _, f in ipairs(b.items or {}) do
      if type(f.value) == "function" then return true end
    end
  end
  return false
end

local function params_of(report, given)
  local params = {}
  for k, v in pairs(report.params) do params[k] = v end
  for k, v in pairs(given or {}) do params[k] = v end
  return params
end

local function asked_for(report, ctx)
  ctx.data = data.of(report, ctx)
  return blocks_of(report, ctx)
end

-- The blocks, with all rows in ctx.data; of a snapshot in one transaction, one query after the other.
local function blocks_for(report, ctx)
  if not report.snapshot then return asked_for(report, ctx) end
  return ctx.db.transaction({ mode = "deferred" }, function(tx)
    ctx.db, ctx.in_turn = tx, true
    return asked_for(report, ctx)
  end)
end

local function look_of(report, params, cfg)
  local now = @date.now()
  local author = report.author or cfg.author
  return { title = filled(report.title, params), subtitle = filled(report.subtitle, params), author = author,
    lang = report.lang or "en", paper = report.paper or cfg.paper, landscape = report.landscape,
    style = { thousands = cfg.thousands, decimal = cfg.decimal }, words = cfg.words, font = cfg.font, cairo = cfg.cairo,
    created = @date.format(math.floor(now)),
    foot = (author and author .. " · " or "") .. @date.format(now, "%Y-%m-%d %H:%M") .. " UTC" }
end

-- What a worker needs of the data that are used.
local function plain(all)
  local out = {}
  for name, d in pairs(all) do out[name] = { columns = d.columns, blocks = d.blocks } end
  return out
end

--- All of a report as plain data.
---@param report table from describe.lua
---@param opts table { params =, format = }
---@param cfg table the plugin's configuration
---@return table doc for render.lua
function gather.document(report, opts, cfg)
  local params = params_of(report, opts.params)
  local ctx = { params = params, db = cfg.db or tusk.db, most = cfg.max_rows, wants_rows = wants_rows(report) }
  local doc = look_of(report, params, cfg)
  doc.blocks = blocks_for(report, ctx)
  doc.data = plain(ctx.data)
  if opts.format == "csv" then
    doc.csv = csv_of(doc, report)
    doc.csv.separator, doc.csv.guard, doc.csv.bom = cfg.csv_separator, cfg.csv_guard, cfg.csv_bom
    doc.blocks, doc.data = {}, { [doc.csv.from] = doc.data[doc.csv.from] }
  end
  return doc
end

return gather

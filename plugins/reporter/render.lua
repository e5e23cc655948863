-- render.lua: what runs on a worker: a report's description and its rows, as the bytes of a file.
local chart = require "tusk.plugins.reporter.chart"
local csv = require "tusk.plugins.reporter.csv"
local html = require "tusk.plugins.reporter.html"
local look = require "tusk.plugins.reporter.look"
local numbers = require "tusk.plugins.reporter.numbers"
local sheet = require "tusk.plugins.reporter.sheet"
local text = require "tusk.plugins.reporter.text"

local render = {}

local function pause()
  @worker.check()
end

-- The rows again, out of the blocks they came in.
local function unpacked(data)
  for _, d in pairs(data) do
    d.rows = {}
    for i, block in ipairs(d.blocks) do
      local rows = type(block) == "string" and @json.decode(block) or block
      for k = 1, #rows do d.rows[#d.rows + 1] = rows[k] end
      d.blocks[i] = false
      pause()
    end
  end
end

local prepare = {}

function prepare.text(block) block.text = text.clean(block.text) end
function prepare.heading(block) block.heading = text.clean(block.heading) end
function prepare.page_break() end

function prepare.figures(block, doc)
  for _, item in ipairs(block.items) do
    local value = item.value
    if item.of then value = sheet.fold(item.of, doc.data[item.from].rows, item.column) end
    item.text = value == nil and "–" or text.clean(numbers.show(value, item, doc.style))
    item.label = text.clean(item.label)
    item.note = item.note and text.clean(item.note)
  end
end

local TIMES = { date = true, datetime = true, month = true }

-- Where the x of a line are: nil unless all are numbers, or times, and each is more than the one before.
local function places_of(block, rows)
  if block.chart ~= "lines" or not rows[2] then return nil end
  local places, times = {}, TIMES[block.x.format] or false
  local as_text = times or block.x.format == "text"
  for i, row in ipairs(rows) do
    local v = row[block.x.name]
    places[i] = times and numbers.time(v) or numbers.plain(v)
    if not places[i] or i > 1 and places[i] <= places[i - 1] then return nil end
  end
  return places, as_text
end

function prepare.chart(block, doc)
  local rows = doc.data[block.from].rows
  block.labels = {}
  if not block.x.format and numbers.is_label(block.x.name) then block.x.format = "text" end
  block.places, block.as_text = places_of(block, rows)
  for i, row in ipairs(rows) do block.labels[i] = text.clean(numbers.show(row[block.x.name], block.x, doc.style)) end
  for k, s in ipairs(block.series) do
    s.title, s.values = text.clean(s.title), {}
    s.color = look.series[(k - 1) % #look.series + 1]
    for i, row in ipairs(rows) do s.values[i] = chart.value(row[s.name]) end
    pause()
  end
end

function prepare.table(block, doc)
  block.sheet = sheet.of(block, doc.data[block.from].rows, doc.style, pause)
end

local function prepared(doc)
  unpacked(doc.data)
  doc.title, doc.foot = text.clean(doc.title):gsub("\n", " "), text.clean(doc.foot)
  doc.subtitle = doc.subtitle and text.clean(doc.subtitle)
  doc.author = doc.author and text.clean(doc.author)
  for _, block in ipairs(doc.blocks) do
    block.title = block.title and text.clean(block.title)
    prepare[block.kind](block, doc)
  end
  return doc
end

--- The PDF, and how many pages it has.
---@param doc table from gather.lua
---@return string, integer
function render.pdf(doc)
  return require("tusk.plugins.reporter.pdf").render(prepared(doc), pause)
end

--- The HTML.
---@return string
function render.html(doc)
  return html.render(prepared(doc), pause)
end

--- The CSV of a table: doc.csv = { columns, from, separator, guard, bom }.
---@return string
function render.csv(doc)
  unpacked(doc.data)
  local own = doc.csv
  return csv.render(own.columns, doc.data[own.from].rows, own, pause)
end

return render

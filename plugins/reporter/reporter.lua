-- reporter.lua: reports of a title, texts, key figures, charts and tables out of @db, as PDF, HTML and CSV.
local describe = require "tusk.plugins.reporter.describe"
local fault = require "tusk.plugins.reporter.fault"
local gather = require "tusk.plugins.reporter.gather"
local tusk = require "tusk"

local check = tusk.check
local reporter = {}

local FORMATS = { "pdf", "html", "csv" }
local WORDS = { of = "of", total = "Total", empty = "No rows." }

--- What can be set, as a plugin's `config`.
reporter.config = {
  dir = { type = "string", default = "reports", doc = "where files go; relative to the script directory" },
  reports = { type = "table", default = {}, doc = "reports by id, as for @reporter.define" },
  max_rows = { type = "integer", default = 100000, doc = "of one query; more are an error" },
  paper = { type = "string", default = "a4", choices = { "a4", "a3", "a5", "letter", "legal" } },
  font = { type = "string", default = "DejaVu Sans", doc = "of a PDF: a family that fontconfig knows" },
  author = { type = "string", doc = "at the foot of each page" },
  thousands = { type = "string", default = ",", doc = "between thousands" },
  decimal = { type = "string", default = ".", doc = "before decimals" },
  words = { type = "table", default = {}, doc = "{ of =, total =, empty = } in another language" },
  csv_separator = { type = "string", default = ",", choices = { ",", ";", "\t", "|" }, doc = "between fields" },
  csv_guard = { type = "boolean", default = true, doc = "whether texts that look like formulas get a ' before them" },
  csv_bom = { type = "boolean", default = false, doc = "whether a CSV begins with a byte order mark" },
  cairo = { type = "string", default = "libcairo.so.2", doc = "the library that draws a PDF" },
}

local names = { "db" }
for name in pairs(reporter.config) do names[#names + 1] = name end
table.sort(names)

local function find(reports, id)
  check.string("report", id)
  local ids = {}
  for name in pairs(reports) do ids[#ids + 1] = name end
  table.sort(ids)
  return reports[id] or fault.unknown("there is no report", id, ids, "reporter.unknown")
end

local function checked(opts, allowed)
  opts = check.options(opts, allowed)
  check.opt_table("params", opts.params)
  local path = check.opt_string("path", opts.path)
  local own = { path = path, params = opts.params, format = opts.format or path and path:match("%.(%a+)$") or "pdf" }
  for _, name in ipairs(FORMATS) do
    if own.format == name then return own end
  end
  return fault.unknown("there is no format", own.format, FORMATS)
end

-- The bytes of a report and how many pages they are: queries here, everything else on a worker.
local function made(report, opts, settings)
  return @worker.call("tusk.plugins.reporter.render", opts.format, gather.document(report, opts, settings))
end

local function completed(given)
  local settings = {}
  for name, value in pairs(check.options(given, names)) do settings[name] = value end
  for name, field in pairs(reporter.config) do
    check["opt_" .. field.type](name, settings[name])
    if settings[name] == nil then settings[name] = field.default end
  end
  local words = {}
  fault.only("words", settings.words, { "of", "total", "empty" })
  for word, text in pairs(WORDS) do words[word] = check.opt_string("words." .. word, settings.words[word]) or text end
  settings.words = words
  return settings
end

---@class reporter.Reporter
---@field define fun(id: string, report: reporter.Report) adds a report, or puts another in the place of one
---@field list fun(): string[] the ids of all reports, sorted
---@field render fun(id: string, opts: table|nil): string, integer|nil the bytes, and how many pages of a PDF
---@field generate fun(id: string, opts: table|nil): table writes it: { path, format, size, pages }

--- Reports with settings of their own. Its functions are called with dots.
---@param given table|nil as the plugin's configuration; and db: what @db.open gave
---@return reporter.Reporter
function reporter.new(given)
  local settings, reports, self = completed(given), {}, {}

  function self.define(id, report)
    if not check.string("id", id):match("^[%w_%-][%w_%-.]*$") then
      check.fail("id: letters, digits, _ - and . expected, not " .. ("%q"):format(id))
    end
    reports[id] = describe.report(id, report)
  end

  function self.list()
    local ids = {}
    for id in pairs(reports) do ids[#ids + 1] = id end
    table.sort(ids)
    return ids
  end

  function self.render(id, opts)
    return made(find(reports, id), checked(opts, { "format", "params" }), settings)
  end

  function self.generate(id, opts)
    local report, own = find(reports, id), checked(opts, { "format", "path", "params" })
    local bytes, pages = made(report, own, settings)
    local path = own.path
    if not path then
      @file.mkdir(settings.dir, { parents = true })
      path = ("%s/%s.%s"):format(settings.dir, id, own.format)
    end
    @file.write_atomic(path, bytes)
    return { path = path, format = own.format, size = #bytes, pages = pages }
  end

  for id, report in pairs(settings.reports) do self.define(id, report) end
  return self
end

return reporter

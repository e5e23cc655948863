-- reporter.lua: one report as JSON and as a Markdown table. Readers see the old files or the new ones.
local reporter = {}

local function cell(text)
  return (text:gsub("|", "\\|"))
end

local function line(row)
  local sun = row.sun and ("%.0f° %s"):format(math.abs(row.sun), row.sun > 0 and "up" or "down") or "–"
  return ("| %s | %s | %d | %s |"):format(row.code, cell(row.name), #row.zones, sun)
end

local function markdown(rows)
  local lines = { "| code | country | zones | sun |", "|---|---|--:|---|" }
  for _, row in ipairs(rows) do lines[#lines + 1] = line(row) end
  return table.concat(lines, "\n") .. "\n"
end

--- Writes DIR/places.json and DIR/places.md.
---@param dir string
---@param rows { code: string, name: string, zones: table[], sun: number|nil }[]
function reporter.write(dir, rows)
  @file.mkdir(dir, { parents = true })
  @all(
    @(@file.write_json(dir .. "/places.json", rows, { pretty = true, sort = true })),
    @(@file.write_atomic(dir .. "/places.md", markdown(rows))))
end

return { name = "reporter", operators = { reporter = reporter } }

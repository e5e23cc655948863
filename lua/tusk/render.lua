-- render.lua: an error as a person reads it: what, where in the source, what to do, how it came to be.
local errors = require "tusk.errors"

local render = { color = false }

local function paint(code, text)
  return render.color and ("\27[%sm%s\27[0m"):format(code, text) or text
end

local function source_line(site)
  if not site.line then return nil end
  local file = io.open(site.file, "rb")
  if not file then return nil end
  local n, text = 0, nil
  for line in file:lines() do
    n = n + 1
    if n == site.line then
      text = line:gsub("\r$", "")
      break
    end
  end
  file:close()
  return text
end

local function place(site)
  return site.file .. ":" .. site.line .. (site.column and ":" .. site.column or "")
end

-- The line of a chunk that is no file: what -e was given, kept by the command line.
render.chunks = {}

local function line_in_chunk(site)
  local text = render.chunks[site.file]
  if not text then return nil end
  local n = 0
  for line in (text .. "\n"):gmatch("([^\n]*)\n") do
    n = n + 1
    if n == site.line then return line end
  end
end

local function caret(site, text, suggestion)
  if not site.column then return nil end
  local lead = text:sub(1, site.column - 1):gsub("[^\t]", " ")
  local mark = ("^"):rep(math.max(1, site.span or 1))
  return lead .. paint("31", mark .. (suggestion and (' did you mean "%s"?'):format(suggestion) or ""))
end

local function excerpt(out, err)
  local site = err.site
  out[#out + 1] = "  ┌─ " .. place(site)
  local text = line_in_chunk(site) or source_line(site)
  if not text then return end
  local number = tostring(site.line)
  out[#out + 1] = ("%s │ %s"):format(number, text)
  local under = caret(site, text, err.suggestion)
  if under then out[#out + 1] = ("%s │ %s"):format((" "):rep(#number), under) end
end

local function notes(out, err)
  for _, line in ipairs(err.help or {}) do out[#out + 1] = "  = " .. line end
  if err.task and err.task.name then
    out[#out + 1] = ('  = task %d "%s"'):format(err.task.id, err.task.name)
  end
  local chain = {}
  for i, site in ipairs(err.spawned or {}) do chain[i] = place(site) end
  if chain[1] then out[#out + 1] = "  = spawned at " .. table.concat(chain, " ← ") end
  if errors.is(err.cause, "") or err.cause ~= nil then out[#out + 1] = "  = because " .. tostring(err.cause) end
  for _, e in ipairs(err.suppressed or {}) do out[#out + 1] = "  = also: " .. tostring(e) end
end

local function trace(out, err)
  if err.kind ~= "lua" or not err.traceback then return end
  for line in err.traceback:gmatch("[^\n]+") do out[#out + 1] = "  = " .. line end
end

--- The text for any error, without a newline at its end.
---@param err any
function render.error(err)
  if getmetatable(err) ~= errors.Error then return paint("31", "error") .. ": " .. tostring(err) end
  local op = err.op and ("@" .. err.op .. ": ") or ""
  local out = { paint("31;1", "error[" .. err.kind .. "]") .. ": " .. op .. tostring(err.message) }
  if err.site then excerpt(out, err) end
  notes(out, err)
  trace(out, err)
  return table.concat(out, "\n")
end

return render

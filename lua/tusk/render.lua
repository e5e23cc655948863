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

-- The column and width to underline: the site's own, or where the compiler's message says it stumbled.
local function underlined(err, text)
  if err.site.column then return err.site.column, err.site.span or 1 end
  local from = err.near and text:find(err.near, 1, true)
  return from, from and #err.near
end

local function caret(err, text)
  local column, width = underlined(err, text)
  if not column then return nil end
  local lead = text:sub(1, column - 1):gsub("[^\t]", " ")
  return lead .. paint("31", ("^"):rep(width) .. (err.suggestion and (' did you mean "%s"?'):format(err.suggestion) or ""))
end

local function excerpt(out, err)
  local site = err.site
  out[#out + 1] = "  ┌─ " .. place(site)
  local text = line_in_chunk(site) or source_line(site)
  if not text then return end
  local number = tostring(site.line)
  out[#out + 1] = ("%s │ %s"):format(number, text)
  local under = caret(err, text)
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
  if err.cause ~= nil then out[#out + 1] = "  = because " .. tostring(err.cause) end
  for i = 2, err.kind == "all_failed" and #err.errors or 0 do out[#out + 1] = "  = because " .. tostring(err.errors[i]) end
  for _, e in ipairs(err.suppressed or {}) do out[#out + 1] = "  = also: " .. tostring(e) end
end

local function trace(out, err)
  if err.kind ~= "lua" or not err.traceback then return end
  for line in err.traceback:gmatch("[^\n]+") do out[#out + 1] = "  = " .. line end
end

local function field_text(key, v)
  local name = type(key) == "string" and key or "[" .. tostring(key) .. "]"
  return name .. " = " .. (type(v) == "string" and ("%q"):format(v) or tostring(v))
end

-- A table that is nobody's error object, by its first few fields.
local function shown_table(value)
  local mt = getmetatable(value)
  if type(mt) == "table" and rawget(mt, "__tostring") then
    local ok, text = pcall(tostring, value)
    if ok then return tostring(text) end
  end
  local fields = {}
  for key, v in next, value do
    if #fields == 8 then
      fields[9] = "…"
      break
    end
    fields[#fields + 1] = field_text(key, v)
  end
  return "{ " .. table.concat(fields, ", ") .. " }"
end

-- Something raised that is no error object of ours.
local function foreign(value)
  local site, traceback = errors.noted(value)
  return { kind = "lua", message = "error object: " .. (type(value) == "table" and shown_table(value) or tostring(value)),
    site = site, traceback = traceback }
end

--- The text for any error, without a newline at its end.
---@param err any
function render.error(err)
  if getmetatable(err) ~= errors.Error then err = foreign(err) end
  local op = err.op and ("@" .. err.op .. ": ") or ""
  local out = { paint("31;1", "error[" .. err.kind .. "]") .. ": " .. op .. tostring(err.message) }
  if err.site then excerpt(out, err) end
  notes(out, err)
  trace(out, err)
  return table.concat(out, "\n")
end

return render

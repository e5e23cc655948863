-- cache.lua: compiled schemas: those of tables as long as the table lives, those of texts as long as they are in use.
local cache = {}

local VARIANTS, TEXTS, TEXT_MAX = 8, 64, 256 * 1024

local by_table = setmetatable({}, { __mode = "k" })
local texts, before, count = {}, {}, 0 -- two generations: what is not asked for while 64 others come is let go

-- Of options that are tables the identity counts. They are held weakly: they may hold the schema.
local function entry_new(opts, root)
  return {
    root = root, strict = opts.strict, defaults = opts.defaults,
    tables = setmetatable({ formats = opts.formats, schemas = opts.schemas }, { __mode = "v" }),
  }
end

local NONE, OPTIONS = {}, { formats = true, strict = true, schemas = true, defaults = true }

local function entry_of(entries, opts)
  for i = 1, #entries do
    local e = entries[i]
    if e.strict == opts.strict and e.defaults == opts.defaults and e.tables.formats == opts.formats
      and e.tables.schemas == opts.schemas then
      return e.root
    end
  end
end

local function entries_of(schema)
  if type(schema) == "table" then return by_table[schema] end
  local found = texts[schema]
  if found then return found end
  found = before[schema]
  if found then cache.put(schema, found) end
  return found
end

function cache.put(text, entries)
  if count >= TEXTS then texts, before, count = {}, texts, 0 end
  texts[text], count = entries, count + 1
end

--- What was compiled of the same table or text with the same options, or nil.
---@param schema any
---@param opts table|nil not checked yet
function cache.find(schema, opts)
  local entries = schema ~= nil and entries_of(schema)
  if not entries then return nil end
  if opts == nil then return entry_of(entries, NONE) end
  if type(opts) ~= "table" then return nil end
  for key in next, opts do
    if not OPTIONS[key] then return nil end
  end
  return entry_of(entries, opts)
end

--- Keeps what was compiled, and returns it.
function cache.keep(schema, opts, root)
  local entries = entries_of(schema)
  if not entries then
    entries = {}
    if type(schema) == "table" then by_table[schema] = entries
    elseif type(schema) ~= "string" or #schema <= TEXT_MAX then cache.put(schema, entries) end
  end
  if #entries >= VARIANTS then table.remove(entries, 1) end
  entries[#entries + 1] = entry_new(opts, root)
  return root
end

return cache

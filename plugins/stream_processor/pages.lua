-- pages.lua: a source that is asked for page after page, by offset. A page that fails is no end.
local tusk = require "tusk"

local check, is = tusk.check, tusk.errors.is

local pages = {}

-- What went wrong, and how far it had come: who catches it can begin there.
local function failed(err, offset)
  err = tusk.errors.wrap(err)
  if not is(err, "cancelled") then err.offset = offset end
  error(err, 0)
end

local function id_of(item, field)
  return type(item) == "table" and item[field] or nil
end

-- A server that does not look at the offset would be read for ever.
local function refuse_same(list, before, offset, field)
  local id = id_of(list[1], field)
  if id == nil or id ~= before then return id end
  tusk.errors.raise("stream_processor.page", ("the page at offset %d begins with %s %s, as the one before: is the offset ignored?")
    :format(offset, field, tostring(id)), { offset = offset })
end

--- A stream of the items that fetch(offset, size) returns lists of, until one is empty. What it raises, after the attempts that
--- `retry` allows, is raised at the stream's sink, with `offset`.
---@param fetch fun(offset: integer, size: integer): any[]
---@param opts { size: integer|nil, from: integer|nil, retry: table|boolean|nil, id: string|nil }|nil 100; 0; as for @policy;
---  "id": two pages never begin with the same
---@return tusk.Stream
function pages.new(fetch, opts)
  check.callable("fetch", fetch)
  opts = check.options(opts, { "size", "from", "retry", "id" })
  local size, field = check.opt_integer("size", opts.size) or 100, check.opt_string("id", opts.id) or "id"
  local offset, first = check.opt_integer("from", opts.from) or 0, nil
  local policy = @policy { retry = opts.retry }
  return @stream.pages(function()
    local ok, list = xpcall(policy.run, tusk.errors.note, policy, fetch, offset, size)
    if not ok then failed(list, offset) end
    check.table("the page", list)
    if #list == 0 then return nil end
    first = refuse_same(list, first, offset, field)
    offset = offset + #list
    return list, offset
  end)
end

return pages

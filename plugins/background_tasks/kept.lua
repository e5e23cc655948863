-- kept.lua: a file of the tasks that were not done when the program ended; the next run takes them up.
local tusk = require "tusk"

local kept = {}

-- The entries of a file that is there. One that is something else is nobody's to take away.
local function entries_of(path)
  local list = @try(@json.decode, @file.read(path), { nulls = true })
  local is_ours = type(list) == "table" and (#list > 0 or next(list) == nil)
  for _, entry in ipairs(is_ours and list or {}) do
    is_ours = is_ours and type(entry) == "table" and type(entry.task) == "string"
  end
  if is_ours then return list end
  tusk.errors.raise("config", ("plugins.background_tasks.keep: %s is no file of tasks that were kept"):format(path))
end

--- What the last run has left: name → list of { args = }, in their order.
---@param path string
---@return table<string, { args: any }[]>
function kept.read(path)
  local by_name = {}
  for _, entry in ipairs(@file.exists(path) and entries_of(path) or {}) do
    local list = by_name[entry.task] or {}
    by_name[entry.task] = list
    list[#list + 1] = { args = entry.args }
  end
  return by_name
end

--- Replaces the file: old one or new one, never half; without tasks there is none.
---@param path string
---@param entries { task: string, args: any }[]
function kept.write(path, entries)
  if not entries[1] then
    if @file.exists(path) then @file.remove(path) end
    return
  end
  @file.mkdir(path:match("^(.*)/") or ".", { parents = true })
  @file.write_json(path, entries, { pretty = true })
end

return kept

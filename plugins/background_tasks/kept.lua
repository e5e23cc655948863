-- kept.lua: a file of the tasks that were not done when the program ended; the next run takes them up.
local kept = {}

--- What the last run has left: name → list of arguments, in their order.
---@param path string
---@return table<string, any[]>
function kept.read(path)
  local by_name = {}
  for _, entry in ipairs(@file.exists(path) and @file.read_json(path) or {}) do
    local list = by_name[entry.task] or {}
    by_name[entry.task] = list
    list[#list + 1] = entry.args
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

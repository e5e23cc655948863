-- stray.lua: what the scopes of a coroutine have deferred that nobody will run to its end.
local kernel = require "tusk.kernel"
local errors = require "tusk.errors"
local scope = require "tusk.scope"

kernel.use("strays", setmetatable({}, { __mode = "v" })) -- the host enters scopes

local NOBODY = {}
local order, by_owner = {}, {} -- tasks with abandoned scopes; theirs, inner ones before outer ones

-- In a task of its own, a child of the one that the coroutine was in.
local function finish(list)
  local first
  for _, s in ipairs(list) do
    local err = scope.finish_abandoned(s)
    if err ~= nil then first = errors.suppress(first, err) end
  end
  if first ~= nil then error(first, 0) end
end

-- Called by the host amid a collection, perhaps: it is only noted.
local function note(s, owner)
  if not scope.has_deferred(s) then return end
  if not by_owner[owner] then
    by_owner[owner] = {}
    order[#order + 1] = owner
  end
  table.insert(by_owner[owner], s)
end

kernel.use("abandoned", function(s, task)
  if s then return note(s, task or NOBODY) end
  local owners, lists = order, by_owner
  order, by_owner = {}, {}
  for _, owner in ipairs(owners) do
    local finisher = kernel.spawn_later(owner ~= NOBODY and owner or nil, finish, lists[owner])
    errors.names[finisher] = "finalizers"
  end
end)

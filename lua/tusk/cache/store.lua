-- store.lua: what @cache asks of a store. memory.lua and redis.lua are two of one kind: one spec is run against both.
local errors = require "tusk.errors"

local store = {}

--- Keys are whole ones. Times are seconds; nil is for ever. `keep` is how long after its ttl a value is still there
--- for look(). What is given is the caller's own; what set and land return is not to be changed.
---@class tusk.cache.Store
---@field get fun(self, key: string): boolean, any found (also a remembered absence, nil), value
---@field look fun(self, key: string): boolean, any, number the same, and for how long it is fresh; ≤ 0: it is not
---@field get_many fun(self, keys: string[]): table, table found, values, both by position
---@field has fun(self, key: string): boolean a remembered absence is no value
---@field set fun(self, key: string, value: any, ttl: number|nil, keep: number|nil, tags: string[]|nil): any
---@field set_many fun(self, keys: string[], values: any[], ttl: number|nil, tags: string[]|nil)
---@field forget fun(self, key: string): boolean
---@field forget_tag fun(self, tag: string)
---@field touch fun(self, key: string, ttl: number|nil): boolean
---@field incr fun(self, key: string, n: number, ttl: number|nil, tags: string[]|nil): number
---@field clear fun(self, prefix: string)
---@field stats fun(self): table
---@field close fun(self)
--- A load is begun, and lands or is released. A change of the key meanwhile takes the claim away.
---@field claim fun(self, key: string, tags: string[]|nil, behind: boolean, once: boolean|nil): any, boolean|nil, any the
---  claim; or nil, found, value: another process has just loaded it; or nil: one is loading it (only `behind` the
---  callers' backs, or when it is asked for `once`: whoever has a claim must not wait for another)
---@field land fun(self, claim: any, key: string, value: any, ttl: number|nil, keep: number|nil, tags: string[]|nil): any
---@field release fun(self, claim: any, key: string)
---@field hold (fun(self, claims: any[]): tusk.Task)|nil what keeps claims that were asked for `once`
---@field at_once boolean|nil none of these waits

--- Raises: what is under the key cannot be counted on.
function store.no_number(key, what)
  errors.raise("cache.type", ("the value of %q is %s, not a number"):format(key:sub(1, 60), what), { key = key })
end

--- value + n, for incr.
function store.sum(key, value, n)
  if type(value) ~= "number" then store.no_number(key, "a " .. type(value)) end
  local sum = value + n
  if sum == math.huge or sum == -math.huge then store.beyond(key) end
  return sum
end

--- Raises: the sum is more than a number holds.
function store.beyond(key)
  errors.raise("cache.type", ("the sum for %q is more than a number holds"):format(key:sub(1, 60)), { key = key })
end

return store

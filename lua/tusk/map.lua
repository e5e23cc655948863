-- map.lua: a function of each item, side by side, bounded: @map and @batch.
local array = require "tusk.array"
local check = require "tusk.check"
local scope = require "tusk.scope"

local CONCURRENCY = 16

local function worker(job)
  while job.next <= job.n do
    local i = job.next
    job.next = i + 1
    job.results[i] = (job.fn(job.items[i]))
  end
end

local function body(s, job, workers)
  for _ = 1, workers do s:start(worker, job) end
end

--- fn of each item, side by side, bounded; results in order.
---@param items any[]
---@param fn function fn(item) → the first value is kept
---@param opts table|nil { concurrency = 16, timeout = }
---@return table results with n
return function(items, fn, opts)
  check.table("items", items)
  check.callable("fn", fn)
  opts = check.options(opts, { "concurrency", "timeout" })
  local width = check.integer("concurrency", opts.concurrency or CONCURRENCY)
  if width < 1 then check.fail("concurrency: at least 1 is needed, got " .. width, { argument = "concurrency" }) end
  local n = items.n or #items
  local job = { items = items, fn = fn, next = 1, n = n, results = array.counted({}, n) }
  scope.run(opts.timeout and { timeout = opts.timeout } or nil, body, job, math.min(width, n))
  return job.results
end

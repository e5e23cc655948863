-- several: endpoints side by side, bounded; what fails is reported beside what does not.
local answer = require "tusk.plugins.api_client.answer"
local check = require("tusk").check

-- Numbers first, then names: in the same order each time.
local function sorted(requests)
  local keys = {}
  for key in pairs(requests) do keys[#keys + 1] = key end
  table.sort(keys, function(a, b)
    if type(a) == type(b) then return a < b end
    return type(a) == "number"
  end)
  return keys
end

-- Checks them all before the first is sent → { key =, endpoint =, run = function }
local function prepared(self, requests)
  local calls = {}
  for i, key in ipairs(sorted(check.table("requests", requests))) do
    local said = requests[key]
    if type(said) == "string" then said = { said } end
    check.table(("requests[%s]"):format(tostring(key)), said)
    local prepare = self.prepare[said[1]] or self.unknown(said[1])
    calls[i] = { key = key, endpoint = said[1], run = prepare(unpack(said, 2, table.maxn(said))) }
  end
  return calls
end

-- One that would begin when the time is over is not begun.
local function within(deadline, run)
  if not deadline then return run() end
  return @timeout(math.max(deadline - @date.clock(), 0), run)
end

--- see api.fetch_multiple
return function(self, requests, opts, width)
  opts = check.options(opts, { "concurrency", "timeout" })
  width = check.opt_integer("concurrency", opts.concurrency) or width or 8
  local deadline = opts.timeout ~= nil and @date.clock() + check.duration("timeout", opts.timeout) or nil
  local results, failed = {}, nil
  @map(prepared(self, requests), function(call)
    local value, err = @try(within, deadline, call.run)
    if err then
      failed = failed or {}
      failed[call.key] = answer.dress(err, self.name, call.endpoint)
    else
      results[call.key] = value
    end
  end, { concurrency = width })
  return results, failed
end

-- sinks.lua: where batches of events go. A sink is fn(batch); what it raises says whether another try may help.
local tusk = require "tusk"

---@class analytics.Batch
---@field id string the same at every attempt
---@field count integer
---@field text string the events as a JSON array, each { id, event, at, data }

local sinks = {}

--- A table, made if it is not there. An event that is in it already, from an attempt whose end nobody saw, is not put in again.
---@param name string
---@param db table|nil from @db.open; unless given the default database
---@return fun(batch: analytics.Batch)
function sinks.table(name, db)
  if not tusk.check.string("table", name):match("^[%a_][%w_]*$") then
    tusk.check.fail(("table: %q is no name of letters, digits and _"):format(name), { argument = "table" })
  end
  local own = db or @db
  own.exec(([[
    create table if not exists "%s" (
      number integer primary key, id text not null unique, event text not null, at real not null, data text);
    create index if not exists "%s_event_at" on "%s" (event, at);
  ]]):format(name, name, name))
  local insert = ([[insert into "%s" (id, event, at, data)
    select value ->> '$.id', value ->> '$.event', value ->> '$.at', value -> '$.data' from json_each(?) where true
    on conflict (id) do nothing]]):format(name)
  own.exec(insert, "[]") -- a table of that name that is another's is told of now
  return function(batch)
    own.exec(insert, batch.text)
  end
end

--- An endpoint that gets each batch as a JSON array by POST, with an `Idempotency-Key`.
---@param url string
---@param opts { headers: table|nil, token: string|nil }|nil
---@return fun(batch: analytics.Batch)
function sinks.http(url, opts)
  opts = tusk.check.options(opts, { "headers", "token" })
  local checked = tusk.check.string("url", url):match("^[^?#]*") -- a mistake in it would be every batch's
  local client = @http.client { base = checked, headers = opts.headers, bearer = opts.token }
  return function(batch)
    client.post(url, { body = batch.text,
      headers = { ["Content-Type"] = "application/json", ["Idempotency-Key"] = batch.id } }):raise_for_status()
  end
end

--- fn(events, id): a list of { id, event, at, data }.
---@param fn fun(events: table[], id: string)
---@return fun(batch: analytics.Batch)
function sinks.call(fn)
  tusk.check.callable("sink", fn)
  return function(batch)
    fn(@json.decode(batch.text), batch.id)
  end
end

return sinks

-- parcels.lua: `@parcels`: all parcels of the carrier, each with the place where it is, in a table; a notice for each.
local processor

local parcels = {}

local PLACE = {
  type = "object", required = { "place" },
  properties = { place = { type = "string", minLength = 1 }, delivered = { type = "boolean", default = false } },
}

local function page(offset, limit)
  return @carrier.parcels { offset = offset, limit = limit }
end

local function row(parcel, where, at)
  return { id = parcel.id, owner = parcel.owner, place = where.place, delivered = where.delivered and 1 or 0, seen_at = at }
end

-- Written together; then each owner is told, in the background, and the event is tracked.
local function store(rows)
  @db.transaction(function(tx)
    for _, parcel in ipairs(rows) do tx.parcels.upsert(parcel) end
  end)
  for _, parcel in ipairs(rows) do
    @analytics.track(parcel.delivered == 1 and "delivered" or "seen", { parcel = parcel.id })
    @tasks.enqueue("notice", parcel)
  end
end

local function notice(job)
  local parcel = job.args
  @file.write_atomic(("%s/%d.txt"):format(parcels.outbox, parcel.id),
    ("Dear %s,\nyour parcel is in %s.\n"):format(parcel.owner, parcel.place))
end

--- Reads all that the carrier has.
---@return { read: integer, written: integer, failed: integer }
function parcels.import()
  return processor:run(@stream_processor.pages(page, { size = 25 }))
end

--- Those once more that went wrong.
function parcels.retry()
  return processor:redrive()
end

local function setup(ctx)
  parcels.outbox = ctx.root .. "/data/outbox"
  @file.mkdir(parcels.outbox, { parents = true })
  @db.exec [[create table if not exists parcels (
    id integer primary key, owner text not null, place text not null, delivered integer not null, seen_at real not null)]]
  processor = @stream_processor.new {
    name = "parcel", ttl = "1m", load = function(parcel) return @carrier.locate(parcel.id) end, schema = PLACE, build = row, write = store,
  }
  @tasks.define("notice", { timeout = "5s", retry = true, scope = ctx.scope }, notice)
end

return {
  name = "parcels",
  requires = { "@carrier", "@stream_processor", "@tasks", "@analytics" },
  setup = setup,
  operators = { parcels = parcels },
}

-- Run by `tusk test examples/parcels/spec`: the plugins are there, and so is the carrier; the database is one in memory.
local test = require "tusk.test"

describe("@parcels", function()
  it("stores all parcels but those that went wrong, and tells why", function()
    local done = @parcels.import()
    assert.same({ 120, 118, 2 }, { done.read, done.written, done.failed })
    local letters = @db.dead_parcels.all()
    table.sort(letters, function(a, b) return a.kind < b.kind end)
    assert.same({ "http.status.404", "enrich" }, { letters[1].kind, letters[1].stage })
    assert.same({ "validation", "validate" }, { letters[2].kind, letters[2].stage })
    assert.same({ 1, 0 }, { @db.parcels.find(3).delivered, @db.parcels.find(4).delivered })
  end)

  it("tells every owner, and tracks every parcel", function()
    @tasks.idle()
    @analytics.flush()
    assert.equal("Dear Cleo,\nyour parcel is in Osaka.\n", @file.read(@parcels.outbox .. "/2.txt"))
    assert.equal(118, @tasks.stats().done)
    assert.equal(118, @db.value("select count(*) from analytics_events"))
  end)

  it("stores the lost one when it is found", function()
    @origin.find()
    local again = @parcels.retry()
    assert.same({ 2, 1, 1 }, { again.read, again.written, again.failed })
    assert.equal(1, @db.dead_parcels.count())
  end)

  it("reads nothing as the end that is none", function()
    local _, err = @try(test.fail, "carrier.parcels", { at = 3, kind = "http.connect" }, @parcels.import)
    assert.same({ "http.connect", 50 }, { err.kind, err.offset })
  end)
end)

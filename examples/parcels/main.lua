-- All parcels of a carrier: read in pages, looked up, stored, their owners told. See README.md.
local done = @parcels.import()
print(("read    %d parcels in %d batches"):format(done.read, done.batches))
for _, letter in ipairs(@db.dead_parcels.all()) do
  print(("failed  %s: %s (%s)"):format(letter.item, letter.error, letter.stage))
end

@origin.find() -- the one that the carrier had lost
local again = @parcels.retry()
print(("again   %d of %d"):format(again.written, again.read))

@tasks.idle()
@analytics.flush()
local notices = #@file.read_dir(@parcels.outbox)
local events = @db.value("select count(*) from analytics_events")
print(("\n%d parcels · %d stored · %d failed for good · %d notices · %d events · %d answers of 503, nobody noticed"):format(
  done.read, @db.parcels.count(), @db.dead_parcels.count(), notices, events, @origin.failed))

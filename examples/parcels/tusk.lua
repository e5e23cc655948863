-- Four plugins that come with Tusk; the carrier's API is plugins/carrier.lua's.
return {
  plugins = {
    stream_processor = { batch = 20, concurrency = 6, dead_table = "dead_parcels" },
    background_tasks = { workers = 3, queue = 50 },
    analytics = { batch = 50, within = "1s" },
  },
}

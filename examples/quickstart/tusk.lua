-- What can be set, and by whom: these values, then TUSK_PLUGINS__ORIGIN__LATENCY=…, then --set …
return {
  cache = { size = "16MiB" },
  plugins = {
    processor = { tzdata = env("TZDIR", "/usr/share/zoneinfo") },
    origin = { latency = "25ms", fails = 12 },
  },
  environments = {
    test = { plugins = { origin = { latency = "1ms", fails = 3 } } },
  },
}

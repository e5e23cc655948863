-- workloads.lua: what is measured. n: how much of it, a multiple of `step`; `programs`: the folder, if not the name;
-- `module`: what its program for node needs installed.
return {
  { name = "start", what = "start and end of an empty script", n = 40, launched = true },
  { name = "spawn", what = "tasks that yield once, started and joined by the thousand", n = 1000000, step = 1000 },
  { name = "parked", what = "a parked task", n = 100000, unit = "bytes" },
  { name = "pingpong", what = "hand-overs through channels", n = 1000000, step = 2 },
  { name = "timers", what = "timers of 1 to 100 ms, all at once", n = 100000, unit = "CPU ms" },
  { name = "cancel", what = "parked tasks cancelled at once and joined", n = 100000 },
  { name = "timeouts", what = "deadlines set and not reached, one after the other", n = 1000000 },
  { name = "files", what = "files of 4 KiB read, 64 at once", n = 10000, needs = "folder", at_once = 64 },
  { name = "process_directory", what = "files read, trimmed, written", n = 10000, needs = "folders", at_once = 64 },
  { name = "selects", what = "selects by key, one after the other", n = 200000, needs = "database", at_once = 1 },
  { name = "selects64", what = "the same from 64 tasks", n = 200000, needs = "database", at_once = 64, programs = "selects" },
  { name = "inserts", what = "inserts, 1000 in a transaction", n = 100000, step = 1000, needs = "new_database" },
  { name = "each", what = "rows of one select, one by one", n = 1000000, needs = "database", rows = 1000000, module = "better-sqlite3" },
  { name = "http", what = "GETs, 64 at once", n = 20000, needs = "nginx", at_once = 64 },
  { name = "slow", what = "GETs of 50 ms each, 1000 at once", n = 1000, needs = "slow", at_once = 1000, programs = "http" },
  { name = "redis", what = "Redis GETs, one after the other", n = 50000, needs = "redis", at_once = 1 },
  { name = "redis64", what = "Redis GETs from 64 tasks", n = 200000, needs = "redis", at_once = 64, programs = "redis" },
  { name = "redis1000", what = "Redis GETs from 1000 tasks", n = 200000, needs = "redis", at_once = 1000, programs = "redis" },
  { name = "stampede", what = "tasks that ask for a value nobody has, 10 000 for each", n = 200000, step = 10000, at_once = 10000 },
  { name = "lookup", what = "users: not in Redis, read from SQLite, put into Redis", n = 50000, needs = "lookup", at_once = 64, module = "better-sqlite3" },
}

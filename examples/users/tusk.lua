return {
  db = { migrate = true },
  environments = { test = { db = { url = ":memory:" } } },
}

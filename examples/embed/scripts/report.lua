-- report.lua: asks every address in a file, side by side; keeps the answers in a database; writes a report of them all.
local dir, db

local function visit(url)
  local from = @date.clock()
  local ok, answer = pcall(@http.get, url, { timeout = "10s" })
  db.visits.insert { url = url, answer = ok and answer.status or answer.kind, ms = (@date.clock() - from) * 1000 }
end

local function line(row)
  return ("| %s | %s | %d | %.1f ms |\n"):format(row.url, row.answer, row.visits, row.ms)
end

local function run()
  local urls = @file.lines(dir .. "/urls.txt"):collect()
  @map(urls, visit, { concurrency = 8 })
  local text = "| address | answer | visits | on average |\n|---|---|--:|--:|\n"
  local rows = db.query("select url, answer, count(*) as visits, avg(ms) as ms from visits group by url, answer")
  for _, row in ipairs(rows) do text = text .. line(row) end
  @file.write_atomic(dir .. "/report.md", text)
  print(text)
end

local function setup(ctx)
  dir = ctx.dir
  db = @db.open(dir .. "/visits.db")
  db.exec("create table if not exists visits (url text, answer text, ms real)")
end

return { name = "report", setup = setup, services = { run = run } }

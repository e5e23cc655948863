-- scores.lua: keeps what became of every enemy in a database, and shows the totals of all games.
local db

local function setup(ctx)
  @file.mkdir(ctx.dir .. "/data", { parents = true })
  db = @db.open(ctx.dir .. "/data/scores.db")
  db.exec("create table if not exists fates (kind text, fate text, points integer, seconds real)")
end

local function note(fate)
  return function(_, kind, points, seconds)
    db.fates.insert { kind = kind, fate = fate, points = points, seconds = seconds }
  end
end

local function show()
  for _ in @every("500ms") do
    local rows = db.query([[
      select kind, sum(fate = 'shot') as shot, count(*) as seen, avg(seconds) as seconds
      from fates group by kind order by seen desc limit 4]])
    local lines = {}
    for i, row in ipairs(rows) do lines[i] = ("%-6s %4d/%-4d %4.1f s"):format(row.kind, row.shot, row.seen, row.seconds) end
    @game.board(unpack(lines))
  end
end

return {
  name = "scores",
  setup = setup,
  services = { show = show },
  on = { shot = note("shot"), escaped = note("escaped") },
}

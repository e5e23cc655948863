-- frame.lua: a thousand tasks as a game's scripts have them. Time is the game's: a frame is a sixtieth of a second.
local place = @bench.place()
local db = @db.open(place.database)
local rows = db.value("select count(*) from users")
db.exec("create table if not exists events (id integer primary key, who integer, what text)")

-- The scripts' own state: what a collector has to go through.
local state = {}
for i = 1, place.tables do state[i] = { x = i, y = -i, name = "thing " .. i % 1000 } end

local function think(i)
  local near, me = {}, state[i % #state + 1]
  for k = 1, 12 do
    local other = state[(i * 31 + k * 977) % #state + 1]
    near[k] = { distance = math.abs(me.x - other.x), name = other.name .. k }
  end
  table.sort(near, function(a, b) return a.distance < b.distance end)
  state[i % #state + 1] = { x = me.x, y = near[1].distance, name = me.name }
end

local work = {}

function work.timer(i)
  think(i)
  return 0.1 + i % 40 / 20
end

function work.http(i)
  local body = @http.get(place.url):text()
  @bench.did("http", #body > 0)
  return 0.5 + i % 10 / 20
end

function work.file(i)
  local text = @file.read(("%s/%06d.txt"):format(place.folder, i % place.files + 1))
  @bench.did("file", #text > 0)
  return 0.5 + i % 10 / 20
end

function work.read(i)
  local row = db.one("select id, name, email from users where id = ?", i * 7919 % rows + 1)
  @bench.did("read", row ~= nil)
  return 0.2 + i % 10 / 20
end

function work.write(i)
  db.events.insert { who = i, what = "seen" }
  @bench.did("write", true)
  return 1 + i % 10 / 10
end

local function live(kind, i)
  @sleep(i % 100 / 50)
  while true do @sleep(work[kind](i)) end
end

local counts = { timer = 700, http = 100, file = 100, read = 80, write = 20 }
local i = 0
for kind, n in pairs(counts) do
  for _ = 1, n do
    i = i + 1
    local number = i
    @spawn(@(live(kind, number)))
  end
end
@bench.ready()

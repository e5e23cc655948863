-- news.lua: asks the station over HTTP what is new, and shows it at the bottom of the screen.
local function ask(n)
  local answer = @http.get(@station.url .. "/news?n=" .. n, { timeout = "2s" }):json()
  @game.news(answer.text)
end

local function setup()
  ask(0) -- opens what HTTP needs before the first frame
end

local function watch()
  local n = 0
  for _ in @every("700ms") do
    n = n + 1
    local ok, e = pcall(ask, n)
    if not ok then @game.news("no answer: " .. e.kind) end
  end
end

return { name = "news", requires = { "station" }, setup = setup, services = { watch = watch } }

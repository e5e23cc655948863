-- commands.lua: what tool understands: one function for each command, given the rest of its line.
local commands = {}

local function need(value, what)
  if not value then error(what .. " is missing", 0) end
  return value
end

--- hash FILE
function commands.hash(path)
  return @hash.file(need(path, "a file"))
end

--- words FILE: how many.
function commands.words(path)
  local n = 0
  for line in @file.lines(need(path, "a file")) do
    for _ in line:gmatch("%S+") do n = n + 1 end
  end
  return n .. " words"
end

--- fetch URL: how it answered, how much, how fast.
function commands.fetch(url)
  local from = @date.clock()
  local response = @http.get(need(url, "an address"), { timeout = "20s" })
  return ("%d, %d bytes, %.0f ms"):format(response.status, #response.body, (@date.clock() - from) * 1000)
end

--- wait DURATION
function commands.wait(duration)
  @sleep(need(duration, "a duration"))
  return "waited " .. duration
end

return { name = "commands", operators = { commands = commands } }

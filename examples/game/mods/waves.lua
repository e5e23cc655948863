-- waves.lua: sends waves of enemies by a plan in a file. Each enemy is a task that waits for its fate.
local MOST = 40 -- alive at once

local function meet(kind)
  local fate = @game.spawn(kind, math.random(), 0.8 + math.random() * 0.5)
  if fate == "escaped" and kind == "hulk" then @log.warn("a hulk got through") end
end

local function attack(ctx)
  local places = @semaphore(MOST)
  while true do
    @scope(function(s)
      for line in @file.lines(ctx.dir .. "/waves.txt") do
        local kind, count, pause = line:match("^(%l+)%s+(%d+)%s+(%S+)")
        for _ = 1, tonumber(count) or 0 do s:spawn(@(places:with(meet, kind))) end
        if kind then @sleep(pause) end
      end
    end)
  end
end

return { name = "waves", services = { attack = attack } }

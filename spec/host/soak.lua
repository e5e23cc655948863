-- A script for soak_spec: tasks, scopes, deadlines and generators that leave scopes open, at random.
-- Arguments: the seed, the number of rounds.
local core = require "tusk.core"

local seed, rounds = ...
math.randomseed(tonumber(seed))

local STEPS, DEPTH = 2000, 12
local generators, steps = {}, 0
local act

local function wait()
  local kind = math.random(4)
  if kind == 1 then @yield()
  elseif kind == 2 then @sleep(math.random(3) / 1000)
  elseif kind == 3 then core.checkpoint()
  else @file.exists("/") end
end

local function generator(depth)
  return coroutine.wrap(function()
    for i = 1, math.random(4) do
      if math.random(2) == 1 then
        @scope(function(s)
          if math.random(2) == 1 then act(s, depth) end
          coroutine.yield(i)
          act(s, depth)
        end)
      else
        pcall(@timeout, math.random(4) / 1000, function()
          coroutine.yield(i)
          act(nil, depth)
        end)
      end
      if math.random(3) == 1 then coroutine.yield(i) end
    end
  end)
end

local function resume_one()
  if #generators == 0 then return end
  local i = math.random(#generators)
  local one = generators[i]
  if not pcall(one) or math.random(5) == 1 then table.remove(generators, i) end
end

local ACTIONS = {
  function() wait() end,
  function(_, d) pcall(@scope, function(s) act(s, d) act(s, d) end) end,
  function(s, d) if s then pcall(s.spawn, s, function() act(nil, d) wait() end) end end,
  function(_, d) generators[#generators + 1] = generator(d) end,
  resume_one, resume_one, resume_one,
  function(_, d) pcall(@timeout, math.random(5) / 1000, function() act(nil, d) wait() end) end,
  function(s, d) if s then s:defer(function() act(s, d) end) end end,
  function(_, d)
    pcall(@all, function() act(nil, d) end, function()
      act(nil, d)
      if math.random(3) == 1 then error("planned") end
    end)
  end,
  function(s) if s and math.random(4) == 1 then s:cancel() end end,
  function() if math.random(3) == 1 then error({ "planned" }) end end,
  function() collectgarbage("step", 200) end,
}

function act(s, depth)
  steps, depth = steps + 1, (depth or 0) + 1
  if steps > STEPS then return end
  if depth > DEPTH then return wait() end
  ACTIONS[math.random(#ACTIONS)](s, depth)
end

local function round()
  steps = 0
  @scope({ on_error = math.random(2) == 1 and "collect" or "fail" }, function(s)
    local function some() for _ = 1, 10 do pcall(act, s) end end
    for _ = 1, 8 do s:spawn(some) end
    local task = s:async(some)
    if math.random(2) == 1 then
      wait()
      task:cancel()
    end
  end)
end

for _ = 1, tonumber(rounds) do
  pcall(function() @async(round):await() end)
  if math.random(3) == 1 then generators = {} end
end
print("ended")

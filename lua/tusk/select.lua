-- select.lua: waits for the first of several channels, tasks, tickers and watches.
local bit = require "bit"
local kernel = require "tusk.kernel"
local channel = require "tusk.channel"
local check = require "tusk.check"
local wait = require "tusk.wait"

local c_wait, finish, clock = kernel.select_wait, kernel.finish, kernel.clock
local band, bxor, lshift, rshift = bit.band, bit.bxor, bit.lshift, bit.rshift

local select_ = {}

-- ---- what can be a case: poll(x) -> ready, value, why; line(x) -> what to stand in; due(x) -> when it may be
-- ready by itself; taken(x, value, given) -> value, why: it was what happened; begin(x): the wait begins. The
-- metatable of anything else says so in __select.

local of_channel, of_task = {}, {}

function of_channel.poll(ch)
  local how, value = kernel.channel_try_recv(ch)
  if how == false then return true, value end
  if ch.closed then return true, channel.ended(ch) end
end

function of_channel.taken(ch, value, given)
  if given then return value end
  return channel.ended(ch)
end

function of_task.poll(t)
  local state = kernel.state(t)
  if state == "done" or state == "failed" or state == "cancelled" then return true, (kernel.result(t)) end
end

function of_task.taken(t)
  return (kernel.result(t))
end

local function itself(x)
  return x
end
of_channel.line, of_task.line = itself, itself

local function kind_of(x)
  if kernel.is_channel(x) then return of_channel end
  if kernel.is_task(x) then return of_task end
  local meta = getmetatable(x)
  return type(meta) == "table" and rawget(meta, "__select") or nil
end

local function case(name, x)
  local kind = kind_of(x)
  if not kind then
    local hint, near = check.hint(tostring(name), { "timeout" })
    check.fail(("%s: a channel, task, @every or @watch expected, got %s%s"):format(tostring(name), type(x), hint),
      { argument = tostring(name), suggestion = near })
  end
  if x == kernel.current() then check.fail("a task cannot wait for itself", { argument = tostring(name) }) end
  if kind.begin then kind.begin(x) end
  return { name = name, x = x, kind = kind }
end

-- ---- the order in which cases are looked at ----

local seed = 1

local function random(n) -- 1 to n: xorshift32 (Marsaglia 2003)
  seed = bxor(seed, lshift(seed, 13))
  seed = bxor(seed, rshift(seed, 17))
  seed = bxor(seed, lshift(seed, 5))
  return band(seed, 0x7fffffff) % n + 1
end

--- From here on `@select` shuffles in the same way again, for tests.
---@param value integer
function select_.seed(value)
  seed = bit.tobit(check.integer("seed", value) * 2 + 1)
end

local function shuffle(list)
  for i = #list, 2, -1 do
    local k = random(i)
    list[i], list[k] = list[k], list[i]
  end
  return list
end

local function by_name(cases)
  local names, list = {}, {}
  for name in pairs(cases) do
    if type(name) ~= "string" then check.fail("name the cases, or give each as { what, \"name\" } in a list") end
    if name ~= "timeout" then names[#names + 1] = name end
  end
  table.sort(names)
  for i, name in ipairs(names) do list[i] = case(name, cases[name]) end
  return shuffle(list)
end

local function by_priority(cases)
  local list = {}
  for key in pairs(cases) do
    if key ~= "timeout" and not (type(key) == "number" and key <= #cases) then
      check.fail(("%s: the cases of a list come as { what, \"name\" }"):format(tostring(key)),
        { argument = tostring(key) })
    end
  end
  for i, pair in ipairs(cases) do
    check.table("case " .. i, pair)
    local name = check.string("the name of case " .. i, pair[2])
    if name == "timeout" then check.fail("timeout: the name is taken", { argument = "timeout" }) end
    list[i] = case(name, pair[1])
  end
  return list
end

-- ---- waiting ----

local function outcome(name, value, why)
  if why ~= nil then return name, value, why end
  return name, value
end

-- Who waits, in what; and when something may be ready by itself.
local function lines_of(list, due)
  local lines, waiting = {}, {}
  for _, c in ipairs(list) do
    local line, own = c.kind.line and c.kind.line(c.x), c.kind.due and c.kind.due(c.x)
    if line then
      lines[#lines + 1] = line
      waiting[#lines] = c
    end
    if own and (not due or own < due) then due = own end
  end
  return lines, waiting, due
end

local function woken(record, value)
  local chosen, given = finish(record)
  return chosen, value, given
end

local function park(list, deadline)
  local lines, waiting, due = lines_of(list, deadline)
  local chosen, value, given = woken(c_wait(lines, due and math.max(0, due - clock())))
  return waiting[chosen], value, given
end

local function run(list, deadline)
  while true do
    for _, c in ipairs(list) do
      local ready, value, why = c.kind.poll(c.x)
      if ready then return outcome(c.name, value, why) end
    end
    if deadline and clock() >= deadline then return "timeout" end
    local c, value, given = park(list, deadline)
    if c then return outcome(c.name, c.kind.taken(c.x, value, given)) end
  end
end

--- Waits until one of the cases has something and takes it; the others keep what they have.
---@param cases table { name = channel | task | every | watch, …, timeout = }: whichever of those that are ready;
---  { { what, "name" }, …, timeout = }: the first that is
---@return string name "timeout" when that has passed
---@return any value the value received, a task's first value, a tick's number, what a watch was set to
---@return string|nil closed "closed" if the channel is
function select_.run(cases)
  check.table("cases", cases)
  local seconds = cases.timeout ~= nil and check.duration("timeout", cases.timeout) or nil
  local list = cases[1] ~= nil and by_priority(cases) or by_name(cases)
  if not list[1] and not seconds then check.fail("there is nothing to wait for") end
  wait.checkpoint()
  return run(list, seconds and clock() + seconds)
end

return select_

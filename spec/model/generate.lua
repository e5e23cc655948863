-- Random programs, as data: a scope whose `body` is a list of statements.
--
--   sleep d · yield · fail · return                 an error and a value of the statement's own
--   scope [timeout] [shield] [collect] body
--   spawn|async [into = a scope] body               in the scope around it, or in a named one
--   await ref · cancel ref                          a task; a task or a scope
--   defer ref body                                  on a scope
--   try body · pcall body
--   send ch · recv ch · close ch                    of program.channels, a list of capacities
--   with sem body                                   of program.semaphores, a list of sizes
--   select cases [d = its timeout]                  each { ch } or { ref = a task }, in order of priority
--   shield timeout body
--
-- `id`, `ref` and `into` are numbers of statements. What has not been started when it is named is left alone.
-- Durations are small whole numbers, so that much happens at the same moment. A shield always has a timeout, and
-- the whole program one of LIMIT, so every program ends.
local generate = { LIMIT = 1000 }

local PLAIN = "sleep sleep sleep sleep yield fail scope scope spawn spawn spawn cancel return "
local HELD = PLAIN .. "async async await await await try try pcall pcall defer defer "
local HANDED = HELD .. "send send send send recv recv recv recv recv close "
local CHOSEN = HANDED .. "select select select select with with with with with with shield "
local LEVELS = { PLAIN, HELD, HANDED, CHOSEN }
generate.LEVELS = #LEVELS

local function words(text)
  local list = {}
  for word in text:gmatch("%a+") do list[#list + 1] = word end
  return list
end

-- Park and Miller's numbers: the same everywhere, and nobody else's.
local function dice(seed)
  local x = (seed * 7919 + 17) % 2147483646 + 1
  local function roll(n)
    x = x * 16807 % 2147483647
    return x % n + 1
  end
  for _ = 1, 3 do roll(2) end
  return roll
end

local STARTS = { spawn = true, async = true }
local HAS_BODY = {
  scope = true, spawn = true, async = true, defer = true, try = true, pcall = true, with = true, shield = true,
}
local CATCHES = { async = true, try = true, pcall = true, defer = true }
local DEPTH = 6

-- A statement that is probably there when the program comes to this one: one from before, not one around it.
local function pick(g, node, ...)
  local ids, early = {}, g.roll(8) > 1
  for _, other in ipairs(g.all) do
    local fits = not early or other.id < node.id and not node.inside[other]
    for _, op in ipairs { ... } do
      if fits and other.op == op then ids[#ids + 1] = other.id end
    end
  end
  return ids[1] and ids[g.roll(#ids)]
end

local function pick_scope(g, node)
  if g.roll(4) > 1 and #node.scopes > 0 then return node.scopes[g.roll(#node.scopes)] end
  return pick(g, node, "scope") or 0
end

local function cases(g, node)
  local list = {}
  for i = 1, g.roll(3) do
    local ref = g.roll(3) == 1 and pick(g, node, "async", "spawn") or nil
    list[i] = { ref = ref, ch = not ref and g.roll(2) or nil }
  end
  return list
end

local function fill(g, node)
  local op, roll = node.op, g.roll
  if op == "sleep" then node.d = roll(6) end
  if op == "scope" and node.id > 0 then
    node.shield = g.level > 1 and roll(6) == 1 or nil
    node.collect = g.level > 1 and roll(4) == 1 or nil
    if node.shield or roll(2) == 1 then node.timeout = roll(8) end
  end
  if STARTS[op] and roll(4) == 1 then node.into = pick_scope(g, node) end
  if op == "cancel" then node.ref = roll(3) == 1 and pick_scope(g, node) or pick(g, node, "scope", "spawn", "async") or 0 end
  if op == "await" then node.ref = pick(g, node, "async", "async", "spawn") or 0 end
  if node.ref == 0 and op == "await" then node.op, node.d = "sleep", roll(6) end
  if op == "defer" then node.ref = pick_scope(g, node) end
  if op == "with" then node.sem = roll(3) == 1 and 2 or 1 end
  if op == "shield" then node.timeout = roll(8) end
  if op == "select" then node.cases, node.d = cases(g, node), roll(3) > 1 and roll(6) - 1 or nil end
  if op == "send" or op == "recv" or op == "close" then node.ch = roll(3) == 1 and 2 or 1 end
end

local statements

local function statement(g, around, depth)
  local op = g.ops[g.roll(#g.ops)]
  if HAS_BODY[op] and depth > DEPTH then op = "sleep" end
  if op == "fail" and not CATCHES[around.op] and g.roll(3) > 1 then op = "sleep" end -- or little comes after it
  g.left, g.id = g.left - 1, g.id + 1
  local node = { op = op, id = g.id, inside = { [around] = true }, scopes = {} }
  for other in pairs(around.inside) do node.inside[other] = true end
  for i, id in ipairs(around.scopes) do node.scopes[i] = id end
  if op == "scope" then table.insert(node.scopes, node.id) end
  g.all[#g.all + 1] = node
  if HAS_BODY[op] then node.body = statements(g, node, depth + 1) end
  return node
end

function statements(g, around, depth)
  local list = {}
  for _ = 1, g.roll(5) do
    if g.left <= 0 then break end
    local node = statement(g, around, depth)
    list[#list + 1] = node
    if node.op == "return" or node.op == "fail" then break end -- nothing would come after it
  end
  return list
end

--- The program of this seed.
---@param level integer 1: scopes, tasks, sleeps, cancels; 2: awaits, tries, finalizers, shields too; 3: channels too;
---  4: selects, semaphores too
function generate.program(seed, level)
  local roll = dice(seed)
  local g = { roll = roll, level = level, ops = words(LEVELS[level]), id = 0, all = {}, channels = {} }
  for i = 1, 2 do g.channels[i] = roll(3) - 1 end
  local root = { op = "scope", id = 0, timeout = generate.LIMIT, channels = g.channels, semaphores = { 1, 2 }, inside = {}, scopes = { 0 } }
  g.all[1], g.left, root.body = root, 4 + roll(36), {}
  while g.left > 0 do
    local node = statement(g, root, 1)
    if node.op ~= "fail" and node.op ~= "return" then table.insert(root.body, node) end
  end
  for _, node in ipairs(g.all) do fill(g, node) end
  for _, node in ipairs(g.all) do node.inside, node.scopes = nil, nil end
  return root
end

--- Is this still one of the language?
function generate.valid(node)
  if (node.shield or node.op == "shield") and not node.timeout then return false end
  for _, inner in ipairs(node.body or {}) do
    if not generate.valid(inner) then return false end
  end
  return true
end

--- How many statements it has.
function generate.size(node)
  local n = 1
  for _, inner in ipairs(node.body or {}) do n = n + generate.size(inner) end
  return n
end

local FIELDS = { "d", "ref", "into", "timeout", "shield", "collect", "ch", "sem" }

local function case_text(c)
  return c.ch and "ch" .. c.ch or "t" .. c.ref
end

--- As text, a statement a line.
function generate.text(node, indent)
  indent = indent or ""
  local parts = { indent .. node.op, "#" .. node.id }
  for _, field in ipairs(FIELDS) do
    if node[field] ~= nil then parts[#parts + 1] = field .. "=" .. tostring(node[field]) end
  end
  for i, c in ipairs(node.cases or {}) do parts[#parts + 1] = ("case%d=%s"):format(i, case_text(c)) end
  if node.channels then parts[#parts + 1] = "channels=" .. table.concat(node.channels, ",") end
  local lines = { table.concat(parts, " ") }
  for _, inner in ipairs(node.body or {}) do lines[#lines + 1] = generate.text(inner, indent .. "  ") end
  return table.concat(lines, "\n")
end

generate.case_text = case_text

return generate

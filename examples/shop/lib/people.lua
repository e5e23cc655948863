-- people.lua: who comes to the shop on a day. Plain Lua: no @, nothing that waits.
local people = {}

local FIRST = { "Ada", "Barbara", "Cleo", "Dora", "Edsger", "Frances", "Grace", "Hedy", "Ivan", "Jean" }
local LAST = { "Allen", "Booth", "Clarke", "Dahl", "Euler", "Floyd", "Gray", "Hopper", "Iverson", "Jones" }

--- So many, as an iterator. Every twentieth has come already: his address is taken.
---@param day integer
---@param count integer
---@return fun(): { name: string, email: string, postcode: string, newsletter: boolean }|nil
function people.of(day, count)
  local i = 0
  return function()
    i = i + 1
    if i > count then return nil end
    local n = i % 20 == 0 and i - 1 or i
    local first, last = FIRST[n % 10 + 1], LAST[math.floor(n / 10) % 10 + 1]
    return {
      name = first .. " " .. last,
      email = ("%s.%s.%d.%d@people.example"):format(first:lower(), last:lower(), day, n),
      postcode = ("%04d"):format(n * 6007 % 10000),
      newsletter = n % 3 == 0,
    }
  end
end

--- How many of so many are new.
function people.new_of(count)
  return count - math.floor(count / 20)
end

return people

-- @random: unpredictable values from the system's generator.
local chance = require "tusk.chance"
local check = require "tusk.check"
local system = require "tusk.binding.random"

-- A test may have asked for the same values again.
local raw = chance.over(system)

local random = {}

local BYTES_MAX = 1024 * 1024

--- n random bytes.
---@param n integer from 0 to 1 MiB
---@return string
function random.bytes(n)
  check.integer("n", n)
  if n < 0 or n > BYTES_MAX then
    check.fail(("n must be from 0 to %d, got %d"):format(BYTES_MAX, n), { argument = "n" })
  end
  return raw.bytes(n)
end

--- A random UUID (version 4): "9b2f7c1e-…".
---@return string
function random.uuid()
  local b = { raw.bytes(16):byte(1, 16) }
  b[7] = b[7] % 16 + 0x40 -- version 4
  b[9] = b[9] % 64 + 0x80 -- the variant of RFC 9562
  return ("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x"):format(unpack(b))
end

--- A whole number from first to last, each as likely.
---@param first integer
---@param last integer not less than first
---@return integer
function random.int(first, last)
  check.integer("first", first)
  check.integer("last", last)
  if last < first then
    check.fail(("last (%d) is less than first (%d)"):format(last, first), { argument = "last" })
  end
  local n = last - first + 1
  if n > 2 ^ 53 then check.fail("first and last are more than 2^53 apart", { argument = "last" }) end
  return first + raw.below(n)
end

--- One item of a list, each as likely.
---@generic T
---@param list T[]
---@return T
function random.choice(list)
  check.table("list", list)
  if #list == 0 then check.fail("list: an empty list has no item to choose", { argument = "list" }) end
  return list[raw.below(#list) + 1]
end

return random

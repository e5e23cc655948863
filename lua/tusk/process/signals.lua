-- signals.lua: the names of signals, and their numbers on Linux.
local check = require "tusk.check"

local signals = {}

local numbers = {
  HUP = 1, INT = 2, QUIT = 3, ILL = 4, TRAP = 5, ABRT = 6, BUS = 7, FPE = 8, KILL = 9, USR1 = 10, SEGV = 11, USR2 = 12,
  PIPE = 13, ALRM = 14, TERM = 15, STKFLT = 16, CHLD = 17, CONT = 18, STOP = 19, TSTP = 20, TTIN = 21, TTOU = 22, URG = 23,
  XCPU = 24, XFSZ = 25, VTALRM = 26, PROF = 27, WINCH = 28, IO = 29, PWR = 30, SYS = 31,
}

local names, list = {}, {}
for name, number in pairs(numbers) do
  names[number] = name
  list[#list + 1] = name
end
table.sort(list)

local LAST = 64 -- a real-time one

--- The name of a signal; of one that has none, its number as text. nil stays nil.
---@param number integer|nil
---@return string|nil
function signals.name(number)
  return number and (names[number] or tostring(number))
end

--- The number of "TERM", "sigterm" or 15.
---@param signal string|integer
---@return integer
function signals.number(signal)
  if type(signal) == "number" and signal % 1 == 0 and signal >= 1 and signal <= LAST then return signal end
  local name = type(signal) == "string" and signal:upper():gsub("^SIG", "")
  if name and numbers[name] then return numbers[name] end
  local hint, near = "", nil
  if name then hint, near = check.hint(name, list) end
  check.fail(("signal: a name such as \"TERM\" or a number from 1 to %d expected, got %s%s")
    :format(LAST, tostring(signal), hint), { argument = "signal", suggestion = near })
end

return signals

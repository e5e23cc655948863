-- progress: how far it is: a bar for who sits at a terminal, a function for who wants to know, nothing for a log.
local check = require("tusk").check
local ffi = require "ffi"

local progress = {}

local CELLS, EVERY, STDERR = 24, 0.1, 2

ffi.cdef "int isatty(int fd);"

local function clock_text(seconds)
  seconds = math.max(0, math.floor(seconds + 0.5))
  if seconds >= 3600 then return ("%d:%02d:%02d"):format(seconds / 3600, seconds / 60 % 60, seconds % 60) end
  return ("%d:%02d"):format(seconds / 60, seconds % 60)
end

--- A line of at most 79 columns: a bar, how many of how many, how fast, how long still.
---@param p { count: integer, total: integer, rate: number, elapsed: number, done: boolean }
---@return string
function progress.line(p)
  local share = p.total > 0 and math.min(p.count / p.total, 1) or 1
  local full = math.floor(share * CELLS)
  local left = p.done and clock_text(p.elapsed)
    or p.rate > 0 and clock_text((p.total - p.count) / p.rate) .. " left" or ""
  return ("%s%s %3d %% · %d of %d · %.0f/s · %s"):format(("█"):rep(full), ("░"):rep(CELLS - full), share * 100, p.count,
    p.total, p.rate, left)
end

local function nothing() end

-- The line is drawn over itself, and gone when all is done.
local function bar(total)
  local shown = false
  return {
    every = EVERY,
    step = function(p)
      p.total, shown = total, true
      io.stderr:write("\r\27[K", progress.line(p))
    end,
    clear = function()
      if shown then io.stderr:write("\r\27[K") end
    end,
  }
end

local function is_terminal()
  return ffi.C.isatty(STDERR) == 1 and @env.get("TERM", "dumb") ~= "dumb"
end

--- What is to be told of progress: { every =, step = fn(p), clear = fn() }.
---@param how boolean|function|nil
---@param count fun(): integer how many files there are; asked only if somebody looks
function progress.teller(how, count)
  if how == false then return { every = EVERY, step = nothing, clear = nothing } end
  if how ~= nil and how ~= true then
    check.callable("progress", how)
    local total = count()
    return { every = EVERY, clear = nothing, step = function(p)
      p.total = total
      how(p)
    end }
  end
  if not is_terminal() then return { every = EVERY, step = nothing, clear = nothing } end
  return bar(count())
end

return progress

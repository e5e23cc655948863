-- rows.lua: a long answer, turned into tables in slices so that other tasks have their turn.
local core = require "tusk.core"
local raw = require "tusk.binding.sqlite"

--- All rows of an answer, given its first and, if there are more, what holds the rest.
return function(rows, rest)
  while rest do
    core.yield()
    if not raw.more(rest, rows) then break end
  end
  return rows
end

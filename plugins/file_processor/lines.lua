-- lines: one file of any size, line by line; what is written replaces the old file once all of it is there.
local check = require("tusk").check

local PIECE = 500 -- lines that are written at a time

local function copy_lines(from, writer, path, fn)
  local list, n = {}, 0
  for line in from.lines(path) do
    local out = fn(line)
    if out ~= nil then
      check.string("fn: what takes the line's place", out)
      list[#list + 1], n = out .. "\n", n + 1
      if #list == PIECE then
        writer:write(table.concat(list))
        list = {}
      end
    end
  end
  writer:write(table.concat(list))
  return n
end

-- A writer of `to`, its folder made when it turns out to be missing.
local function open(to, path)
  local writer, err = @try(to.writer, path)
  local folder = path:match("^(.*)/[^/]*$")
  if writer then return writer end
  if err.kind ~= "file.not_found" or not folder then error(err, 0) end
  to.mkdir(folder, { parents = true })
  return to.writer(path)
end

--- see processor.process_lines
return function(self, path, fn)
  return @scope(function(s)
    local writer = open(self.to, path)
    s:defer(function() writer:close() end)
    local n = copy_lines(self.from, writer, path, fn)
    writer:commit()
    return n, writer.bytes
  end)
end

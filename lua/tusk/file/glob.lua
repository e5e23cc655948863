-- glob.lua: patterns of names: checked, their braces expanded. The matching is done where the names are read.
local check = require "tusk.check"

local glob = {}

local MOST = 256 -- patterns that the braces of one may stand for

local function fail(text, why)
  check.fail(("glob: %s in %q"):format(why, text), { argument = "glob",
    help = { [[* and ? within a name, [a-z], {this,that}, ** for any folders; \ takes the next character for itself]] } })
end

local function each_with_each(text, heads, tails)
  if #heads * #tails > MOST then fail(text, ("more than %d patterns"):format(MOST)) end
  local out = {}
  for _, head in ipairs(heads) do
    for _, tail in ipairs(tails) do out[#out + 1] = head .. tail end
  end
  return out
end

-- The end of what begins at i and is no brace: one character, or a set.
local function piece_end(text, i)
  local c = text:sub(i, i)
  if c == "\\" then
    if i == #text or text:sub(i + 1, i + 1) == "/" then fail(text, "a \\ with nothing to take") end
    return i + 1
  end
  if c ~= "[" then return i end
  local at = text:match("^[!^]?%]?()", i + 1)
  while true do
    local stop = text:find("[%]\\/]", at)
    if not stop or text:sub(stop, stop) == "/" then fail(text, "a [ without its ]") end
    if text:sub(stop, stop) == "]" then return stop end
    at = stop + 2
  end
end

local sequence

-- After the "{": the alternatives, and where it goes on.
local function braces(text, i)
  local all = {}
  while true do
    local some, stop = sequence(text, i, true)
    for _, one in ipairs(some) do all[#all + 1] = one end
    if text:sub(stop, stop) == "" then fail(text, "a { without its }") end
    if text:sub(stop, stop) == "}" then return all, stop + 1 end
    i = stop + 1
  end
end

function sequence(text, i, inner)
  local out = { "" }
  while i <= #text do
    local c = text:sub(i, i)
    if inner and (c == "," or c == "}") then break end
    if c == "}" then fail(text, "a } without its {") end
    local some
    if c == "{" then
      some, i = braces(text, i + 1)
    else
      local stop = piece_end(text, i)
      some, i = { text:sub(i, stop) }, stop + 1
    end
    out = each_with_each(text, out, some)
  end
  return out, i
end

-- How many names it has; nil: any number.
local function names_in(text, pattern)
  local count, any = 0, false
  for name in (pattern .. "/"):gmatch("([^/]*)/") do
    if name == "" then fail(text, "a name is missing: it is relative to the folder, as a/*.lua,") end
    if name == "." or name == ".." then fail(text, name .. " is no name") end
    local bare = name:gsub("\\.", ""):gsub("%[.-%]", "")
    if bare:find("**", 1, true) and name ~= "**" then fail(text, "** is a name of its own, as in a/**/b, which it is not") end
    count, any = count + 1, any or name == "**"
  end
  return not any and count or nil
end

--- What the binding takes, and how deep it can match at most.
---@param text string
---@return string patterns each with a zero byte after it
---@return number depth
function glob.compile(text)
  check.string("glob", text)
  if text:find("%z") then fail(text, "a zero byte") end
  local depth, list = 0, sequence(text, 1, false)
  for _, pattern in ipairs(list) do depth = math.max(depth, names_in(text, pattern) or math.huge) end
  return table.concat(list, "\0") .. "\0", depth
end

return glob

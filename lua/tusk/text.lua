-- tusk.text: what plugins do to whole texts, in C. Bytes are kept as they are; patterns play no part.
local array = require "tusk.array"
local check = require "tusk.check"
local raw = require "tusk.binding.text"

local text = {}

local SIDES = { start = 1, ["end"] = 2, both = 3 }

local LINES, SPLIT = { "trim", "drop_blanks" }, { "trim", "drop_blanks", "max" }
local CLEAN = { "trim", "drop_blanks", "ending" }

-- One that was called with a colon has the table of functions first.
local function dot_check(v, usage)
  if v == text then check.fail(("called with a colon; write text.%s with a dot"):format(usage)) end
end

local function text_check(s, usage)
  if type(s) == "string" then return end
  dot_check(s, usage)
  check.string("s", s)
end

local function part_check(name, s)
  check.string(name, s)
  if s == "" then check.fail(name .. ": an empty string is everywhere", { argument = name }) end
end

local function sides(name, v)
  if not v then return 0 end
  if v == true then return 3 end
  local bits = SIDES[v]
  if bits then return bits end
  local hint, near = check.hint(tostring(v), { "start", "end", "both" })
  local shown = type(v) == "string" and ("%q"):format(v) or tostring(v)
  check.fail(("%s: \"start\", \"end\" or \"both\" expected, got %s%s"):format(name, shown, hint),
    { argument = name, suggestion = near })
end

local function shape(opts, sides_default, drop_default)
  check.opt_boolean("drop_blanks", opts.drop_blanks)
  local trim, drop = opts.trim, opts.drop_blanks
  if trim == nil then trim = sides_default end
  if drop == nil then drop = drop_default end
  return sides("trim", trim), drop
end

local function listed(list)
  return list[1] == nil and array(list) or list
end

--- Without the white space at its ends: spaces, "\t", "\n", "\v", "\f", "\r".
---@param s string
---@param side "start"|"end"|"both"|nil both
---@return string
function text.trim(s, side)
  text_check(s, "trim(s)")
  return raw.trim(s, side == nil and 3 or sides("side", side))
end

--- Its lines, without their "\n"; a carriage return stays, unless it is trimmed. A last line without "\n" counts.
---@param s string
---@param opts { trim: boolean|"start"|"end"|"both", drop_blanks: boolean }|nil drop_blanks: leave out lines of white space
---@return string[]
function text.lines(s, opts)
  text_check(s, "lines(s)")
  if opts == nil then return listed(raw.pieces(s, "\n", 0, false, nil, true)) end
  local trim, drop = shape(check.options(opts, LINES))
  return listed(raw.pieces(s, "\n", trim, drop, nil, true))
end

local function max_check(max)
  if max == nil then return nil end
  if check.integer("max", max) < 1 then check.fail("max: at least 1 is needed, got " .. max, { argument = "max" }) end
  return max
end

--- The pieces between separators: one more than there are of those.
---@param s string
---@param sep string as it is, no pattern
---@param opts { trim: boolean|"start"|"end"|"both", drop_blanks: boolean, max: integer }|nil max: so many pieces, the
---  last with all that is left
---@return string[]
function text.split(s, sep, opts)
  text_check(s, "split(s, sep)")
  part_check("sep", sep)
  if opts == nil then return raw.pieces(s, sep, 0) end
  local trim, drop = shape(check.options(opts, SPLIT))
  return listed(raw.pieces(s, sep, trim, drop, max_check(opts.max)))
end

-- table.concat does not say which item it is, nor that the list is none.
local function items_check(list)
  for i = 1, #list do
    local v = list[i]
    if type(v) ~= "string" and type(v) ~= "number" then check.string("item " .. i, v) end
  end
end

--- All strings of a list, one after the other.
---@param list (string|number)[]
---@param sep string|nil between them
---@return string
function text.join(list, sep)
  dot_check(list, "join(list, sep)")
  check.table("list", list)
  check.opt_string("sep", sep)
  items_check(list)
  return table.concat(list, sep)
end

--- Its lines, trimmed and without the blank ones, as one text again.
---@param s string
---@param opts { trim: boolean|"start"|"end"|"both", drop_blanks: boolean, ending: string }|nil ending: what follows each
---  line; without it there is a "\n" between two
---@return string
function text.clean(s, opts)
  text_check(s, "clean(s)")
  if opts == nil then return raw.clean(s, 3, true) end
  local trim, drop = shape(check.options(opts, CLEAN), true, true)
  check.opt_string("ending", opts.ending)
  return raw.clean(s, trim, drop, opts.ending)
end

--- How often a string occurs; occurrences do not overlap.
---@param s string
---@param part string as it is, no pattern
---@return integer
function text.count(s, part)
  text_check(s, "count(s, part)")
  part_check("part", part)
  return raw.count(s, part)
end

--- With every occurrence of a string replaced.
---@param s string
---@param part string as it is, no pattern
---@param by string as it is too
---@return string
---@return integer how many there were
function text.replace(s, part, by)
  text_check(s, "replace(s, part, by)")
  part_check("part", part)
  check.string("by", by)
  return raw.replace(s, part, by)
end

return text

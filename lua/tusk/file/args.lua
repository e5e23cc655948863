-- args.lua: what the verbs of @file and of its roots are given.
local check = require "tusk.check"
local dots = require "tusk.dots"

local args = {}

---@class tusk.file.At where paths begin
---@field root userdata|nil what they stay beneath; nil: nothing
---@field name string "@file" or "root", for messages
---@field namespace table the verbs that are bound to it

--- Raises when the first argument is the namespace itself.
---@param at tusk.file.At
---@param example string "read(path)"
function args.colon(at, value, example)
  if type(value) == "table" and (value == at.namespace or dots.is_namespace(value)) then
    check.fail(("called with a colon; write %s.%s with a dot"):format(at.name, example))
  end
end

--- Raises unless it is a path. Every verb has one first: one that was called with a colon has the namespace there.
---@param at tusk.file.At
---@param name string the argument's name
function args.path(at, name, path)
  if type(path) == "string" then return end
  args.colon(at, path, "read(path)")
  check.string(name, path)
end

--- Raises unless the options of these names are booleans, if given.
function args.flags(opts, ...)
  for i = 1, select("#", ...) do
    local name = select(i, ...)
    check.opt_boolean(name, opts[name])
  end
end

--- Permission bits: 384 or its usual writing, "600".
---@return integer|nil
function args.mode(mode)
  if mode == nil then return nil end
  local bits = mode
  if type(mode) == "string" and mode:find("^[0-7]+$") then bits = tonumber(mode, 8) end
  if type(bits) ~= "number" or bits % 1 ~= 0 or bits < 0 or bits > 4095 then
    check.fail("mode must be permission bits such as \"644\", got " .. tostring(mode))
  end
  return bits
end

--- Checks what kinds of files are wanted.
function args.kinds(opts)
  args.flags(opts, "special", "fifo")
  if opts.special and opts.fifo then
    check.fail("fifo = true is for a FIFO and nothing else, special = true for whatever it is: give one of them",
      { argument = "fifo" })
  end
end

return args

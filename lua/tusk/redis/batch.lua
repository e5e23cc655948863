-- batch.lua: several commands in one piece: pipelines and transactions.
local check = require "tusk.check"
local core = require "tusk.core"
local errors = require "tusk.errors"
local names = require "tusk.redis.names"
local raw = require "tusk.binding.redis"

local settle = core.settle
local batch = {}

-- What fn records into: called with dots, like @redis itself.
local meta = { __namespace = true, __name = "tusk.redis.batch" }

local STATE = {} -- key of what is recorded

local function record(state, name, shape, ...)
  if state.done then errors.raise("closed", "these commands have been sent already: call it inside the function") end
  raw.add(state.raw, name, ...)
  state.count = state.count + 1
  state.shapes[state.count] = shape
end

local function refuse(name)
  check.fail(("%s: %s"):format(name, names.refused[name] or names.own[name]))
end

function meta.__index(recorder, key)
  local state, name = rawget(recorder, STATE), tostring(key):upper()
  if names.refused[name] or names.own[name] then refuse(name) end
  local function add(...) return record(state, name, names.shapes[name], ...) end
  if key == "call" then
    add = function(command, ...)
      local upper = check.string("command", command):upper()
      if names.refused[upper] or names.own[upper] then refuse(upper) end
      return record(state, command, nil, ...)
    end
  end
  rawset(recorder, key, add)
  return add
end

local function recorded(fn)
  check.callable("fn", fn)
  local state = { raw = raw.batch(), count = 0, shapes = {} }
  return state, setmetatable({ [STATE] = state }, meta)
end

local function is_error(v)
  return getmetatable(v) == errors.Error
end

-- Brings the answers in shape; raises the first error among them, with all the others.
local function checked(state, list, what)
  for i = 1, state.count do
    local v, shape = list[i], state.shapes[i]
    if is_error(v) then
      v.index, v.results = i, list
      v.help = { ("command %d of %d; the others were carried out, their answers are in err.results"):format(i, what) }
      error(v, 0)
    end
    if shape and v then list[i] = shape(v) end
  end
  return list
end

--- fn(p) says what to send, p.set("k", 1) and so on; it goes in one piece. The list of answers.
---@param handle userdata
---@param fn fun(p: table)
---@return any[] answers with `n` if some are nil
function batch.pipeline(handle, fn)
  local state, recorder = recorded(fn)
  core.checkpoint()
  fn(recorder)
  state.done = true
  if state.count == 0 then return {} end
  return checked(state, settle(raw.run(handle, state.raw, false)), state.count)
end

-- The server refused a command, and with it all of them.
local function aborted(answers, last)
  for i = 2, last - 1 do
    if is_error(answers[i]) then
      answers[i].index = i - 1
      answers[i].help = { "nothing of the transaction was carried out" }
      error(answers[i], 0)
    end
  end
  error(answers[last], 0)
end

--- The same as one transaction: all of it is carried out, and nothing in between.
---@return any[]|nil answers nil, "changed": a key that was watched has been changed by somebody; nothing was done
function batch.multi(handle, fn)
  local state, recorder = recorded(fn)
  core.checkpoint()
  raw.add(state.raw, "MULTI")
  fn(recorder)
  state.done = true
  if state.count == 0 then return {} end
  raw.add(state.raw, "EXEC")
  local answers = settle(raw.run(handle, state.raw, true))
  local last = state.count + 2
  local list = answers[last]
  if list == nil then return nil, "changed" end
  if is_error(list) then aborted(answers, last) end
  return checked(state, list, state.count)
end

return batch

-- heavy.lua: a module for the specs of @worker.
local heavy = {}

local calls = 0

function heavy.echo(...) return ... end
function heavy.count(...) return select("#", ...) end
function heavy.types(...)
  local out = {}
  for i = 1, select("#", ...) do out[i] = type((select(i, ...))) end
  return table.concat(out, " ")
end

function heavy.sum(n)
  local sum = 0
  for i = 1, n do sum = sum + i end
  return sum
end

function heavy.digest(n)
  return @hash.sha256(("x"):rep(n))
end

function heavy.calls()
  calls = calls + 1
  return calls
end

function heavy.global(name, value)
  local before = _G[name]
  _G[name] = value
  return before
end

function heavy.fail() error("no luck") end
function heavy.fail_with(value) error(value) end
function heavy.fail_as(kind) require("tusk").errors.raise(kind, "as asked", { code = 7, cause = require("tusk").errors.new("deeper", "why") }) end
function heavy.index() local t = nil return t.x end
function heavy.json(text) return @json.decode(text) end
function heavy.try() local _, e = @try(error, "tried") return e.message end
function heavy.sleep() @sleep("1ms") end
function heavy.spawn() @spawn(print) end
function heavy.nested() return @worker.call("spec.support.heavy", "echo") end
function heavy.unfit() return 1, { list = { 1, print } } end

--- Runs until it is interrupted; first makes the file, to say that it has begun.
function heavy.check_forever(path)
  if path then io.open(path, "w"):close() end
  while true do @worker.check() end
end

function heavy.check_deaf()
  while true do
    pcall(function() while true do @worker.check() end end)
  end
end

function heavy.interpret_deaf()
  jit.off(true, true)
  while true do pcall(function() while true do tostring(1) end end) end
end

function heavy.check() return @worker.check(), "passed" end

return heavy

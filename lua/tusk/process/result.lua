-- result.lua: how a program ended, and what it wrote.
local check = require "tusk.check"
local dots = require "tusk.dots"
local errors = require "tusk.errors"
local secret = require "tusk.secret"
local signals = require "tusk.process.signals"
local spec = require "tusk.process.spec"

local result = {}

local TAIL = 4096 -- bytes of stderr that an error keeps

---@class tusk.process.Result
---@field code integer|nil its exit status; nil: a signal ended it
---@field signal string|nil the name of that signal
---@field ok boolean code is 0
---@field stdout string|nil
---@field stderr string|nil
local Result = check.strict({ __name = "result" }, "a result", { "code", "ok", "signal", "stderr", "stdout" },
  { absent = { "code", "signal", "stderr", "stdout" } })
Result.__index = Result

local shown = setmetatable({}, { __mode = "k" }) -- result → its command line

---@return tusk.process.Result
function result.new(argv, code, signal, stdout, stderr)
  local self = { code = code, signal = signals.name(signal), ok = code == 0, stdout = stdout, stderr = stderr }
  shown[self] = spec.shown(argv)
  return setmetatable(self, Result)
end

local function how(self)
  if self.signal then return "was ended by SIG" .. self.signal end
  return "exited with code " .. self.code
end

function Result:__tostring()
  return ('"%s" %s'):format(shown[self], how(self))
end

local function last_line(text)
  local line = text:match("([^\n]*%S[^\n]*)%s*$")
  return line and ": " .. line or ""
end

--- The result itself; raises kind process.exit unless the program ended with code 0.
---@return tusk.process.Result
function Result:check()
  if getmetatable(self) ~= Result then dots.colon(Result, self, "result", "check") end
  if self.ok then return self end
  local tail = secret.mask((self.stderr or ""):sub(-TAIL))
  errors.raise("process.exit", tostring(self) .. last_line(tail), {
    code = self.code, signal = self.signal, argv = shown[self], stderr = tail, result = self, sent = true,
  })
end

return result

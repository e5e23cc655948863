-- What LuaJIT makes of the validator says the same as the interpreter.
local program = require "spec.support.program"

-- Of ten runs three went wrong, each once, between the 100th and the 400th value.
local SCRIPT = [[
  local codec = require "tusk.cache.codec"
  jit.off(codec.encode, true)
  jit.opt.start("maxside=0")
  local schema = @validator.compile { type = "object", required = { "city", "country" } }
  for id = 1, 400 do
    local item = { city = id % 2 == 0 and "Oslo" or "Bergen" }
    local value = @cache.remember("item:" .. id, "1h", function()
      return (schema.validate { city = item.city, country = "NO" })
    end)
    assert(value.city == item.city)
  end
  print "all fit"
]]

it("a value that fits is not refused while the code around it is compiled and the collector works", function()
  for _ = 1, 10 do
    local r = program.run { "-e", SCRIPT }
    assert.equal("all fit\n", r.stdout, r.stderr)
  end
end)

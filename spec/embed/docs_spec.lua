-- The programs in docs/embedding.md are built, and do what the page says.
local embedder = require "spec.support.embedder"
local program = require "spec.support.program"
local temp = require "spec.support.temp"
local uv = require "luv"

local blocks = {}
for text in temp.read("docs/embedding.md"):gmatch("\n```c[^\n]*\n(.-)\n```") do blocks[#blocks + 1] = text .. "\n" end

local function block_with(text)
  for _, block in ipairs(blocks) do
    if block:find(text, 1, true) then return block end
  end
  error("no program with " .. text)
end

local function prints(text, pattern)
  temp.dir(function(dir)
    local run, remove = embedder.build(temp.write(dir .. "/program.c", block_with(text)), {})
    local ok, said = pcall(run)
    remove()
    assert(ok, said)
    assert.matches(pattern, said)
  end)
end

describe("docs/embedding.md", function()
  it("has a first program that prints the time", function() prints('"hello"', "^%d+%.?%d*\n$") end)
  it("has an operator that a thread answers", function() prints("thinker.ask", "^42\n$") end)

  it("has a plugin in C", function()
    temp.dir(function(dir)
      assert(uv.fs_mkdir(dir .. "/plugins", 493))
      embedder.plugin(dir .. "/plugins/halves.so", temp.write(dir .. "/halves.c", block_with("TUSK_PLUGIN(")))
      temp.write(dir .. "/main.lua", "print(@halves.of(3))")
      local r = program.run({ "run", dir })
      assert.same({ 0, "1.5\n" }, { r.status, r.stdout })
    end)
  end)
end)

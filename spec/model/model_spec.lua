-- Random programs do on Tusk what the rules say: what ends when, in which order, and how.
--   N=100000 build/tusk test spec/model      so many programs
--   SEED=17 build/tusk test spec/model       from this seed on
local generate = require "spec.model.generate"
local reference = require "spec.model.reference"
local runner = require "spec.model.runner"
local shrink = require "spec.model.shrink"

local PROGRAMS, FIRST = tonumber(os.getenv "N") or 300, tonumber(os.getenv "SEED") or 1
local BATCH = 5000

-- The richest language half of the time.
local function level_of(seed)
  return math.min(seed % 6 + 1, generate.LEVELS)
end

-- What is expected, and what happened instead; nil if that is one of the orders that are allowed.
local function mismatch(program, broken)
  local got = table.concat(runner.run(program), "\n")
  local expected = table.concat(reference.run(program, true, broken), "\n")
  if got == expected or got == table.concat(reference.run(program, false, broken), "\n") then return nil end
  return expected, got
end

local function check(seed, level, broken)
  local program = generate.program(seed, level)
  if not mismatch(program, broken) then return nil end
  local small = shrink(program, function(p) return mismatch(p, broken) ~= nil end)
  local expected, got = mismatch(small, broken)
  return small, ("seed %d, level %d:\n%s\nexpected:\n%s\ngot:\n%s"):format(seed, level, generate.text(small), expected, got)
end

describe("programs at random do what the rules say,", function()
  for from = FIRST, FIRST + PROGRAMS - 1, BATCH do
    local to = math.min(from + BATCH, FIRST + PROGRAMS) - 1
    it(("seeds %d to %d"):format(from, to), function()
      for seed = from, to do
        local _, text = check(seed, level_of(seed))
        if text then error(text, 0) end
      end
    end)
  end
end)

describe("a rule that is broken on purpose is found, and the program made small:", function()
  local function found(rule, level, size)
    for seed = 1, 2000 do
      local small = check(seed, level, { [rule] = true })
      if small then
        assert.is_true(generate.size(small) <= size, generate.text(small))
        return
      end
    end
    error("nobody noticed", 0)
  end

  it("a child's failure leaves its siblings alone", function() found("sibling", 1, 6) end)
  it("a shield does not hold", function() found("shield", 2, 8) end)
  it("finalizers run first in, first out", function() found("defer", 2, 8) end)
  it("a channel is last in, first out", function() found("fifo", 3, 9) end)
  it("a select takes of every case that is ready", function() found("select", 4, 9) end)
  it("the last who waits for a permit is the first to have it", function() found("line", 4, 11) end)
  it("a cancelled holder keeps its permit", function() found("permit", 4, 6) end)
end)

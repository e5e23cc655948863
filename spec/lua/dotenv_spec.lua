-- .env files: what is read, and what is refused.
local dotenv = require "tusk.dotenv"

local function parse(text) return dotenv.parse(text, "x/.env") end

describe("a .env file", function()
  local cases = {
    ["nothing"] = { "", {} },
    ["plain values"] = { "A=1\nB_2=two words\nc.d=x", { A = "1", B_2 = "two words", ["c.d"] = "x" } },
    ["blanks around names and values"] = { "  A =  x \t\n\tB=y\r\n", { A = "x", B = "y" } },
    ["empty values"] = { "A=\nB=''\nC=\"\"\n", { A = "", B = "", C = "" } },
    ["comments"] = { "# A=1\n\n  # x\nB=2 # two\nC=a#b\nD='#' # c\nE=# nothing\n", { B = "2", C = "a#b", D = "#", E = "" } },
    ["export"] = { "export A=1\nexport\tB = 2\nexported=3", { A = "1", B = "2", exported = "3" } },
    ["single quotes, literally"] = { [[A='a "b" \n $C']], { A = [[a "b" \n $C]] } },
    ["double quotes, with escapes"] = { [[A="a\n\t\"b\" \\ \$C $D"]], { A = "a\n\t\"b\" \\ $C $D" } },
    ["quoted values over several lines"] = { "A=\"one\ntwo\"\nB='x\n\ny'\nC=3", { A = "one\ntwo", B = "x\n\ny", C = "3" } },
    ["no interpolation"] = { "A=1\nB=$A ${A} `x`", { A = "1", B = "$A ${A} `x`" } },
    ["the last of two"] = { "A=1\nA=2", { A = "2" } },
    ["a byte order mark"] = { "\239\187\191A=1", { A = "1" } },
    ["equals signs and backslashes in a bare value"] = { [[A=b=c\n]], { A = [[b=c\n]] } },
  }
  for name, case in pairs(cases) do
    it("may hold " .. name, function() assert.same(case[2], parse(case[1])) end)
  end

  local faults = {
    ["a line without ="] = { "A=1\n\nnonsense\n", 3 },
    ["a name that begins with a digit"] = { "1A=2", 1 },
    ["a name with a dash"] = { "A=1\nA-B=2", 2 },
    ["no name"] = { "=1", 1 },
    ["a quote that is not closed"] = { "A=1\nB='x\nC=2\n", 2 },
    ["a double quote that is not closed"] = { 'A="x\n\n', 1 },
    ["text after a quote"] = { "A=\"a\nb\" c\n", 2 },
    ["an unknown escape"] = { 'A="a\n\\q"', 2 },
    ["a zero byte"] = { "A=a\0b", 1 },
  }
  for name, case in pairs(faults) do
    it("may not hold " .. name, function()
      local _, e = @try(parse, case[1])
      assert.equal("config", e.kind)
      assert.same({ "x/.env", case[2] }, { e.file, e.line })
      assert.truthy(e.message:find("x/.env:" .. case[2] .. ": ", 1, true))
    end)
  end
end)

-- docs/first-plugin.md does what it says: its files are written, its commands run, what they print compared.
local app = require "spec.support.app"
local program = require "spec.support.program"
local temp = require "spec.support.temp"

-- The fenced blocks of a page in order: { language, name, text, line }
local function blocks(path)
  local list, open, number = {}, nil, 0
  for line in io.lines(path) do
    number = number + 1
    local language, name = line:match("^```(%w*) ?(%S*)$")
    if open and line == "```" then open = nil
    elseif open then open.text = open.text .. line .. "\n"
    elseif language then
      open = { language = language, name = name, text = "", line = number }
      list[#list + 1] = open
    end
  end
  return list
end

-- "NAME=value tusk run hello" → its environment and arguments
local function parse(command)
  local env, args = {}, {}
  for word in command:gmatch("%S+") do
    local name, value = word:match("^([%u_]+)=(.*)$")
    if name then env[name] = value else args[#args + 1] = word end
  end
  assert(table.remove(args, 1) == "tusk", "a tusk command: " .. command)
  return env, args
end

-- What a command prints, but for the log, which looks different on a terminal; a time taken is no promise.
local function output_of(commands, dir)
  local out = ""
  for command in commands:gmatch("[^\n]+") do
    local env, args = parse(command)
    local r = program.run(args, { cwd = dir, env = env })
    out = out .. r.stdout .. ("\n" .. r.stderr):gsub("\n{\"time\"[^\n]*", ""):gsub("^\n", "")
  end
  return (out:gsub("[%d.]+ seconds", "N seconds"))
end

describe("docs/first-plugin.md", function()
  temp.dir(function(dir)
    local commands
    for _, block in ipairs(blocks("docs/first-plugin.md")) do
      if block.language == "lua" then app.write(dir, { [block.name] = block.text })
      elseif block.language == "sh" then commands = block
      elseif block.language == "text" then
        local said = output_of(commands.text, dir)
        it(("says on line %d what is printed by: %s"):format(block.line, commands.text:match("[^\n]+")), function()
          assert.are.equal((block.text:gsub("[%d.]+ seconds", "N seconds")), said)
        end)
      end
    end
  end)

  it("names only pages that there are", function()
    for target in temp.read("docs/first-plugin.md"):gmatch("%]%(([^)]+)%)") do
      if not target:find("^https:") then assert.is_true(@file.exists("docs/" .. target), target) end
    end
  end)
end)

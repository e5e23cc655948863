-- spec.lua: what a caller wants to be started, checked, as the binding takes it.
local check = require "tusk.check"
local secret = require "tusk.secret"

local spec = {}

local GRACE = 5 -- seconds between TERM and KILL
local MAX = 16 * 1024 * 1024 -- bytes of each output that are kept
local INPUT = { none = 0, pipe = 1, inherit = 2 }
local OUTPUT = { pipe = 0, capture = 1, inherit = 2, ignore = 3, stdout = 4 }

local COMMON = { "stdin", "stdout", "stderr", "cwd", "env", "clear_env", "grace", "group", "shell", "terminal" }

local function with(...)
  local list = { ... }
  for _, name in ipairs(COMMON) do list[#list + 1] = name end
  return list
end

spec.run_options = with("timeout", "capture", "max")
spec.spawn_options = with()

local function refuse_nul(name, text)
  if text:find("\0", 1, true) then check.fail(name .. " cannot contain a zero byte", { argument = name }) end
  return text
end

-- One argument of the program: others see them in the list of processes.
local function argument(i, v)
  local name = ("argv[%d]"):format(i)
  if secret.is(v) then
    check.fail(name .. ": a secret would be seen in the list of processes: hand it over in env or stdin", { argument = name })
  end
  if type(v) == "number" and v == v and v ~= math.huge and v ~= -math.huge then v = tostring(v) end
  return refuse_nul(name, check.string(name, v))
end

local function of_list(argv)
  local list = {}
  for i = 1, #argv do list[i] = argument(i, argv[i]) end
  for key in pairs(argv) do
    if type(key) ~= "number" or list[key] == nil then
      check.fail(("argv: a list of strings expected, it has the key %s"):format(tostring(key)), { argument = "argv" })
    end
  end
  if not list[1] or list[1] == "" then check.fail("argv: the program is missing", { argument = "argv" }) end
  return list
end

local LIST = 'argv: a list expected, such as { "ls", "-l" }'

local function arguments(argv, shell)
  if shell then
    if type(argv) ~= "string" then check.fail("argv: with shell = true a string expected", { argument = "argv" }) end
    return { "/bin/sh", "-c", refuse_nul("argv", argv) }
  end
  if type(argv) == "string" then
    check.fail(LIST .. ", got a string; a line that the shell is to read needs shell = true", { argument = "argv" })
  end
  if type(argv) ~= "table" then check.fail(LIST .. ", got " .. type(argv), { argument = "argv" }) end
  return of_list(argv)
end

local function variable(name, value)
  if type(name) ~= "string" or name == "" or name:find("[=%z]") then
    check.fail("env: a variable's name is a string without \"=\" and zero bytes, got " .. tostring(name), { argument = "env" })
  end
  if value == false then return name end -- it is removed
  if secret.is(value) then value = value:reveal() end
  if type(value) == "number" then value = tostring(value) end
  local shown = "env." .. name
  return name .. "=" .. refuse_nul(shown, check.string(shown, value))
end

local function environment(env)
  local list = {}
  for name, value in pairs(check.opt_table("env", env) or {}) do list[#list + 1] = variable(name, value) end
  table.sort(list)
  return list
end

local function output(name, value, default, allowed)
  value = value == nil and default or value
  for _, word in ipairs(allowed) do
    if value == word then return OUTPUT[word] end
  end
  check.fail(('%s: write "%s", got %s'):format(name, table.concat(allowed, '" or "'), tostring(value)), { argument = name })
end

local function flags(opts, ...)
  for i = 1, select("#", ...) do
    local name = select(i, ...)
    check.opt_boolean(name, opts[name])
  end
end

-- With the terminal it is as if the program had been started instead of this one.
local function terminal(opts, made)
  for _, name in ipairs { "stdin", "stdout", "stderr", "capture", "group" } do
    if opts[name] ~= nil then
      check.fail(("%s: with terminal = true the program has the terminal, and nothing else"):format(name), { argument = name })
    end
  end
  made.input, made.stdout, made.stderr, made.group = INPUT.inherit, OUTPUT.inherit, OUTPUT.inherit, false
end

-- Bytes to be written: text itself; anything else is pulled from while the program runs.
local function input(made, stdin, default)
  if secret.is(stdin) then stdin = stdin:reveal() end
  made.input = INPUT.pipe
  if stdin == nil or stdin == false then
    made.input = stdin == nil and default or INPUT.none
  elseif type(stdin) == "string" then
    made.stdin = stdin
  elseif type(stdin) == "table" or type(stdin) == "userdata" or check.is_callable(stdin) then
    made.source = stdin
  else
    check.fail("stdin: a string or what @stream takes expected, got a " .. type(stdin), { argument = "stdin" })
  end
end

-- What this process has printed comes before what the program prints into the same place.
local function in_order(made)
  if made.stdout == OUTPUT.inherit then io.stdout:flush() end
  return made
end

local function common(argv, opts)
  flags(opts, "clear_env", "group", "shell", "terminal")
  local cwd = check.opt_string("cwd", opts.cwd)
  if cwd == "" then check.fail("cwd: the name of a folder expected, got an empty string", { argument = "cwd" }) end
  return {
    argv = arguments(argv, opts.shell), env = environment(opts.env), clear = opts.clear_env or false,
    cwd = cwd and refuse_nul("cwd", cwd), group = opts.group ~= false,
    grace = check.duration("grace", opts.grace, GRACE), max = MAX,
  }
end

--- For run: the outputs are collected.
function spec.of_run(argv, opts)
  local made = common(argv, opts)
  flags(opts, "capture")
  made.max = check.size("max", opts.max, MAX)
  if opts.terminal then
    terminal(opts, made)
    return in_order(made)
  end
  local default = opts.capture == false and "inherit" or "capture"
  made.stdout = output("stdout", opts.stdout, default, { "capture", "inherit", "ignore" })
  made.stderr = output("stderr", opts.stderr, default, { "capture", "inherit", "ignore", "stdout" })
  input(made, opts.stdin, INPUT.none)
  return in_order(made)
end

--- For spawn: the outputs are read while it runs.
function spec.of_spawn(argv, opts)
  local made = common(argv, opts)
  if opts.terminal then
    terminal(opts, made)
    return in_order(made)
  end
  made.stdout = output("stdout", opts.stdout, "pipe", { "pipe", "inherit", "ignore" })
  made.stderr = output("stderr", opts.stderr, "pipe", { "pipe", "inherit", "ignore", "stdout" })
  input(made, opts.stdin, INPUT.pipe)
  if made.source then check.fail("stdin: a string expected; anything else is written to process.stdin", { argument = "stdin" }) end
  return in_order(made)
end

--- A command line for messages: masked, on one line, not too long.
---@param argv string[]
---@return string
function spec.shown(argv)
  local text = secret.mask(table.concat(argv, " ")):gsub("%c", "?")
  return #text > 200 and text:sub(1, 200) .. "…" or text
end

return spec

-- Who may know whom, among the rooms of the tree.
local uv = require "luv"

-- ---- the tree ----

local function gather(folder, ending, into)
  local scan = uv.fs_scandir(folder)
  while scan do
    local name, kind = uv.fs_scandir_next(scan)
    if not name then break end
    local path = folder .. "/" .. name
    if kind == "directory" then gather(path, ending, into)
    elseif name:match(ending) then into[#into + 1] = path end
  end
  return into
end

local function files(folder, ending)
  local list = gather(folder, ending, {})
  table.sort(list)
  return list
end

local function text_of(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

local function exists(path)
  return uv.fs_stat(path) ~= nil
end

-- What a Lua text requires by literal name.
local function required(text)
  local names = {}
  for name in text:gsub("%-%-[^\n]*", ""):gmatch("%f[%w_]require%s*%(?%s*[\"']([^\"']*)[\"']") do
    names[#names + 1] = name
  end
  return names
end

local function included(text)
  local names = {}
  for line in text:gmatch("[^\n]+") do
    local quoted, foreign = line:match('^#%s*include%s*"(.-)"'), line:match("^#%s*include%s*<(.-)>")
    names[#names + 1] = quoted or foreign
  end
  return names
end

local function without_comments(text)
  return (text:gsub("/%*.-%*/", ""):gsub("//[^\n]*", ""))
end

-- ---- the rules: each looks at one file's text and lists what it may not know ----

local rules = {}

-- lua/tusk/op/db.lua and lua/tusk/db/… are the room `db`; lua/tusk/x.lua is nobody's: the core.
local function room_of(path)
  local name = path:match("^lua/tusk/op/([%w_]+)") or path:match("^lua/tusk/([%w_]+)/")
  return name ~= "cli" and name or "core"
end

local function room_of_module(name)
  local path = "lua/" .. name:gsub("%.", "/")
  for _, file in ipairs { path .. ".lua", path .. "/init.lua" } do
    if exists(file) then return room_of(file) end
  end
  return "core" -- made in C, or the beginning of a name
end

-- Operators reach each other, and the core reaches them, by name: operators.get("json").
function rules.lua(path, text)
  local wrong = {}
  for _, name in ipairs(required(text)) do
    local binding = name:match("^tusk%.binding%.")
    local room = not binding and name:match("^tusk%.") and room_of_module(name) or "core"
    if room ~= "core" and room ~= room_of(path) then wrong[#wrong + 1] = name end
  end
  return wrong
end

-- Is there such a module in the file's folder, or in one above it below plugins/ or examples/?
local function is_own(path, name)
  local file, folder = name:gsub("%.", "/"), path:match("^(.*)/")
  while folder and folder:find("/", 1, true) do
    for _, place in ipairs { "/", "/lib/" } do
      local start = folder .. place .. file
      if exists(start .. ".lua") or exists(start .. "/init.lua") then return true end
    end
    folder = folder:match("^(.*)/")
  end
  return false
end

local PUBLIC = { tusk = true, ffi = true, bit = true }

-- One that we ship calls itself tusk.plugins.NAME; its specs know what all specs know.
local function is_shipped(path, name)
  local own, room = path:match("^plugins/([^/]+)/(.*)$")
  if not own then return false end
  return (name .. "."):find("tusk.plugins." .. own .. ".", 1, true) == 1
    or room:find("^spec/") and (name == "tusk.test" or name == "luv" or name:find("^spec%.support%."))
end

-- A plugin knows tusk, FFI and its own files.
function rules.plugin(path, text)
  local wrong = {}
  for _, name in ipairs(required(text)) do
    if not PUBLIC[name] and not is_own(path, name) and not is_shipped(path, name) then wrong[#wrong + 1] = name end
  end
  return wrong
end

-- An example may be adventurous as well, and stand on what we ship.
function rules.example(path, text)
  local wrong = {}
  for _, name in ipairs(rules.plugin(path, text)) do
    local test = name == "tusk.test" and path:find("/spec/", 1, true)
    if name ~= "luv" and not test and not name:find("^tusk%.plugins%.") then wrong[#wrong + 1] = name end
  end
  return wrong
end

-- A binding's files know the public headers, each other, and headers of the system and of its library.
function rules.binding(path, text)
  local wrong, own = {}, path:match("([^/_.]+)[^/]*$")
  for _, name in ipairs(included(text)) do
    local ours = exists("host/" .. name) or exists("bindings/" .. name)
    if ours and name ~= "tusk_lua.h" and name ~= "tusk.h" and name:match("^[^_.]+") ~= own then wrong[#wrong + 1] = name end
  end
  return wrong
end

-- The libraries that a binding says it is linked with.
function rules.libraries(text)
  local list = {}
  for line in text:gmatch("/%* link: (.-) %*/") do
    for library in line:gmatch("%-l(%S+)") do
      if library ~= "stdc++" and library ~= "pthread" then list[#list + 1] = library end
    end
  end
  return list
end

-- The host knows its own headers, the C library, libuv and Lua.
function rules.host(_, text)
  local wrong = {}
  for _, name in ipairs(included(text)) do
    for _, library in ipairs { "sqlite", "curl", "hiredis", "pcre2", "simdjson", "luv", "cairo", "openssl" } do
      if name:find(library, 1, true) then wrong[#wrong + 1] = name end
    end
    if exists("bindings/" .. name) then wrong[#wrong + 1] = name end
  end
  return wrong
end

function rules.resuming(path, text)
  if path == "host/task.c" then return {} end
  local wrong = {}
  for _, call in ipairs { "lua_resume", "lua_yield" } do
    if without_comments(text):find("%f[%w_]" .. call .. "%s*%(") then wrong[#wrong + 1] = call end
  end
  return wrong
end

-- ---- the tree obeys them ----

local function obeys(list, rule)
  local found = {}
  for _, path in ipairs(list) do
    for _, what in ipairs(rule(path, text_of(path))) do found[#found + 1] = path .. " knows " .. what end
  end
  assert.same({}, found)
end

local function c_files(folder)
  return files(folder, "%.[ch]c?$")
end

describe("the rooms of the tree", function()
  it("lua: an operator requires the core and its own files, the core no operator", function()
    obeys(files("lua", "%.lua$"), rules.lua)
  end)

  -- One multi of libcurl carries both: @email is the other user of the binding that @http is for.
  local TOGETHER = { email = "http" }

  it("lua: a binding belongs to one room or one file of the core", function()
    local owners, shared = {}, {}
    for _, path in ipairs(files("lua", "%.lua$")) do
      local room = room_of(path)
      room = TOGETHER[room] or room
      if room == "core" then room = path end
      for _, name in ipairs(required(text_of(path))) do
        local binding = name:match("^tusk%.binding%.(.*)")
        if binding then
          owners[binding] = owners[binding] or room
          if owners[binding] ~= room then shared[#shared + 1] = binding .. ": " .. owners[binding] .. ", " .. room end
        end
      end
    end
    assert.same({}, shared)
  end)

  it("plugins require tusk, FFI and their own files; examples luv too", function()
    obeys(files("plugins", "%.lua$"), rules.plugin)
    obeys(files("examples", "%.lua$"), rules.example)
  end)

  it("bindings include the public headers and their own, never another's and never the host's", function()
    obeys(c_files("bindings"), rules.binding)
  end)

  it("bindings are for one library each", function()
    local several = {}
    for _, path in ipairs(c_files("bindings")) do
      local list = rules.libraries(text_of(path))
      if #list > 1 then several[#several + 1] = path .. ": " .. table.concat(list, ", ") end
    end
    assert.same({}, several)
  end)

  it("host includes none of the libraries that bindings are for", function()
    obeys(c_files("host"), rules.host)
  end)

  it("only host/task.c resumes or yields", function()
    obeys(c_files("host"), rules.resuming)
    obeys(c_files("bindings"), rules.resuming)
  end)
end)

-- ---- and they would notice ----

describe("the rules notice", function()
  local function refuses(rule, path, text, what)
    assert.same({ what }, rules[rule](path, text))
  end

  it("an operator that requires another's file", function()
    refuses("lua", "lua/tusk/op/json.lua", 'local x = require "tusk.op.file"', "tusk.op.file")
    refuses("lua", "lua/tusk/db/rows.lua", "local x = require('tusk.http.url')", "tusk.http.url")
  end)

  it("a file of the core that requires an operator's", function()
    refuses("lua", "lua/tusk/render.lua", 'require("tusk.op.log").info()', "tusk.op.log")
  end)

  it("a plugin that reaches into the host or another plugin", function()
    refuses("plugin", "plugins/users/init.lua", 'require "tusk.core"', "tusk.core")
    refuses("plugin", "plugins/users/init.lua", 'require "luv"', "luv")
    refuses("plugin", "plugins/users/init.lua", 'require "tusk.plugins.reporter"', "tusk.plugins.reporter")
    refuses("plugin", "plugins/users/spec/users_spec.lua", 'require "tusk.plugins.users_of_others"',
      "tusk.plugins.users_of_others")
  end)

  it("a binding that includes the host or another binding", function()
    refuses("binding", "bindings/curl_url.c", '#include "host.h"', "host.h")
    refuses("binding", "bindings/curl.c", '#include "tusk_lua.h"\n#include "sqlite.h"', "sqlite.h")
  end)

  it("two libraries in one binding", function()
    assert.same({ "curl", "sqlite3" }, rules.libraries("/* link: -lcurl -lsqlite3 -lstdc++ */"))
  end)

  it("a library in the host", function()
    refuses("host", "host/task.c", "#include <curl/curl.h>", "curl/curl.h")
  end)

  it("a resume outside of task.c", function()
    refuses("resuming", "host/wait.c", "// lua_yield(L)\n  return lua_resume(L, 1);", "lua_resume")
    refuses("resuming", "bindings/file.c", "return lua_yield (L, 1);", "lua_yield")
  end)
end)

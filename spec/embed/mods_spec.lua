-- Plugins as an embedder sees them (mods.c): functions called, events told, unloaded; one of them in C.
local embedder = require "spec.support.embedder"
local temp = require "spec.support.temp"
local uv = require "luv"

local USERS = [[
local users = {
  find = function(id) return "user " .. id end,
  asks = function() return @who() end,
  broken = function() error("no") end,
  wait = function() @sleep("1h") end,
  both = function() return "users" end,
}
return {
  name = "users", operators = { users = users, groups = { both = function() return "groups" end } },
  on = { opened = function(ctx, what, n) @say(ctx.name, what, n, @who()) end },
}
]]

local LATE = [[
return {
  name = "late", operators = { late = function() return "late" end },
  setup = function()
    @on("opened", function(what) @say("late subscribes:", what, @who()) end)
  end,
  on = { opened = function(ctx, what) @sleep(0) @say(ctx.name, what) error("handler") end },
}
]]

it("plugins are called, told of events, unloaded; those in C too", function()
  local run, remove = embedder.build("spec/embed/mods.c", {})
  temp.dir(function(dir)
    for _, folder in ipairs { "mods", "native" } do assert(uv.fs_mkdir(dir .. "/" .. folder, 493)) end
    temp.write(dir .. "/mods/users.lua", USERS)
    temp.write(dir .. "/mods/late.lua", LATE)
    embedder.plugin(dir .. "/native/physics.so", "spec/embed/plugin.c")
    local ok, said = pcall(run, dir)
    remove()
    assert(ok, said)
    assert.equal([=[
users users.find: user 7
users find: user 7
users asks: users
users broken: error in Lua, lua, by users
users both: bad argument, "both" of users could be groups.both or users.both
users groups.both: groups
users fnd: not found, there is no function of the plugin "users": "fnd" (did you mean "find"?)
users users.fnd: not found, there is no function of the plugin "users": "users.fnd" (did you mean "users.find"?)
user find: not found, there is no plugin "user" (did you mean "users"?)
late late: late
told
users door 3 users
late subscribes: door late
late door
log of late: error[lua]: handler
waiting: cancelled
users find: not found, there is no plugin "users"
told
late subscribes: door late
late door
log of late: error[lua]: handler
physics who: physics
314
fan
log of fan: error[physics.over]: @physics.settle: the world has ended
physics who: not found, there is no plugin "physics"
closed
closed
closed
in use: not in this state, @physics.new: @physics is an operator of the plugin "physics"
physics who: physics
free: ok
log of physics: physics.so: @physics is the host's own and cannot be replaced
in use: error in Lua
late late: closed, the plugin "late" is ending
late late: not found, there is no plugin "late"
]=], said)
  end)
end)

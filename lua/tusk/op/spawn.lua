-- @spawn(fn, …): see task.lua.
return require("tusk.task").spawn

-- @async(fn, …): see task.lua.
return require("tusk.task").async

-- @semaphore(size): so many tasks at once. See semaphore.lua.
return require("tusk.semaphore").new

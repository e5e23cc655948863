-- @select{ name = channel, …, timeout = }: the first of several things. See select.lua.
return require("tusk.select").run

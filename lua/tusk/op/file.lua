-- @file: files without ever stopping the loop. The verbs are in lua/tusk/file, one family a file.
local verbs = require "tusk.file.verbs"

return verbs.bind({ name = "@file", namespace = {} })

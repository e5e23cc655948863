-- db.lua: @db: the default database. See docs/operators/db.md.
local core = require "tusk.core"
local database = require "tusk.db.database"

local options, url = {}, nil
for key, value in pairs(core.config("db")) do
  if key == "url" then url = value
  elseif key ~= "migrate" then options[key] = value end -- which is for who starts the program
end

return (database.new(url or ":memory:", options))

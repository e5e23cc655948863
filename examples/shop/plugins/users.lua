-- users.lua: @users: the repository of users, each with a profile, through the cache.
local repository = require "tusk.plugins.repository"

local users = repository.new("users", {
  ttl = "1h",
  children = { profile = { table = "profiles", key = "user_id" } },
})

--- Those of all days whose region is not known.
function users.without_region()
  return @db.query "select id from users where region is null order by id"
end

return { name = "users", operators = { users = users } }

-- users.lua: people, with the profile and the addresses that belong to each.
local repository = require "tusk.plugins.repository"

local users = repository.new("users", {
  ttl = "1h",
  children = {
    profile = { table = "profiles", key = "user_id" },
    addresses = { table = "addresses", key = "user_id", many = true, order = "id" },
  },
})

--- The user with that address, or nil.
---@param email string
function users.by_email(email)
  return users.find_by { email = email }
end

return { name = "users", operators = { users = users } }

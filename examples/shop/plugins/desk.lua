-- desk.lua: @desk: people sign up at it; what they need not wait for is done in the background.
local desk = {}

--- Stores a user with the profile, or nothing; false when the address is taken. The event is tracked when that is committed.
---@param day integer
---@param person { name: string, email: string, postcode: string, newsletter: boolean }
---@return table|false user
function desk.sign_up(day, person)
  local user, err = @try(@db.transaction, function(tx)
    local user = @users.create {
      day = day, name = person.name, email = person.email,
      profile = { postcode = person.postcode, newsletter = person.newsletter },
    }
    tx.after_commit(@(@analytics.track("sign_up", { day = day, user = user.id })))
    return user
  end)
  if user then
    @tasks.try_enqueue("enrich", { user = user.id }) -- where there is no room, catch_up finds it
    return user
  end
  if not err:is("db.constraint") then error(err, 0) end
  @analytics.track("refused", { day = day })
  return false
end

-- In the background: the region, from the API. A second time is harmless: it is noted, and tracked, once.
local function enrich(job)
  local user = @users.find(job.args.user)
  if user.region then return end
  local region = @regions.of(user.profile.postcode)
  @db.transaction(function(tx)
    if @users.find(user.id).region then return end
    @users.update(user.id, { region = region })
    tx.after_commit(@(@analytics.track("enriched", { day = user.day, user = user.id })))
  end)
end

--- Enqueues all who have no region yet: there was no room, the API was away for long, the program was killed. How many.
---@return integer
function desk.catch_up()
  local left = @users.without_region()
  for _, user in ipairs(left) do @tasks.enqueue("enrich", { user = user.id }) end
  return #left
end

local function setup()
  @tasks.define("enrich", { timeout = "30s", retry = { attempts = 3, base = "1s" } }, enrich)
end

-- At the end what is in line is done while all that it needs is still there: those that this plugin requires end after it.
local function shutdown()
  @try(@timeout, "4s", @tasks.idle)
end

return {
  name = "desk",
  requires = { "@users", "@regions", "@tasks", "@analytics" },
  setup = setup,
  operators = { desk = desk },
  on = { shutdown = shutdown },
}

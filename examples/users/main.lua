-- People, read and changed through a repository. See README.md.
local COUNT, ASKED = 2000, 500

local function seconds(fn)
  local from = @date.clock()
  fn()
  return @date.clock() - from
end

local function store(i)
  @users.create {
    name = "User " .. i, email = i .. "@example.com",
    profile = { bio = "Number " .. i }, addresses = { { street = i .. " Main Street" } },
  }
end

if @users.count() == 0 then
  local took = seconds(@(@db.transaction(function()
    for i = 1, COUNT do store(i) end
  end)))
  print(("stored  %d users, each with a profile and an address, in %.2f s"):format(COUNT, took))
else
  print(("found   %d users in the database"):format(@users.count()))
end

-- Some of them, last first. The first time they come from the database, 200 to a statement; then from the cache.
local ids, rows = {}, nil
for i = 1, ASKED do ids[i] = COUNT - i + 1 end
local first = seconds(function() rows = @users.find_many(ids) end)
local hits = @cache.stats().hits
local again = seconds(function() rows = @users.find_many(ids) end)
hits = @cache.stats().hits - hits
for i, id in ipairs(ids) do assert(rows[i].id == id and rows[i].profile.user_id == id) end
print(("read    %d users: %.1f ms, again: %.1f ms"):format(ASKED, first * 1000, again * 1000))

-- What is undone was never in the cache.
@try(@db.transaction, function()
  @users.update(1, { name = "Nobody", profile = { bio = "gone" } })
  @orders.create { user_id = 1, total = 10 }
  error "changed my mind"
end)
assert(@users.find(1).name == "User 1" and @orders.count() == 0)

print(("\n%d users · %d read twice, in the order asked for · %d from the cache · the undone change is nowhere")
  :format(@users.count(), ASKED, hits))

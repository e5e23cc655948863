-- Run by `tusk test examples/users/spec`: the plugins are there, the database is one in memory.
describe("@users", function()
  it("stores a user with all that belongs to it, or nothing", function()
    local ann = @users.create { name = "Ann", email = "ann@example.com", profile = { bio = "climbs" } }
    assert.same(ann, @users.find(ann.id))
    assert.equal("climbs", @users.by_email("ann@example.com").profile.bio)
    local _, err = @try(@users.create, { name = "Bob", email = "bob@example.com", addresses = { {} } })
    assert.equal("db.constraint", err.kind)
    assert.is_nil(@users.by_email("bob@example.com"))
  end)

  it("gives many in the order they are asked for", function()
    local ids = {}
    for i = 1, 5 do ids[6 - i] = @users.create({ name = "U" .. i, email = "u" .. i }).id end
    local names = {}
    for i, user in ipairs(@users.find_many(ids)) do names[i] = user.name end
    assert.same({ "U5", "U4", "U3", "U2", "U1" }, names)
  end)
end)

describe("@orders", function()
  it("is another repository", function()
    local ann = @users.create { name = "Ann", email = "another ann" }
    local order = @orders.create { user_id = ann.id, total = 12.5 }
    assert.equal(12.5, @orders.find(order.id).total)
  end)
end)

-- Run by `tusk test examples/reports/spec`: the plugin is there, the database is one in memory.
local book = require "book"

describe("the example of reports", function()
  setup(function() @db.orders.insert_many(book.orders()) end)

  it("has the same book each time", function()
    assert.same(book.orders(), book.orders())
  end)

  it("adds up: what the CSV says of December is what the database says", function()
    local lines, total = 0, 0
    for line in @reporter.render("orders", { format = "csv" }):gmatch("([^\r\n]+)\r\n") do
      local amount = line:match(",([%d.]+)$")
      if amount then lines, total = lines + 1, total + tonumber(amount) end
    end
    assert.equal(@db.value("select count(*) from orders where day like '2025-12%'"), lines)
    assert.is_near(@db.value("select sum(quantity * price) from orders where day like '2025-12%'"), total, 0.005)
  end)

  it("can be of any month", function()
    local html = @reporter.render("orders", { format = "html", params = { month = "2025-07" } })
    assert.truthy(html:find("<title>Every order of 2025-07</title>", 1, true))
    assert.truthy(html:find("<td>2025-07-01</td>", 1, true))
  end)
end)

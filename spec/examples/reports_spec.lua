-- The example of reports, as its README says: four files, the PDFs with pages that another program can read.
local program = require "spec.support.program"
local temp = require "spec.support.temp"

describe("examples/reports", function()
  it("makes a PDF, an HTML and a CSV of a year, and a PDF of a month", function()
    temp.dir(function(dir)
      @file.copy("examples/reports", dir .. "/app", { recursive = true })
      local r = program.run { "run", dir .. "/app" }
      assert.equal(0, r.status, r.stderr)
      local out = dir .. "/app/out/"
      local pages = {}
      for name, count in r.stdout:gmatch("out/(%w+)%.pdf%s+[%d.]+ kB, (%d+) pages") do pages[name] = tonumber(count) end
      for name, count in pairs { year = 2, orders = pages.orders } do
        assert.equal(count, pages[name])
        local info = @process.run({ "pdfinfo", out .. name .. ".pdf" }):check().stdout
        assert.matches("Pages:%s+" .. count .. "\n", info)
      end
      assert.matches("Dec 2025%s+174%s+57,461%.30", @process.run({ "pdftotext", "-layout", out .. "year.pdf", "-" }).stdout)
      assert.matches("^<!doctype html>", @file.read(out .. "year.html"))
      assert.matches("^Month,Orders,Turnover €,Cost €,Margin\r\n", @file.read(out .. "year.csv"))
    end)
  end)
end)

-- The year of a shop, reported: as PDF, HTML and CSV. See README.md.
local book = require "book"

if not @db.orders.exists() then @db.orders.insert_many(book.orders()) end

@reporter.define("year", {
  title = "The year {year}",
  subtitle = "Turnover, cost and margin by month and country",
  params = { year = 2025 },
  data = {
    months = [[
      select substr(day, 1, 7) || '-01' as month, count(*) as orders, sum(quantity * price) as turnover,
        sum(quantity * cost) as cost, 1 - sum(quantity * cost) / sum(quantity * price) as margin
      from orders where day like :year || '%' group by 1 order by 1]],
    countries = [[
      select country, count(*) as orders, sum(quantity) as pieces, sum(quantity * price) as turnover,
        sum(quantity * price) * 1.0 / (select sum(quantity * price) from orders where day like :year || '%') as share
      from orders where day like :year || '%' group by country order by turnover desc]],
    products = [[
      select product, sum(quantity) as pieces, sum(quantity * price) as turnover, sum(quantity * (price - cost)) as margin
      from orders where day like :year || '%' group by product order by turnover desc]],
  },
  body = {
    "Orders fell off over the summer, as they do each year, and autumn more than made up for it. All figures are in euro, "
      .. "without tax – “net”, as the books say.",
    { figures = {
      { label = "Turnover", sum = "turnover", from = "months", prefix = "€ ", decimals = 0, note = "all countries" },
      { label = "Orders", sum = "orders", from = "months", note = "returns left out" },
      { label = "Margin", format = "percent", note = "of turnover",
        value = function(data)
          local turnover, cost = 0, 0
          for _, m in ipairs(data.months) do turnover, cost = turnover + m.turnover, cost + m.cost end
          return 1 - cost / turnover
        end },
      { label = "Best month", max = "turnover", from = "months", prefix = "€ ", decimals = 0 },
    } },
    { chart = "bars", from = "months", title = "Turnover and cost by month", x = { "month", format = "month", pattern = "%b" },
      y = { { "turnover", title = "Turnover" }, { "cost", title = "Cost" } }, prefix = "€ " },
    { table = { { "month", title = "Month", format = "month" }, { "orders", title = "Orders", total = "sum" },
      { "turnover", title = "Turnover €", decimals = 2, total = "sum" }, { "cost", title = "Cost €", decimals = 2, total = "sum" },
      { "margin", title = "Margin", format = "percent" } }, from = "months" },
    { heading = "Where it went" },
    { table = { { "country", title = "Country" }, { "orders", title = "Orders", total = "sum" },
      { "pieces", title = "Pieces", total = "sum" }, { "turnover", title = "Turnover €", decimals = 2, total = "sum" },
      { "share", title = "Share", format = "percent" } }, from = "countries" },
    { heading = "What it was" },
    { table = { { "product", title = "Product" }, { "pieces", title = "Pieces", total = "sum" },
      { "turnover", title = "Turnover €", decimals = 2, total = "sum" }, { "margin", title = "Margin €", decimals = 2, total = "sum" } },
      from = "products" },
    { chart = "lines", from = "months", title = "Margin by month", x = { "month", format = "month", pattern = "%b" },
      y = "margin", format = "percent", height = 130 },
  },
})

local wanted = { { "year", "pdf" }, { "year", "html" }, { "year", "csv" }, { "orders", "pdf" } }

local function make(which)
  return @reporter.generate(which[1], { format = which[2] })
end

for _, r in ipairs(@map(wanted, make)) do -- side by side; in order
  print(("%-24s %7.1f kB%s"):format(r.path, r.size / 1000, r.pages and (", %d pages"):format(r.pages) or ""))
end

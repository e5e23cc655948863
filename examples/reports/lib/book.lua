-- book.lua: an order book of one year, made up, the same each time.
local book = {}

local COUNTRIES = { "Österreich", "Česko", "Danmark", "Ελλάδα", "Polska", "Suomi" }
local PRODUCTS = {
  { "Espresso Nº 4, whole beans, 1 kg", 21.9, 12.4 }, { "Filter coffee, light roast", 14.5, 8.1 },
  { "Darjeeling, first flush", 32, 19.5 }, { "Earl Grey", 9.9, 4.2 }, { "Rooibos with orange peel and vanilla", 8.5, 3.9 },
  { "Cups, stoneware, set of six", 48, 29 },
}

-- Park and Miller's generator: whole numbers, so that every machine has the same ones.
local function dice(seed)
  return function(n)
    seed = seed * 16807 % 2147483647
    return seed % n + 1
  end
end

--- All orders, by day.
---@return table[]
function book.orders()
  local roll, list = dice(2025), {}
  for month = 1, 12 do
    for _ = 1, 90 + roll(40) + (month > 9 and 45 or month > 6 and -15 or 0) do
      local p = PRODUCTS[math.min(roll(#PRODUCTS), roll(#PRODUCTS))]
      list[#list + 1] = { day = ("2025-%02d-%02d"):format(month, roll(28)), country = COUNTRIES[math.min(roll(6), roll(6))],
        product = p[1], quantity = roll(12) * roll(4), price = p[2], cost = p[3] }
    end
  end
  table.sort(list, function(a, b) return a.day < b.day end)
  return list
end

return book

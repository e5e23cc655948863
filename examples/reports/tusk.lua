-- One report is described here, as data; another in main.lua, in Lua.
return {
  db = { migrate = true },
  plugins = {
    reporter = {
      dir = "out",
      author = "Northern Tea & Coffee",
      reports = {
        orders = {
          title = "Every order of {month}",
          subtitle = "the order book, line by line",
          params = { month = "2025-12" },
          query = "select day, country, product, quantity, quantity * price as total from orders "
            .. "where day like :month || '%' order by day, id",
          body = {
            { figures = {
              { label = "Orders", count = "total" },
              { label = "Turnover", sum = "total", prefix = "€ ", decimals = 0 },
              { label = "An order on average", avg = "total", prefix = "€ ", decimals = 2 },
            } },
            { table = {
              { "day", title = "Day", format = "date" },
              { "country", title = "Country" },
              { "product", title = "Product" },
              { "quantity", title = "Quantity", total = "sum" },
              { "total", title = "Total €", decimals = 2, total = "sum" },
            } },
          },
        },
      },
    },
  },
}

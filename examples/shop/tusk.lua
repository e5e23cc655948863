-- What can be set, and by whom: these values, then TUSK_PLUGINS__SHOP__PEOPLE=…, then --set …
return {
  db = { migrate = true },
  cache = { url = env("SHOP_CACHE", "memory:") }, -- redis://…: shared by all of the shop's processes
  plugins = {
    background_tasks = { workers = 8, queue = 100, drain = "3s" },
    analytics = { batch = 100, within = "1s" },
    reporter = { author = "The shop" },
    regions = { base = env("SHOP_API") }, -- of the town, unless set
    night = { smtp = env("SHOP_SMTP"), to = "board@shop.example" },
  },
  environments = {
    test = { plugins = { town = { fails = 3 } } },
  },
}

-- cached.lua: @cached is @cache.remember.
return require("tusk.operators").get("cache").remember

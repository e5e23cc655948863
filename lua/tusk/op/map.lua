-- @map(items, fn, { concurrency = }): fn of each item, side by side, bounded; results in order, with `n`.
return require "tusk.map"

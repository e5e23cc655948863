-- @on(event, fn): fn(…) runs as a task at each event of that name that the embedding program emits.
return require("tusk.events").subscribe

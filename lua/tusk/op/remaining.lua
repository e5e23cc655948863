-- @remaining(): seconds until the innermost deadline, or nil when there is none.
return require("tusk.kernel").remaining

-- Operators written against lua_State (lua_op.c): what tusk_lua.h promises.
local embedder = require "spec.support.embedder"

it("operators over lua_State park, answer without waiting, fail, are cancelled", function()
  local run, remove = embedder.build("spec/embed/lua_op.c", {})
  local ok, said = pcall(run)
  remove()
  assert(ok, said)
  assert.equal([[
2
@slow.upper: it is defined already
ABC	text, no hurry	3
ONE	TWO
soon, in a hurry
false	slow.empty	there is nothing to make larger	9
false	argument	text: a string of less than 32 bytes is needed	10
false	operator	no function "uper" (did you mean "upper"?)	11
false	operator	cannot wait here: table.sort is in the way; collect what the comparison needs first, then sort	12
task_cancelled
task_cancelled
2 cancels, 5 finished
]], said)
end)

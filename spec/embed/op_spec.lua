-- Operators from C (op.c): answered at once, later, by threads; failed, cancelled, too late.
local embedder = require "spec.support.embedder"

describe("operators from C", function()
  local run, remove

  setup(function() run, remove = embedder.build("spec/embed/op.c", {}) end)
  teardown(function() remove() end)

  local function case(what, name, expected)
    it(what, function() assert.equal(expected, run(name)) end)
  end

  case("answer at once, with any number of results", "at_once", [[
a 1 nil 2.5
b
0
]])

  case("answer later, once", "later", [[
asks
1 call, of ask, deadline none, plugin script
ok
again: not in this state
and failed: not in this state
answer
]])

  case("are answered by eight threads at once: the first counts", "threads", [[
1400
200 first, 1400 after them
]])

  case("wait side by side, each for its own answer", "interleaved", [[
2 20 false
0 0 false
3 30 false
1 10 false
]])

  case("of two hosts on two threads are answered by others", "two_hosts", "700 700\n")

  case("are answered by a thread while their time runs out", "race", [[
300 answers
]])

  case("fail with a kind, at the caller's line; misspelt ones name what is near", "failed", [[
physics.no_world there is no world physics.cast 3
abandoned it was given up without an answer
no function "cats" (did you mean "cast"?)
there is no operator @physic (did you mean "physics"?)
@physics
]])

  case("are defined once, beside the host's own", "names", [[
ping: ok
ping: not in this state: @ping: it is defined already
ping.x: not in this state: @ping.x: it is defined already
physics.a: ok
physics.a: not in this state: @physics.a: it is defined already
physics.b: ok
physics: not in this state: @physics: there are functions in it
file: not in this state: @file: @file is the host's own and cannot be added to
file.x: not in this state: @file.x: @file is the host's own and cannot be added to
json.decode: not in this state: @json.decode: @json is the host's own and cannot be added to
: bad argument: "" is no name for an operator: write "ping" or "physics.raycast"
a.b.c: bad argument: "a.b.c" is no name for an operator: write "ping" or "physics.raycast"
1x: bad argument: "1x" is no name for an operator: write "ping" or "physics.raycast"
end: bad argument: "end" is no name for an operator: write "ping" or "physics.raycast"
a b: bad argument: "a b" is no name for an operator: write "ping" or "physics.raycast"
no function: bad argument
no name: bad argument
]])

  case("can be defined while tasks run", "meanwhile", [[
false
here
true
]])

  case("that answer before they return are called where a task cannot wait", "plain", [[
1.5
1 2 3
argument one number is needed 4
denied denied
]])

  case("that may wait are refused there, before they begin", "refused", [[
operator
0 calls
]])

  case("are cancelled, and end their work", "cancelled", [[
deadline within a second: yes
timeout 1
1 cancels; late: not in this state
]])

  case("are cancelled once, and waited for until they answer", "cancelled_late", [[
deadline within a second: yes
1 cancel, waits for the answer
timeout 1
1 cancels; late: not in this state
]])

  case("without a function for it are left alone when cancelled", "dropped", [[
deadline within a second: yes
timeout 1
0 cancels; late: cancelled
]])

  case("that were cancelled and have a result all the same give it", "done_after_cancel", [[
result
false
]])

  case("are told when their own function cancels the caller", "cancels_its_caller", [[
0 cancel, cancelled, late: cancelled, cancelled
1 cancel, not in this state, late: ok, ok
1 cancel, cancelled, late: not in this state, cancelled
]])

  case("are told of a close; later answers are refused", "after_close", [[
1 cancel; closed, closed, ask
quiet: closed
cancelled: 1
]])

  case("that never answer do not hold up a close", "never_answered", [[
1 cancel, closed
]])

  case("take no memory that they do not give back", "many", [[
100000
as much memory as before
]])
end)

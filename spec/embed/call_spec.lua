-- Functions of Lua called from C, and events (call.c).
local embedder = require "spec.support.embedder"

local run, remove

setup(function() run, remove = embedder.build("spec/embed/call.c", {}) end)
teardown(function() remove() end)

local function case(what, name, expected)
  it(what, function() assert.equal(expected, run(name)) end)
end

describe("a call from C", function()
  case("gives what it returns, or what it failed with", "results", [=[
add: ok 3 sum
slow: ok slept
slow: timed out, timeout, @sleep: timed out after 5ms, by none, task some, trace none
slow: ok slept
bad: error in Lua, lua, script:3: attempt to index local 't' (a number value), by none, task some, trace some
bad: error in Lua, lua, script:3: attempt to index local 't' (a nil value), by none, task some, trace some
odd: error in Lua, lua, error object, by none, task some, trace none
refused: error in Lua, result, result 1: a function cannot be given to C, by none, task some, trace none
child: error in Lua, lua, script:6: the child, by none, task some, trace some
nothing: ok
hash.sha256: ok e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
ad: there is no global function "ad" (did you mean "add"?)
hash.sha265: there is no function of @hash: "sha265" (did you mean "sha256"?)
hsh.sha256: there is no operator "hsh" (did you mean "hash"?)
: there is no global function ""
]=])

  case("is cancelled, before it begins too", "cancels", [=[
cancelled before it began: cancelled, cancelled, cancelled, by none, task some, trace none
not yet: not in this state
cancelled: cancelled, cancelled, script:9: @sleep: cancelled, by none, task some, trace none
stubborn: cancelled, cancelled, cancelled, by none, task some, trace none
]=])

  case("tells when it has ended, in a step; a failure that nobody is told of is reported", "callbacks", [=[
0 told before a step
log: error[lua]: attempt to index local 't' (a nil value)
  ┌─ script:3
  = task 5 "bad"
  = script:3: in function <script:3>
told: ok 3 sum
told: ok 3 sum
told: error in Lua, lua, script:3: attempt to index local 't' (a nil value), by none, task some, trace some
3 told
chain: ok 102 sum
]=])

  case("ends when the host closes", "at_close", [=[
closing: cancelled, cancelled, script:9: @sleep: cancelled, by none, task some, trace none
another: closed
emit: closed
closed: cancelled, cancelled, script:9: @sleep: cancelled, by none, task some, trace none
]=])

  case("can be made from inside an operator", "inside", [=[
suicide: cancelled, cancelled, script:1: @sleep: cancelled, by none, task some, trace none
called with 2
after
heard	2	3
told: ok 5 sum
]=])

  case("that never waits ends when it has taken too long", "computing", [=[
spin: took too long without waiting, cpu, script:1: computed for more than 20000 us without waiting, by none, task some, trace some
caught: took too long without waiting, cpu, script:2: computed for more than 20000 us without waiting, by none, task some, trace some
fine: ok fine
]=])

  case("that takes more memory than there may be fails alone", "capped", ("not enough memory, memory\nok\n"):rep(3))

  case("takes no memory that it does not give back; nor does an event", "many", [=[
1250025000, as much memory as before
count: ok 100000
]=])
end)

describe("events", function()
  case("are told to all that listen, each with values of its own", "events", [=[
subscription to "hit"	hit
fn: function expected, got nil
event: string expected, got number 1
event: a name is needed
"shutdown" is for a plugin's manifest: on = { shutdown = function(ctx) … end }
called with a dot; write subscription:cancel() with a colon
a subscription has no "name"
nobody: ok
shutdown: bad argument
no name: bad argument
hit: ok
one	a	2
log: error[lua]: this handler fails
  ┌─ script:4
  = task 4 "on.hit"
  = script:4: in function 'fn'
two	a	1
log: error[lua]: this handler fails
  ┌─ script:4
  = task 7 "on.hit"
  = script:4: in function 'fn'
two	a	1
]=])
end)

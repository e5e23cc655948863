-- Values between C and Lua (value.c), by copy.
local embedder = require "spec.support.embedder"

describe("values", function()
  local run, remove

  setup(function()
    run, remove = embedder.build("spec/embed/value.c", { static = true, more = "-Wl,--wrap=malloc,--wrap=calloc" })
  end)
  teardown(function() remove() end)

  local function case(what, name, expected)
    it(what, function() assert.equal(expected, run(name)) end)
  end

  case("of Lua are plain data in C", "from_lua", [=[
nil true false int 0 int -1 int 9007199254740992 int -9007199254740992 num 1.5 num -0 num 9007199254740994 num inf
int 9223372036854775807 int -9223372036854775808 int 5 a\0b ""
{} [] [int 1, int 2] {a = int 1} {int 1 = int 1, int 3 = int 3} {int 2 = x} {int 1 = int 1, b = int 2}
{num 1.5 = true} {true = int 1} {int 0 = int 0}
[[[deep]]] {a = {b = {}}} nil [nil, int 1]
[int 1, int 2] [int 1, nil, int 3, nil]
int 1 a\0b [int 1, {x = y}] nil {} [] num 4.6116860184273879e+18 int 4611686018427387905
]=])

  case("of C are Lua's own", "to_lua", [=[
int 1 nil nil
int 2 boolean true
int 3 number 9.007199254741e+15
int 4 cdata 9007199254740993LL
int 5 cdata -9223372036854775808LL
int 6 number 1e+300
int 7 string a\0b
int 8 string ""
int 9 table table
int 10 table table
int 11 table table
int 12 table table
int 1 true c false
true true false
int 3 true true int 0 no c
true true int 3
]=])

  case("come back as they were, whatever they are", "random_values", "true int 0\n")

  case("that C cannot have are argument errors at the caller's line, with the way to them", "refused_from_lua", ([=[
argument argument 2: a function cannot be given to C int 2
argument argument 1.body.on_hit[1]: a function cannot be given to C int 2
argument argument 1.a: a thread cannot be given to C int 2
argument argument 1: a userdata cannot be given to C int 2
argument argument 1: a cdata cannot be given to C int 2
argument argument 1: a table as a key cannot be given to C int 2
argument argument 1.x: a cdata as a key cannot be given to C int 2
argument argument 1.me[1]: a table that contains itself int 2
argument argument 1%s: nested deeper than 64 int 2
argument argument 1[false][1]: a function cannot be given to C int 2
argument argument 1: beyond what an int64_t holds int 2
argument argument 1: a list with named fields int 2
argument argument 1: a list with too many holes int 2
argument argument 1.key: a userdata cannot be given to C int 2
argument argument 201: no more than 200 can be given to C int 2
argument argument 1[1]: a function cannot be given to C
int 1
]=]):format(("[1]"):rep(64)))

  case("that Lua cannot have are refused, and what waits for them waits on", "refused_from_c", [=[
a cycle: bad argument, bad argument, bad argument
65 deep: bad argument, bad argument, bad argument
no type: bad argument, bad argument, bad argument
no bytes: bad argument, bad argument, bad argument
no elements: bad argument, bad argument, bad argument
no values: bad argument, bad argument, bad argument
too many: bad argument, bad argument, bad argument
nil as a key: bad argument, bad argument, bad argument
NaN as a key: bad argument, bad argument, bad argument
a list as a key: bad argument, bad argument, bad argument
too large a key: bad argument, bad argument, bad argument
a billion values: bad argument, bad argument, bad argument
it still waits
]=])

  case("without memory for them fail the call alone", "no_memory", "done, failed, 0 others\n")

  it("without memory for them fail an operator's call alone", function()
    local lines = {}
    for line in run("no_memory_in_calls"):gmatch("[^\n]+") do lines[#lines + 1] = line end
    assert.equal("some were refused", table.remove(lines))
    local kinds = {}
    for _, kind in ipairs(lines) do kinds[kind] = true end
    assert.same({ memory = true, ["true"] = true }, kinds)
  end)
end)

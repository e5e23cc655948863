-- The `@` dialect: what it becomes, what it leaves alone, and what it refuses.
local tusk = require "tusk"

local PROLOGUE, EPILOGUE = "local _at=... return(function(...) ", "\nend)"

-- The expansion without its wrapper, which must be there.
local function body(source)
  local text = assert(tusk.expand(source, "=source"))
  assert.equal(PROLOGUE, text:sub(1, #PROLOGUE))
  assert.equal(EPILOGUE, text:sub(-#EPILOGUE))
  return text:sub(#PROLOGUE + 1, -#EPILOGUE - 1)
end

-- "line:column: message" of a source that must be refused.
local function refusal(source)
  local text, message = tusk.expand(source, "=source")
  assert.is_nil(text)
  return (message:match("^source:([^\n]*)"))
end

local function each_case(cases, check)
  for _, case in ipairs(cases) do
    it(case[1], function() check(case[2], case[3]) end)
  end
end

local function becomes(source, wanted)
  assert.equal(wanted, body(source))
  assert(load(source, "=source"))
end

local function stays(source)
  assert.equal(source, tusk.expand(source, "=source"))
end

local function is_refused(source, wanted)
  local said = refusal(source)
  if said ~= wanted then assert.equal(wanted, said:sub(1, #wanted)) end
end

describe("an @name", function()
  each_case({
    { "becomes the handle of its site", "@log.info('x')", "_at[1].info('x')" },
    { "is numbered in order of appearance",
      "@a(@b(), @c()) @d()", "_at[1](_at[2](), _at[3]()) _at[4]()" },
    { "is a value like any other",
      "return @db.x == y, -@z, not @w", "return _at[1].x == y, -_at[2], not _at[3]" },
    { "takes every kind of suffix",
      "@x.y['a'].b:c'' @z{} @w[[]]", "_at[1].y['a'].b:c'' _at[2]{} _at[3][[]]" },
    { "is kept apart from a word before it", "return@db.x", "return _at[1].x" },
    { "is kept apart from a number before it", "local n = 1.@x()", "local n = 1. _at[1]()" },
    { "needs no blank after an operator or a string", "f'a'@x(1 ..@y)", "f'a'_at[1](1 .._at[2])" },
    { "may have bytes above ASCII in its name", "@caf\195\169()", "_at[1]()" },
    { "may begin with a keyword", "@ending() @_if()", "_at[1]() _at[2]()" },
    { "may stand in a table, as value and as key", "return { @x, [@y] = 1, z = @w; @v }",
      "return { _at[1], [_at[2]] = 1, z = _at[3]; _at[4] }" },
    { "may stand in every part of a loop",
      "for i = @a(), @b() do end while @c() do end repeat until @d()",
      "for i = _at[1](), _at[2]() do end while _at[3]() do end repeat until _at[4]()" },
    { "may be the iterator of a loop",
      "for k, v in @each(t), @x do end", "for k, v in _at[1](t), _at[2] do end" },
    { "may follow a local without a value", "local a, b @log(a)", "local a, b _at[1](a)" },
    { "may follow a label and a goto",
      "goto out @x() ::out:: @y()", "goto out _at[1]() ::out:: _at[2]()" },
    { "may follow a variable called goto",
      "local goto = 1 goto = @x", "local goto = 1 goto = _at[1]" },
    { "may be among the values of an assignment", "a, b, c = 1, @x, 2", "a, b, c = 1, _at[1], 2" },
    { "may be indexed for an assignment, which is refused when it runs",
      "@a.b, c = 1, 2", "_at[1].b, c = 1, 2" },
  }, becomes)
end)

describe("an @( )", function()
  each_case({
    { "becomes a function that returns its expression",
      "f(@(x + 1))", "f(function() return x + 1 end)" },
    { "may hold operators", "f(@(@db.find(id)))", "f(function() return _at[1].find(id) end)" },
    { "nests", "f(@(@(@(x))))",
      "f(function() return function() return function() return x end end end)" },
    { "may have several values", "return @(a, b)", "return function() return a, b end" },
    { "keeps its parentheses apart from its expression's",
      "return @((a)(b))", "return function() return (a)(b) end" },
    { "keeps its line breaks", "f(@(\n  x\n))", "f(function() return \n  x\n end)" },
    { "keeps a comment before its end",
      "f(@(x -- why)\n))", "f(function() return x -- why)\n end)" },
    { "is kept apart from a word on either side",
      "return@(x)or 1", "return function() return x end or 1" },
    { "is kept apart from an operator after it",
      "local f = @(x)@log()", "local f = function() return x end _at[1]()" },
    { "may hold a function with statements", "f(@(map(t, function(v) if v then return v end end)))",
      "f(function() return map(t, function(v) if v then return v end end) end)" },
    { "may hold a vararg function that uses its own dots", "f(@(function(...) return ... end))",
      "f(function() return function(...) return ... end end)" },
    { "may hold a table with semicolons and keys", "f(@({ a = 1; b = 2 }))",
      "f(function() return { a = 1; b = 2 } end)" },
    { "may stand in a table", "t = { @(x); k = @(y) }",
      "t = { function() return x end; k = function() return y end }" },
    { "may be followed by a statement", "local f = @(x)\nlocal g = @(y); (f or g)()",
      "local f = function() return x end\nlocal g = function() return y end; (f or g)()" },
  }, becomes)

  it("runs when it is called, and each time anew", function()
    local n = 0
    local f = assert(load("local next = ... return @(next(), 'b')"))(function()
      n = n + 1
      return n
    end)
    assert.equal(0, n)
    assert.same({ 1, "b" }, { f() })
    assert.same({ 2, "b" }, { f() })
  end)

  it("may be nested two hundred deep and no deeper", function()
    local function nested(depth)
      return "return " .. ("@("):rep(depth) .. "x" .. (")"):rep(depth)
    end
    assert.truthy(tusk.expand(nested(200)))
    assert.equal("1:408: @( is nested more than 200 deep", refusal(nested(201)))
  end)
end)

describe("source without an @", function()
  each_case({
    { "in its code is left alone in a short string", [[return "@x", '@y "', "\"@z", '\\']] },
    { "in its code is left alone in a string over several lines", 'return "a\\\n@x \\z \r\n\t@y"' },
    { "in its code is left alone in a string continued by a carriage return",
      'return "a\\\r\n@x", "b\\\r@y"' },
    { "in its code is left alone in a long string", "return [[@x]], [==[ ]] ]=] @y ]==]" },
    { "in its code is left alone in a comment",
      "return 1 -- @x '\n-- [[ @y\n--[==\n--[=[ ]] @z\n]=]" },
    { "in its code is left alone in a first line that begins with #",
      "#!/usr/bin/env tusk @x\nreturn 1" },
    { "is left alone whatever else it says", "return return 1 end ) ]" },
    { "before a string that is not closed is left to Lua", "x = 'abc\n@y()" },
    { "before a comment that is not closed is left to Lua", "x = 1 --[[ @y()" },
    { "is left alone when it is empty", "" },
  }, stays)

  it("is left alone with an _at of its own", function()
    stays("local _at = 1 return _at")
  end)
end)

describe("a rewritten file", function()
  it("keeps its first line when that begins with #", function()
    local first = "#!tusk @x\n"
    assert.equal(first .. PROLOGUE .. "_at[1]()" .. EPILOGUE, tusk.expand(first .. "@y()"))
    assert(load("#!tusk @x\nreturn @try", "=source"))
  end)

  it("keeps its byte order mark", function()
    local mark = "\239\187\191"
    assert.equal(mark .. PROLOGUE .. "return _at[1]" .. EPILOGUE, tusk.expand(mark .. "return @x"))
    assert(load(mark .. "return @try", "=source"))
  end)

  it("may end in a comment", function()
    assert.equal(1, assert(load("local _ = @try do return 1 end -- @x"))())
  end)

  it("gets its arguments", function()
    local pack = assert(load("local _ = @try return { n = select('#', ...), ... }"))
    assert.same({ 1, nil, 3, n = 3 }, pack(1, nil, 3))
  end)

  it("may have two hundred locals", function()
    local lines = {}
    for i = 1, 200 do lines[i] = "local v" .. i .. " = " .. i end
    lines[201] = "return @(v1 + v200)"
    assert.equal(201, assert(load(table.concat(lines, "\n")))()())
  end)

  it("keeps the environment it is loaded with", function()
    assert.equal(7, assert(load("local _ = @try return @(x)", "=source", "t", { x = 7 }))()())
  end)

  it("keeps its line numbers", function()
    local source = "local _ = @(\n1\n)\r\nlocal s = 'a\\\nb'\n\r--[[\r]] local f = @try\n"
      .. "error('here')"
    local ok, message = pcall(assert(load(source, "=source")))
    assert.is_false(ok)
    assert.equal("source:8: here", message)
  end)

  it("passes NUL bytes in strings through", function()
    assert.equal("a\0@b", assert(load("local _ = @try return 'a\0@b'"))())
  end)

  it("may use _at as a field and as a key", function()
    becomes("t._at = { _at = 1, b = 2 } @x(t)", "t._at = { _at = 1, b = 2 } _at[1](t)")
  end)

  each_case({
    { "reads every number as LuaJIT does",
      "return 0x1p4, 1e-5, 0xAp+2, 3., .5, 1LL, 2i, 1E+2, @try",
      "return 0x1p4, 1e-5, 0xAp+2, 3., .5, 1LL, 2i, 1E+2, _at[1]" },
    { "reads dots as LuaJIT does",
      "return a..b, ..., t.x, @try..@try", "return a..b, ..., t.x, _at[1].._at[2]" },
    { "reads brackets as LuaJIT does",
      "return t[ [[@a]] ], t[@b], #t[1], @c", "return t[ [[@a]] ], t[_at[1]], #t[1], _at[2]" },
    { "reads comparisons as LuaJIT does", "return a==b, a~=b, a<=@x, a>=b, @x==@y",
      "return a==b, a~=b, a<=_at[1], a>=b, _at[2]==_at[3]" },
  }, becomes)

  it("leaves a string that is not closed to Lua", function()
    local fn, message = load("@x() y = 'abc\n@ z", "=source")
    assert.is_nil(fn)
    assert.truthy(message:find("source:1: unfinished string", 1, true))
  end)

  it("leaves a mistake that has nothing to do with @ to Lua", function()
    local fn, message = load("local _ = @try\nx = = 1", "=source")
    assert.is_nil(fn)
    assert.equal("source:2: unexpected symbol near '='", message)
  end)
end)

describe("an @ is refused", function()
  local follows = "write @name or @(expression): no space or anything else follows '@'"
  local declared = "an operator cannot be declared"
  each_case({
    { "before a blank", "x = @ y", "1:5: " .. follows },
    { "before a line's end", "x = 1\nx = @\ny", "2:5: " .. follows },
    { "before a digit", "@1x()", "1:1: " .. follows },
    { "before a string", "@'x'", "1:1: " .. follows },
    { "before another", "@@x()", "1:1: " .. follows },
    { "at the end", "x = @", "1:5: " .. follows },
    { "before a keyword", "x = @end", "1:5: 'end' cannot be an operator: it is a keyword of Lua" },
    { "before goto", "@goto()", "1:1: 'goto' cannot be an operator" },
    { "as a field", "a.@b()", "1:3: an operator cannot be a field: no '.' comes before '@'" },
    { "as a method", "a:@b()", "1:3: an operator cannot be a field: no ':' comes before '@'" },
    { "as a field of an operator", "@a.@b()", "1:4: an operator cannot be a field" },
    { "as a local", "local @x = 1", "1:7: " .. declared },
    { "as a second local", "local a, @b = 1", "1:10: " .. declared },
    { "as a function's name", "function @f() end", "1:10: " .. declared },
    { "in a function's name", "function a.@f() end", "1:12: an operator cannot be a field" },
    { "as a local function's name", "local function @f() end", "1:16: " .. declared },
    { "as a parameter", "function f(@x) end", "1:12: " .. declared },
    { "as a second parameter", "x = function(a, @b) end", "1:17: " .. declared },
    { "as a loop's variable", "for @x in y do end", "1:5: " .. declared },
    { "as a loop's second variable", "for a, @b in y do end", "1:8: " .. declared },
    { "as a counter", "for @i = 1, 2 do end", "1:5: " .. declared },
    { "as a goto's label", "goto @x", "1:6: " .. declared },
    { "as a label", "::@x::", "1:3: " .. declared },
    { "as the target of an assignment",
      "@x = 1", "1:1: '@x' is an operator: nothing can be assigned to it" },
    { "as the first of several targets", "@a, @b = 1, 2", "1:1: '@a' is an operator" },
    { "as a later target", "f() a, @b = 1", "1:8: '@b' is an operator" },
    { "as a key without brackets", "return { @x = 1 }", "1:10: '@x' is an operator" },
    { "alone as a statement", "@log\nlocal x", "1:1: '@log' alone is no statement: call it" },
    { "next to a variable called _at",
      "local _at = 1\n@x()", "1:7: '_at' is taken in a file that uses '@'" },
  }, is_refused)
end)

describe("an @( ) is refused", function()
  local not_called = "a deferred expression is a value to pass, not to call or to index"
  local a_value = "a deferred expression is a value: pass it to something, as in f(@(x))"
  local function no_part(word)
    return "'" .. word .. "' is no part of an expression, which is all that @( ) takes"
  end
  each_case({
    { "when it is empty", "return @()", "1:10: @() needs an expression between its parentheses" },
    { "when it holds only a comment", "return @( --[[x]] )", "1:19: @() needs an expression" },
    { "when its expression breaks off",
      "return @(a +)", "1:13: the expression in @( ) breaks off after '+'" },
    { "when it is called", "return @(f)()", "1:12: " .. not_called },
    { "when it is called with a string", "return @(f)'s'", "1:12: " .. not_called },
    { "when it is called with a long string", "return @(f)[[s]]", "1:12: " .. not_called },
    { "when it is called with a table", "return @(f){}", "1:12: " .. not_called },
    { "when it is indexed with a dot", "return @(f).x", "1:12: " .. not_called },
    { "when it is indexed with a bracket", "return @(f)[1]", "1:12: " .. not_called },
    { "when a method of it is called", "return @(f):x()", "1:12: " .. not_called },
    { "when a parenthesis begins the next line", "x = @(f)\n(g)()",
      "2:1: '(' after a deferred expression reads as a call: put ';' before it" },
    { "as a field", "a.@(b)", "1:3: an operator cannot be a field" },
    { "as a statement", "f()\n@(g())", "2:1: " .. a_value },
    { "as a statement in a block", "if x then @(f()) end", "1:11: " .. a_value },
    { "as an argument without parentheses", "f @(x)", "1:3: " .. a_value },
    { "when it is never closed", "x = 1\nf(@(g()", "2:3: '@(' is never closed" },
    { "with a return in it",
      "f(@(return x))", "1:5: no 'return' in @( ): it returns its expression by itself" },
    { "with a local in it", "f(@(x\nlocal y = 1", "2:1: " .. no_part("local") },
    { "with an end too many in it", "f(@(x end))", "1:7: " .. no_part("end") },
    { "with a statement in it", "f(@(if x then y() end))", "1:5: " .. no_part("if") },
    { "with a statement in parentheses in it",
      "f(@(g(while x do end)))", "1:7: " .. no_part("while") },
    { "with an assignment in it", "f(@(x = 1))", "1:7: an assignment is no expression" },
    { "with a semicolon in it",
      "f(@(x;))", "1:6: ')' was expected before ';': @( ) takes one expression" },
    { "with two expressions in it", "f(@(x y))", "1:7: ')' was expected before 'y'" },
    { "with the dots of the function around it", "local function f(...) return @(g(...)) end",
      "1:34: '...' does not reach into @( ): copy it to a local first" },
    { "with the file's own dots in it",
      "return @(@(...))", "1:12: '...' does not reach into @( )" },
  }, is_refused)
end)

describe("the wrapper of a rewritten file cannot be left by", function()
  each_case({
    { "a parenthesis too many",
      "@x()) print(1", "1:5: unexpected ')': nothing is open here that it could close" },
    { "an end too many",
      "@x() end, function() y()", "1:6: unexpected 'end': nothing is open here" },
    { "an end too many before the first @", "end, function() @x()", "1:1: unexpected 'end'" },
    { "an end in parentheses",
      "f(\nend) @x()", "2:1: unexpected 'end': the '(' of line 1 is still open" },
    { "a bracket of another kind",
      "f(1] @x()", "1:4: unexpected ']': the '(' of line 1 is still open" },
    { "an until without a repeat",
      "do @x() until y", "1:9: unexpected 'until': the 'do' of line 1 is still open" },
    { "a block that is not closed",
      "x = 1\nif x then @y()", "2:1: 'if' is never closed: the file ends and no 'end' has come" },
    { "a repeat that is not closed",
      "repeat @y()", "1:1: 'repeat' is never closed: the file ends and no 'until' has come" },
    { "a parenthesis that is not closed",
      "f(@x", "1:2: '(' is never closed: the file ends and no ')' has come" },
  }, is_refused)
end)

describe("a refusal", function()
  it("shows file, line, column, the source line and a caret", function()
    local text, message = tusk.expand("local a\nlocal b = a.@c()", "@dir/file.lua")
    assert.is_nil(text)
    assert.equal("dir/file.lua:2:13: an operator cannot be a field: no '.' comes before '@'\n"
      .. "  2 │ local b = a.@c()\n"
      .. "    │             ^", message)
  end)

  it("tells the first of several mistakes", function()
    assert.equal("1:7", refusal("local @a = 1\n@b = 2"):sub(1, 3))
  end)

  it("counts lines as LuaJIT does", function()
    assert.equal("5:1", refusal("\r\n\n\r\r\n\n@ x"):sub(1, 3))
  end)

  it("counts no column for a byte order mark", function()
    assert.equal("1:1", refusal("\239\187\191@ x"):sub(1, 3))
  end)

  it("is what load gives", function()
    local fn, message = load("local @x", "=source")
    assert.is_nil(fn)
    assert.truthy(message:find("^source:1:7: an operator cannot be declared"))
  end)
end)

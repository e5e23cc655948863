-- @validator: the regular expressions of ECMA-262, their bounds, and formats.

local function matches(pattern, text)
  return (@validator.check(text, { pattern = pattern }))
end

local function each(list, expected, holds)
  for _, case in ipairs(list) do
    for i = 2, #case do assert.equal(expected, holds(case[1], case[i]), ("%q with %q"):format(case[1], case[i])) end
  end
end

describe("@validator, patterns:", function()
  it("mean what they mean in ECMA-262", function()
    each({
      { "^.$", "a", "é", "💩", "\11" }, { "^\\S$", "é", "x" }, { "^\\s$", " ", "\t", "\194\160", "\239\187\191", "\226\128\168" },
      { "^[\\s]$", "\194\160" }, { "^[^\\S]$", " ", "\194\160" }, { "^[\\S]$", "a" }, { "^[\\s\\S]$", "\n", "a" }, { "^[^]$", "\n", "a" },
      { "^\\d$", "7" }, { "^\\w$", "a", "_" }, { "^\\W$", "é" }, { "^\\D$", "\224\165\167" }, { "\\bab\\b", "x ab y" }, { "^[\\b]$", "\8" },
      { "^\\cC\\cc$", "\3\3" }, { "^\\v\\f\\0$", "\11\12\0" }, { "^\\x41\\u00e9\\u{1f4a9}$", "Aé💩" }, { "^\\uD83D\\uDCA9$", "💩" },
      { "^\\p{Letter}+$", "aé日" }, { "^\\p{Lu}\\P{Lu}$", "Éé" }, { "^\\p{Script=Greek}+$", "αβγ" }, { "^[\\p{Nd}_]+$", "१_1" },
      { "^(a)(b)\\2\\1$", "abba" }, { "^(?<x>a)\\k<x>$", "aa" }, { "^(?:a|b)+?$", "abab" }, { "^(?=.*\\d)(?!.*x)[a-z\\d]+$", "abc1" },
      { "(?<=a)b", "ab" }, { "(?<!a)b", "cb" }, { "^a{2}$", "aa" }, { "^a{2,}$", "aaa" }, { "^a{1,2}$", "a", "aa" }, { "^{}]$", "{}]" },
      { "^[[:]$", "[", ":" }, { "^[a\\-z]$", "-", "a" }, { "^[-a]$", "-" }, { "^\\/\\.\\$\\^$", "/.$^" }, { "^(?!x)", "" }, { "", "", "abc" },
      { "^#a b$", "#a b" },
    }, true, matches)
    each({
      { "^.$", "\n", "\r", "\226\128\168", "" }, { "^\\S$", "\194\160" }, { "^[\\S]$", "\194\160" }, { "^[^\\S]$", "a" }, { "^\\d$", "\224\165\167" },
      { "^\\w$", "é" }, { "a$", "a\n" }, { "[]", "a", "" }, { "^\\p{Lu}$", "é" }, { "^[a\\-z]$", "b" }, { "(?<=a)b", "cb" }, { "^(a)\\1$", "ab" },
      { "^\\p{Script=Greek}$", "a" }, { "^[[:alpha:]]$", "b" },
    }, false, matches)
  end)

  it("what is none says why and where", function()
    for pattern, why in pairs {
      ["("] = "has a ( without its )", [")"] = "has a ) without its (", ["[a"] = "has a [ without its ]", ["a**"] = "has a * with nothing to repeat",
      ["+a"] = "nothing to repeat", ["a\\Z"] = "has \\Z, which is no escape", ["\\a"] = "no escape", ["(?i)a"] = "has a (? of a kind",
      ["(?>a)"] = "has a (? of a kind", ["(?P<n>a)"] = "has a (? of a kind", ["a++"] = "nothing to repeat", ["(*UTF)"] = "nothing to repeat",
      ["\\1"] = "refers to group 1, and has 0", ["[z-a]"] = "upside down", ["\\u12"] = "without four digits", ["\\ud800"] = "half of a surrogate pair",
      ["\\u{110000}"] = "beyond U+10FFFF", ["\\p"] = "without a name", ["\\p{Nonsense}"] = "is refused", ["a\\"] = "ends in a backslash",
      ["\255"] = "is not UTF-8", ["(a{60000}){60000}"] = "is refused", [("a"):rep(20000)] = "is longer than",
    } do
      local _, e = @try(@validator.compile, { properties = { x = { pattern = pattern } } })
      assert.equal("argument", e and e.kind, pattern)
      assert.equal("/properties/x/pattern", e.path)
      assert.truthy(e.message:find(why, 1, true), e.message)
    end
    local _, e = @try(@validator.compile, { ["$defs"] = { unused = { patternProperties = { ["["] = true } } } })
    assert.equal("/$defs/unused/patternProperties", e.path)
  end)

  it("a text that is not UTF-8 fits none", function()
    local ok, errors = @validator.check("a\255", { pattern = "a" })
    assert.is_false(ok)
    assert.equal("must be UTF-8", errors[1].message)
  end)

  it("one that goes back and forth without end is given up: the value fails, whatever was made of the answer", function()
    local evil, text = "^(([a-z])+.)+[A-Z]([a-z])+$", ("a"):rep(400)
    for _, schema in ipairs { { pattern = evil }, { ["not"] = { pattern = evil } }, { anyOf = { { pattern = evil }, true } },
      { ["if"] = { pattern = evil }, ["else"] = true } } do
      local ok, errors = @validator.check(text, schema)
      assert.is_false(ok)
      assert.equal(1, #errors)
      assert.truthy(errors[1].message:find("takes too many steps", 1, true), errors[1].message)
    end
    local ok, errors = @validator.check({ { [text] = 1 } }, { items = { patternProperties = { [evil] = true } } })
    assert.is_false(ok)
    assert.equal("/0", errors[1].path)
    assert.is_true(@validator.check("aaA" .. "b", { pattern = evil }), "the next one is as if nothing had been")
  end)

  it("a long text is no trouble for a harmless one", function()
    assert.is_true(matches("^(?:[a-z]+,)*$", ("abc,"):rep(50000)))
  end)
end)

local GOOD = {
  { "date", "2024-02-29", "2000-02-29", "1963-06-19" }, { "time", "08:30:06Z", "23:59:60Z", "01:29:60+01:30", "08:30:06.283185+01:00", "12:00:00z" },
  { "date-time", "1963-06-19T08:30:06.283185Z", "1990-12-31t15:59:60-08:00", "2024-01-01T00:00:00+23:59" },
  { "duration", "P4Y", "P1Y2M3DT4H5M6S", "PT0S", "P2W", "PT36H", "P1M" },
  { "email", "joe.bloggs@example.com", "te~st@example.com", '"joe bloggs"@example.com', "a@[127.0.0.1]", "a@[IPv6:::1]", "o'brien+x@a-b.example" },
  { "idn-email", "실례@실례.테스트", "joe@example.com" }, { "hostname", "www.example.com", "xn--4gbwdl.xn--wgbh1c", "a", "1host", ("a"):rep(63) .. ".b" },
  { "idn-hostname", "실례.테스트", "example.com", "münchen.de", "a。b" }, { "ipv4", "192.168.0.1", "0.0.0.0" },
  { "ipv6", "::1", "::", "1::2", "::ffff:192.168.0.1", "1:2:3:4:5:6:7:8", "1::", "1:2:3:4:5:6:1.2.3.4", "::2:3:4:5:6:7:8" },
  { "uri", "http://foo.bar/?baz=qux#quux", "mailto:a@b.c", "urn:oasis:names", "http://[::1]:80/", "file:///etc", "http://a:b@c/%20", "tel:+1-2" },
  { "uri-reference", "", "/abc", "#f", "//a.b/c?d", "abc", "./a:b" }, { "iri", "http://ƒøø.ßår/?∂éœ=πîx#πîüx" }, { "iri-reference", "/âππ", "#ƒräg" },
  { "uri-template", "http://example.com/dictionary/{term:1}/{term}", "", "{?a,b*}", "{+path}/here" },
  { "uuid", "2EB8AA08-aa98-11ea-b4aa-73b441d16380" }, { "json-pointer", "", "/", "/foo/bar~0/baz~1/%a", "/~01" },
  { "relative-json-pointer", "1", "0/foo/bar", "2#", "120/a" }, { "regex", "([abc])+\\s+$", "" },
}

local BAD = {
  { "date", "2023-02-29", "1900-02-29", "2024-13-01", "2024-00-10", "2024-04-31", "2024-1-01", "24-01-01", "2024-01-01Z", "" },
  { "time", "08:30:06", "24:00:00Z", "23:60:00Z", "22:59:60Z", "08:30:06+24:00", "08:30:06 PST", "8:30:06Z", "12:00:00.Z", "12:00:00+0100" },
  { "date-time", "1990-02-31T15:59:59Z", "1990-01-01 15:59:59Z", "2013-350T01:01:01Z", "1990-01-01T15:59:59" },
  { "duration", "PT1D", "P", "P1YT", "P1D2Y", "P1Y2W", "1Y", "P1", "PT", "P1S", "P1YT1H1S", "P1\n" },
  { "email", "2962", "a@", "@b", ".a@b.c", "a.@b.c", "a..b@c.d", "a b@c", "a@b c", "a@[127.0.0.300]", "a@-b" }, { "idn-email", "2962", "a b@실례" },
  { "hostname", "-a", "a-", "a_b", "a..b", "", ".", ("a"):rep(64), "a.", "é.com", "ab--cd", ("a."):rep(127) .. "a" },
  { "idn-hostname", "〮실례", "-a", "a b", "" }, { "ipv4", "256.0.0.1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.4\n", "0x7f.0.0.1", "1.2.3.a" },
  { "ipv6", "12345::", "1:2:3:4:5:6:7", "1::2::3", "::1%eth0", ":1", "1:", "1:2:3:4:5:6:7:8:9", "::1.2.3", "1.2.3.4", "::1.2.3.4:5", ":::", "::g", "1:2:3:4::5:6:7:8" },
  { "uri", "//a/b", "abc", "http:// a", ":x", "http://a\\b", "http://a/<b>", "http://a/%zz", "http://[::1", "1http://a", "http://é", "http://a:b/" },
  { "uri-reference", "\\\\WINDOWS\\x", "#a\\b", "a b", "1:b" }, { "iri", "http://2001:0db8::7334", "/abc", "âππ" }, { "iri-reference", "\\âππ", "#ƒräg\\x" },
  { "uri-template", "http://a/{term", "{}", "a b", "{a b}", "}" }, { "uuid", "2eb8aa08aa9811eab4aa73b441d16380", "2eb8aa08-aa98-11ea-b4aa-73b441d1638", "2eb8aa08-aa98-11ea-b4ga-73b441d16380" },
  { "json-pointer", "a", "/a~", "/~2", "#/a" }, { "relative-json-pointer", "/a", "01", "-1", "1##", "" }, { "regex", "^(abc]", "a\\Z" },
}

describe("@validator, formats:", function()
  local function holds(name, text)
    return (@validator.check(text, { format = name }, { formats = true }))
  end

  it("let pass what is in that format", function() each(GOOD, true, holds) end)
  it("and nothing else", function() each(BAD, false, holds) end)

  it("are about strings only, and are checked only when that is asked for", function()
    assert.is_true(@validator.check(1, { format = "date" }, { formats = true }))
    assert.is_true(@validator.check("x", { format = "date" }))
    local _, errors = @validator.check("x", { format = "date" }, { formats = true })
    assert.equal('must be a valid date, is "x"', errors[1].message)
  end)

  it("one's own beside them; an unknown one is an argument error with a suggestion", function()
    local formats = { sku = function(s) return s:find("^%u%u%d+$") end }
    assert.is_true(@validator.check("AB12", { format = "sku" }, { formats = formats }))
    assert.is_false((@validator.check("ab12", { format = "sku" }, { formats = formats })))
    assert.is_false((@validator.check("x", { format = "date" }, { formats = formats })))
    local _, e = @try(@validator.check, "x", { properties = { a = { format = "date-tiem" } } }, { formats = true })
    assert.equal("argument", e.kind)
    assert.truthy(e.message:find('schema at /properties/a/format: unknown format "date-tiem" (did you mean "date-time"?)', 1, true), e.message)
  end)
end)

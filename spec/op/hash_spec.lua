-- @hash: known answers, pieces, files, text.
local program = require "spec.support.program"
local secret = require "tusk.secret"
local temp = require "spec.support.temp"
local test = require "tusk.test"
local uv = require "luv"

local function fails(...)
  local ok, e = pcall(...)
  assert.is_false(ok)
  return e
end

-- What openssl's own program says.
local function openssl(algorithm, data)
  local args = { "dgst", "-r", "-" .. algorithm }
  return program.run(args, { program = "/usr/bin/openssl", stdin = data }).stdout:match("^%x+")
end

local MILLION = ("a"):rep(1000000)

describe("@hash digests", function()
  -- RFC 1321, RFC 3174, RFC 6234 (FIPS 180-4), RFC 7693
  local known = {
    md5 = { [""] = "d41d8cd98f00b204e9800998ecf8427e", abc = "900150983cd24fb0d6963f7d28e17f72" },
    sha1 = { abc = "a9993e364706816aba3e25717850c26c9cd0d89d", [MILLION] = "34aa973cd4c4daa4f61eeb2bdbad27316534016f" },
    sha224 = { abc = "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7" },
    sha256 = {
      [""] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      [MILLION] = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
    },
    sha384 = { abc = "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7" },
    sha512 = {
      abc = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        .. "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    },
    blake2b = {
      abc = "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
        .. "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
    },
  }

  for algorithm, answers in pairs(known) do
    it("by " .. algorithm, function()
      for data, digest in pairs(answers) do
        assert.equal(digest, @hash[algorithm](data))
        assert.equal(digest, @hash.hex(@hash[algorithm](data, { raw = true })))
        local h = @hash.new(algorithm)
        for at = 1, #data, 99991 do h:update(data:sub(at, at + 99990)) end
        assert.equal(digest, h:digest())
      end
    end)
  end

  it("like openssl does, whatever the length", function()
    for _, n in ipairs { 1, 55, 56, 63, 64, 65, 127, 128, 129, 262143, 262144, 1000001 } do
      local data = ("\0x\255"):rep(math.ceil(n / 3)):sub(1, n)
      assert.equal(openssl("sha256", data), @hash.sha256(data))
    end
  end)

  it("keyed: HMAC of RFC 2202 and RFC 4231", function()
    local hi, what = "Hi There", "what do ya want for nothing?"
    assert.equal("9294727a3638bb1c13f48ef8158bfc9d", @hash.hmac("md5", ("\11"):rep(16), hi))
    assert.equal("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79", @hash.hmac("sha1", "Jefe", what))
    assert.equal("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7", @hash.hmac("sha256", ("\11"):rep(20), hi))
    assert.equal("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", @hash.hmac("sha256", "Jefe", what))
    assert.equal("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
      @hash.hmac("sha256", ("\170"):rep(131), "Test Using Larger Than Block-Size Key - Hash Key First"))
    assert.equal("b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad", @hash.hmac("sha256", "", ""))
    local h = @hash.new("sha256", { key = secret.new("Jefe") })
    assert.equal(@hash.hmac("sha256", secret.new("Jefe"), what), h:update("what do ya want "):update("for nothing?"):digest())
  end)
end)

describe("@hash of much", function()
  local big = ("0123456789abcdef"):rep(1024 * 1024) -- 16 MiB

  it("lets others run", function()
    local turns, done = 0, false
    @all(function()
      assert.equal(64, #@hash.sha512(big, { raw = true }))
      done = true
    end, function()
      while not done do
        turns = turns + 1
        @yield()
      end
    end)
    assert.is_true(turns > 1)
  end)

  it("two at once, each its own", function()
    local a, b = @all(@(@hash.sha256(big)), @(@hash.sha256("x" .. big)))
    assert.same({ openssl("sha256", big), openssl("sha256", "x" .. big) }, { a, b })
  end)

  it("cancelled, is over soon, and the hasher with it", function()
    local h = @hash.new("sha256")
    local task = @async(h.update, h, big)
    assert.equal("hash.busy", fails(h.update, h, "x").kind)
    task:cancel()
    assert.equal("task_cancelled", fails(task.await, task).kind)
    assert.equal("closed", fails(h.update, h, "x").kind)
    assert.equal("timeout", fails(@timeout, "1ms", function()
      for _ = 1, 1000 do @hash.sha512(big) end
    end).kind)
  end)

  it("as text, lets others run, and gives the same", function()
    local few = ("\0\1\255"):rep(500001) .. "x"
    local turns, done = 0, false
    @all(function()
      for _, opts in ipairs { {}, { url = true } } do
        local encoded = @hash.base64(few, opts)
        assert.equal(few, @hash.base64_decode(encoded, opts))
        assert.equal(2000006, #@hash.base64(few, { pad = false }))
      end
      assert.equal(few, @hash.hex_decode(@hash.hex(few)))
      done = true
    end, function()
      while not done do
        turns = turns + 1
        @yield()
      end
    end)
    assert.is_true(turns > 20)
    local e = fails(@hash.base64_decode, ("A"):rep(393214) .. "==" .. "AAAA")
    assert.same({ "hash.decode", 393215 }, { e.kind, e.at })
    e = fails(@hash.base64_decode, ("A"):rep(400000) .. "?AAA")
    assert.same({ "hash.decode", 400001 }, { e.kind, e.at })
    assert.equal(400001, fails(@hash.hex_decode, ("0"):rep(400000) .. "x0").at)
  end)

  it("is computed at once where nobody can wait", function()
    local seen
    table.sort({ 1, 2 }, function(a, b)
      seen = @hash.sha256(big)
      return a < b
    end)
    assert.equal(@hash.sha256(big), seen)
    assert.equal(@hash.sha256(("x"):rep(1000000)), @worker.call("spec.support.heavy", "digest", 1000000))
  end)
end)

describe("@hash.file", function()
  it("is the digest of the file", function()
    temp.dir(function(dir)
      local path = temp.write(dir .. "/f", MILLION .. "\0")
      assert.equal(@hash.sha256(MILLION .. "\0"), @hash.file(path))
      assert.equal(@hash.md5(MILLION .. "\0", { raw = true }), @hash.file(path, "md5", { raw = true, timeout = "1m" }))
      assert.equal(@hash.sha1(""), @hash.file(temp.write(dir .. "/empty", ""), "sha1"))
      local a, b = @all(@(@hash.file(path)), @(@hash.file(path, "sha1")))
      assert.same({ @hash.file(path), @hash.file(path, "sha1") }, { a, b })
    end)
  end)

  it("fails as @file does", function()
    temp.dir(function(dir)
      local e = fails(@hash.file, dir .. "/none")
      assert.same({ "file.not_found", dir .. "/none", "ENOENT" }, { e.kind, e.path, e.errno })
      assert.equal("file.is_directory", fails(@hash.file, dir).kind)
      assert.equal("file.type", fails(@hash.file, "/dev/zero").kind)
      assert.equal("file.not_directory", fails(@hash.file, "/dev/null/x").kind)
      assert.equal("file.type", fails(@hash.file, temp.fifo(dir .. "/fifo")).kind)
    end)
  end)

  it("cancelled while it reads, leaves nothing", function()
    temp.dir(function(dir)
      local path = dir .. "/sparse"
      local fd = uv.fs_open(path, "w", 384)
      uv.fs_ftruncate(fd, 2 ^ 34)
      uv.fs_close(fd)
      test.leaks(function()
        assert.equal("timeout", fails(@timeout, "5ms", @hash.file, path).kind)
        assert.equal("timeout", fails(@hash.file, path, nil, { timeout = "5ms" }).kind)
      end)
    end)
  end)
end)

describe("@hash as text", function()
  it("hex, both ways", function()
    assert.equal("00ff10", @hash.hex "\0\255\16")
    assert.equal("\0\255\16", @hash.hex_decode "00fF10")
    assert.same({ "", "" }, { @hash.hex "", @hash.hex_decode "" })
    local e = fails(@hash.hex_decode, "0g")
    assert.same({ "hash.decode", 2 }, { e.kind, e.at })
    assert.same({ "hash.decode", 4 }, { fails(@hash.hex_decode, "000").kind, fails(@hash.hex_decode, "000").at })
  end)

  it("base64: RFC 4648", function()
    local known = { [""] = "", f = "Zg==", fo = "Zm8=", foo = "Zm9v", foob = "Zm9vYg==", fooba = "Zm9vYmE=", foobar = "Zm9vYmFy" }
    for data, encoded in pairs(known) do
      assert.equal(encoded, @hash.base64(data))
      assert.equal(data, @hash.base64_decode(encoded))
      local bare = encoded:gsub("=", "")
      assert.equal(bare, @hash.base64(data, { url = true }))
      assert.equal(bare, @hash.base64(data, { pad = false }))
      assert.equal(encoded, @hash.base64(data, { url = true, pad = true }))
      assert.equal(data, @hash.base64_decode(bare, { url = true }))
      assert.equal(data, @hash.base64_decode(encoded, { url = true }))
    end
    assert.equal("+/+/", @hash.base64 "\251\255\191")
    assert.equal("-_-_", @hash.base64("\251\255\191", { url = true }))
    assert.equal("\251\255\191", @hash.base64_decode("-_-_", { url = true }))
  end)

  it("base64: every byte, at every place", function()
    for first = 0, 2 do
      local list = {}
      for i = 0, 255 do list[#list + 1] = string.char(i) end
      local data = ("x"):rep(first) .. table.concat(list)
      for _, opts in ipairs { {}, { url = true } } do
        assert.equal(data, @hash.base64_decode(@hash.base64(data, opts), opts))
      end
      local reply = program.run({ "base64", "-A" }, { program = "/usr/bin/openssl", stdin = data })
      assert.equal(reply.stdout:gsub("%s", ""), @hash.base64(data))
    end
  end)

  it("base64 that is none is refused", function()
    for text, at in pairs {
      ["Zg"] = 3, ["Zg="] = 4, ["Z"] = 2, ["Zg==="] = 3, ["===="] = 1, ["Z==="] = 2, ["Zm9v\n"] = 5, [" Zg="] = 1, ["Zm-v"] = 3,
      ["Zm9vZh=="] = 6, ["Zm9="] = 3, ["Zg==Zg=="] = 3,
    } do
      local e = fails(@hash.base64_decode, text)
      assert.same({ text, "hash.decode", at }, { text, e.kind, e.at })
    end
    assert.equal("hash.decode", fails(@hash.base64_decode, "+/+/", { url = true }).kind)
    assert.equal("hash.decode", fails(@hash.base64_decode, "Z", { url = true }).kind)
  end)

  it("equal", function()
    assert.is_true(@hash.equal("same", "same"))
    assert.is_true(@hash.equal("", ""))
    assert.is_false(@hash.equal("same", "samf"))
    assert.is_false(@hash.equal("same", "same "))
    assert.is_false(@hash.equal("a\0b", "a\0c"))
  end)
end)

describe("@hash says what is misused:", function()
  it("arguments, options, colons", function()
    for _, call in ipairs {
      function() @hash.sha256(5) end, function() @hash.sha256("x", { rwa = true }) end, function() @hash.sha256("x", { raw = 1 }) end,
      function() @hash:sha256("x") end, function() @hash.hmac("sha256", nil, "x") end, function() @hash.hmac("sha999", "k", "x") end,
      function() @hash.new() end, function() @hash.new("sha256", { key = 5 }) end, function() @hash.new("md5").update("x") end,
      function() @hash.new("md5"):update(nil) end, function() @hash.file("a\0b") end, function() @hash.file(5) end,
      function() @hash.file("x", "sha") end, function() @hash.equal("a") end, function() @hash.hex() end,
      function() @hash.base64("x", { urls = true }) end,
    } do
      assert.equal("argument", fails(call).kind)
    end
    assert.equal("sha256", fails(@hash.new, "sha265").suggestion)
    local h = @hash.new("md5")
    h:digest()
    assert.equal("closed", fails(h.digest, h).kind)
  end)
end)

it("@hash leaves nothing behind", function()
  test.leaks({ warm = true }, function()
    @hash.new("sha256", { key = "k" }):update("x")
    @hash.sha256(MILLION)
  end)
end)

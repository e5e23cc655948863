-- @http against nginx: keep-alive, many at once, compression, HTTP/2, certificates.
local uv = require "luv"
local nginx = require "spec.support.nginx"
local proxy = require "spec.support.proxy"
local program = require "spec.support.program"

-- An authority of our own, a certificate for 127.0.0.1 that it has signed, and a client's that nobody has.
local function make_certificates(dir)
  local function make(name, more)
    assert(0 == os.execute(("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
      .. "-subj /CN=%s -keyout %s/%s.key -out %s/%s.pem %s 2>/dev/null"):format(name, dir, name, dir, name, more)))
  end
  make("ca", "")
  make("server", ("-CA %s/ca.pem -CAkey %s/ca.key "):format(dir, dir)
    .. "-addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE")
  make("client", "")
end

describe("@http and nginx:", function()
  local server

  setup(function()
    server = nginx.start {
      files = { ["page.txt"] = ("a line of text\n"):rep(2000) },
      locations = [[
        gzip on; gzip_types text/plain; gzip_min_length 100;
        location = /hello { return 200 "hello"; }
        location = /close { keepalive_timeout 0; return 200 "bye"; }
        location = /say { return 200 "$request_method $arg_a $http_x_a"; }
      ]],
    }
  end)

  teardown(function() server:stop() end)

  -- What nginx wrote to its log while fn ran. It writes after it has answered, so the last line may be due.
  local function seen_during(count, fn)
    local before = #server:seen()
    fn()
    for _ = 1, 500 do
      if #server:seen() >= before + count then break end
      @sleep("2ms")
    end
    local all, new = server:seen(), {}
    for i = before + 1, #all do new[#new + 1] = all[i] end
    assert.equal(count, #new)
    return new
  end

  local function connections(seen)
    local set, n = {}, 0
    for _, line in ipairs(seen) do
      if not set[line.connection] then set[line.connection], n = true, n + 1 end
    end
    return n
  end

  it("one after the other go over one connection", function()
    local seen = seen_during(10, function()
      for _ = 1, 10 do assert.equal("hello", @http.get(server.url .. "/hello"):text()) end
    end)
    assert.equal(1, connections(seen))
    assert.equal(9, seen[10].request - seen[1].request)
  end)

  it("64 at once, and the next 64 over the same connections", function()
    local urls = {}
    for i = 1, 64 do urls[i] = server.url .. "/say?a=" .. i end
    local function all()
      local answers = @map(urls, function(url) return @http.get(url):text() end, { concurrency = 64 })
      for i = 1, 64 do assert.equal("GET " .. i .. " ", answers[i]) end
    end
    local seen = seen_during(192, function() all() all() all() end)
    assert.is_true(connections(seen) <= 64)
  end)

  it("a connection that the server closes is followed by another", function()
    local seen = seen_during(3, function()
      for _ = 1, 3 do assert.equal("bye", @http.get(server.url .. "/close"):text()) end
    end)
    assert.is_true(connections(seen) >= 2)
  end)

  it("what nginx compresses is decompressed", function()
    local r = @http.get(server.url .. "/page.txt")
    assert.equal("gzip", r.headers["content-encoding"])
    assert.is_true(("a line of text\n"):rep(2000) == r:text())
  end)

  it("a body of 300 MB is downloaded in a few", function()
    local sanitized = (os.getenv("SANITIZE") or "") ~= ""
    local size = (sanitized and 30 or 300) * 1048576
    local big = assert(uv.fs_open(server.dir .. "/www/big.bin", "w", 420))
    uv.fs_ftruncate(big, size) -- holes: they take no room
    uv.fs_close(big)
    local r = program.run({ "-" }, { stdin = ([[
      local url, path, size = "%s/big.bin", "%s/copy.bin", %d
      local function peak() return tonumber(@file.read("/proc/self/status", { special = true }):match("VmHWM:%%s*(%%d+)")) end
      @http.get("%s/hello")
      local before = peak()
      local _, bytes = @http.get(url, { stream = true }):chunks():map(function(s) return s:sub(-16) end):to(path)
      local n = @http.get(url, { stream = true }):chunks():fold(function(sum, piece) return sum + #piece end, 0)
      local small, last = size / 4, 0
      @http.download(url, path, { headers = { Range = "bytes=0-" .. small - 1 }, on_progress = function(k) last = k end })
      print(bytes > 16, n == size and last == small and @file.metadata(path).size == small, (peak() - before) / 1024)
    ]]):format(server.url, server.dir, size, server.url) })
    uv.fs_unlink(server.dir .. "/www/big.bin")
    local wrote, whole, grown = r.stdout:match("^(%S+)\t(%S+)\t(%S+)")
    assert.equal("true true", tostring(wrote) .. " " .. tostring(whole), r.stderr)
    -- a sanitizer keeps what was freed
    assert.is_true(sanitized or tonumber(grown) < 16, grown .. " MiB more than before")
  end)

  it("statuses come back as they are", function()
    assert.equal(404, @http.get(server.url .. "/none").status)
    assert.equal(405, @http.post(server.url .. "/page.txt").status)
    local r = @http.send { method = "GET", url = server.url .. "/say", query = { a = "x" }, headers = { ["X-A"] = "y" } }
    assert.equal("GET x y", r:text())
  end)
end)

describe("@http over TLS", function()
  local server, url

  setup(function()
    server = nginx.start {
      listen = " ssl http2",
      files = { ["big.txt"] = ("x"):rep(8000000) },
      prepare = make_certificates,
      locations = [[
        ssl_certificate %(dir)/server.pem; ssl_certificate_key %(dir)/server.key;
        ssl_client_certificate %(dir)/client.pem; ssl_verify_client optional;
        location = /who { return 200 "$ssl_client_s_dn"; }
        location = /down { return 302 http://127.0.0.1:%(port)/who; }
        location = /protocol { return 200 "$server_protocol"; }
        location = /taken { proxy_pass https://127.0.0.1:%(port)/length; proxy_set_header X-Type $content_type; }
        client_max_body_size 10m;
        location = /length { return 200 "$http_content_length $http_x_type"; }
      ]],
    }
    url = server.url:gsub("^http:", "https:")
  end)

  teardown(function() server:stop() end)

  local function file(name) return server.dir .. "/" .. name end

  it("fails with http.tls when nobody vouches for the certificate", function()
    local _, e = @try(@http.get, url .. "/who")
    assert.equal("http.tls", e.kind)
    assert.is_false(e.sent)
    assert.is_false(e.retryable)
    assert.equal(0, #server:seen())
  end)

  it("trusts the authority it is given", function()
    local r = @http.get(url .. "/who", { tls = { ca = file "ca.pem" } })
    assert.equal("", r:text())
    local t = r.timings
    assert.is_true(t.tls > 0 and t.dns + t.connect + t.tls <= t.first_byte and t.first_byte <= t.total)
  end)

  it("takes a body of parts over HTTP/2, and sends it again as it was", function()
    local tls = { ca = file "ca.pem" }
    for _, case in ipairs { { 60000, "2" }, { 300000, "1.1" } } do
      local size, version = case[1], case[2]
      local opts = { tls = tls, multipart = { a = { data = ("x"):rep(size), filename = "f" } } }
      for _ = 1, 2 do
        local r = @http.post(url .. "/taken", opts) -- it reads the whole body
        assert.same({ 200, version }, { r.status, r.http_version })
        local length, kind = r:text():match("^(%d+) (.*)$")
        assert.is_true(tonumber(length) > size)
        assert.truthy(kind:find("^multipart/form%-data; boundary="))
      end
    end
  end)

  it("takes a body that is made while it is sent over HTTP/1.1", function()
    local tls = { ca = file "ca.pem" }
    for _, length in ipairs { 2000000, false } do
      local left = 40
      local r = @http.post(url .. "/taken", { tls = tls, length = length or nil, body = function()
        left = left - 1
        return left >= 0 and ("x"):rep(50000) or nil
      end })
      assert.same({ 200, "1.1", "2000000" }, { r.status, r.http_version, r:text():match("%d+") })
    end
  end)

  it("fails with http.tls when the certificate is another host's", function()
    local other = url:gsub("127%.0%.0%.1", "localhost")
    local _, e = @try(@http.get, other .. "/who", { tls = { ca = file "ca.pem" } })
    assert.equal("http.tls", e.kind)
  end)

  it("fails with http.tls when a file of certificates is not there", function()
    local _, e = @try(@http.get, url .. "/who", { tls = { ca = file "none.pem" } })
    assert.equal("http.tls", e.kind)
    _, e = @try(@http.get, url .. "/who", { tls = { ca = file "ca.pem", cert = file "none.pem" } })
    assert.equal("http.tls", e.kind)
  end)

  it("goes through a proxy, which sees nothing of it, and speaks HTTP/2 behind it", function()
    proxy.with(nil, function(p)
      local r = @http.get(url .. "/who", { proxy = "http://u:pw@" .. p.peer, bearer = "s3cret", tls = { ca = file "ca.pem" } })
      assert.same({ 200, "2", "nginx" }, { r.status, r.http_version, r.headers.server:match("%a+") })
      assert.is_nil(r.headers["x-proxy"]) -- of its answer to CONNECT
      assert.same({ "CONNECT 127.0.0.1:" .. server.port }, p.seen)
      assert.is_nil(p.heads[1]:find("s3cret", 1, true))
      local _, e = @try(@http.get, url .. "/who", { proxy = "http://" .. p.peer })
      assert.equal("http.tls", e.kind)
    end)
  end)

  it("shows a client certificate", function()
    local tls = { ca = file "ca.pem", cert = file "client.pem", key = file "client.key" }
    assert.equal("CN=client", @http.get(url .. "/who", { tls = tls }):text())
  end)

  it("does not lend a connection made with a certificate to a request without", function()
    local tls = { ca = file "ca.pem", cert = file "client.pem", key = file "client.key" }
    @http.get(url .. "/who", { tls = tls })
    assert.equal("", @http.get(url .. "/who", { tls = { ca = file "ca.pem" } }):text())
  end)

  -- fn(); returns what it logged as warnings meanwhile.
  local function warnings(fn)
    local log, list = require "tusk.op.log", {}
    local real = log.warn
    log.warn = function(message) list[#list + 1] = message end
    local ok, e = pcall(fn)
    log.warn = real
    if not ok then error(e, 0) end
    return list
  end

  it("verifies nothing when told so, and logs that once for each server", function()
    local list = warnings(function()
      for _ = 1, 2 do assert.equal(200, @http.get(url .. "/who", { tls = { insecure = true } }).status) end
    end)
    assert.equal(1, #list)
    assert.truthy(list[1]:find("not verified", 1, true))
  end)

  it("does not lend a connection made insecurely to a request that verifies", function()
    assert.equal(200, @http.get(url .. "/who", { tls = { insecure = true } }).status)
    local _, e = @try(@http.get, url .. "/who")
    assert.equal("http.tls", e.kind)
  end)

  it("speaks HTTP/2 where the server does", function()
    local r = @http.get(url .. "/protocol", { tls = { ca = file "ca.pem" } })
    assert.equal("2", r.http_version)
    assert.equal("HTTP/2.0", r:text())
  end)

  -- Over HTTP/2 libcurl receives 32 MiB of a body that is paused.
  it("a body that is streamed comes over HTTP/1.1, and does not hold up others", function()
    local opts = { tls = { ca = file "ca.pem" } }
    assert.equal("2", @http.get(url .. "/protocol", opts).http_version) -- leaves an idle connection
    local r = @http.get(url .. "/big.txt", { tls = opts.tls, stream = true })
    for _ = 1, 20 do assert.equal("HTTP/2.0", @http.get(url .. "/protocol", opts):text()) end
    assert.equal("1.1", r.http_version)
    assert.equal(8000000, r:chunks():fold(function(sum, piece) return sum + #piece end, 0))
  end)

  it("does not go from https to http", function()
    local _, e = @try(@http.get, url .. "/down", { tls = { ca = file "ca.pem" } })
    assert.equal("http.redirect", e.kind)
  end)

  it("fails with http.tls when the server does not speak TLS", function()
    local listener = uv.new_tcp()
    listener:bind("127.0.0.1", 0)
    listener:listen(8, function()
      local peer = uv.new_tcp()
      listener:accept(peer)
      peer:write("HTTP/1.1 400 Bad Request\r\n\r\n", function() peer:close() end)
    end)
    local port = listener:getsockname().port
    local _, e = @try(@http.get, ("https://127.0.0.1:%d/"):format(port))
    listener:close()
    assert.equal("http.tls", e.kind)
  end)
end)

-- It takes 4 KiB of each body over HTTP/2 before it has decided, but none on a connection that is new. It closes those
-- that it has not read to the end.
describe("@http and a server that does not read bodies", function()
  local server, opts

  setup(function()
    server = nginx.start {
      listen = " ssl http2",
      prepare = make_certificates,
      locations = [[
        ssl_certificate %(dir)/server.pem; ssl_certificate_key %(dir)/server.key;
        http2_body_preread_size 4k; client_max_body_size 10m;
        location = /ok { return 200 "not heard"; }
        location = /none { return 204; }
        location = /no { return 403 "not wanted"; }
      ]],
    }
    opts = { tls = { ca = server.dir .. "/ca.pem" }, timeout = "20s" }
  end)

  teardown(function() server:stop() end)

  local function send(method, path, more)
    for name, value in pairs(opts) do more[name] = value end
    local r = @http[method]((server.url:gsub("^http:", "https:")) .. path, more)
    return r.status .. " " .. r:text(), r.http_version
  end

  for path, answer in pairs { ["/ok"] = "200 not heard", ["/none"] = "204 ", ["/no"] = "403 not wanted" } do
    it("has its answer over HTTP/2: " .. answer, function()
      for _ = 1, 3 do
        for _, more in ipairs {
          { body = ("x"):rep(4000) }, { body = ("x"):rep(65535) }, { multipart = { a = { data = ("x"):rep(60000), filename = "f" } } },
        } do
          assert.equal("200 not heard", (send("get", "/ok", {})))
          assert.same({ answer, "2" }, { send("put", path, more) })
        end
      end
    end)
  end

  it("has it over HTTP/1.1 for what is larger", function()
    for _, size in ipairs { 65536, 300000, 3000000 } do
      assert.same({ "200 not heard", "1.1" }, { send("put", "/ok", { body = ("x"):rep(size) }) })
      assert.same({ "204 ", "1.1" }, { send("put", "/none", { body = ("x"):rep(size) }) })
      assert.same({ "403 not wanted", "1.1" }, { send("put", "/no", { multipart = { a = { data = ("x"):rep(size), filename = "f" } } }) })
    end
  end)

  it("has them side by side", function()
    local function one() return (send("put", "/ok", { body = ("x"):rep(300000) })) end
    for _, got in ipairs { @all(one, one, one, one, one, one, one, one) } do assert.equal("200 not heard", got) end
  end)
end)

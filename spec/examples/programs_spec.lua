-- The examples that are programs, built and run as their READMEs say, on copies of their scripts.
local program = require "spec.support.program"
local raw_server = require "spec.support.raw_server"
local temp = require "spec.support.temp"
local uv = require "luv"

local build = program.path():match("^(.*)/")

-- By the name that the library was built under: by another all of it would be built anew.
local function make_examples(env)
  env.MAKEFLAGS, env.MAKELEVEL = false, "1"
  local r = program.run({ "-s", "built-examples", "BUILD=" .. (os.getenv("BUILD") or "build") }, { program = "/usr/bin/make", env = env })
  assert(r.status == 0, r.stderr)
  return r.stdout
end

local function copy(from, to)
  assert(uv.fs_mkdir(to, 448))
  for _, name in ipairs(temp.list(from)) do
    local path = from .. "/" .. name
    if uv.fs_stat(path).type ~= "directory" then assert(uv.fs_copyfile(path, to .. "/" .. name))
    elseif name ~= "data" then copy(path, to .. "/" .. name) end
  end
end

-- fn(dir) with a copy of a folder.
local function with_copy(folder, fn)
  temp.dir(function(parent)
    copy(folder, parent .. "/scripts")
    fn(parent .. "/scripts")
  end)
end

local function run(name, args, opts)
  opts = opts or {}
  opts.program = ("%s/examples/%s"):format(build, name)
  local r = program.run(args, opts)
  assert(r.status == 0, r.stderr)
  return r.stdout, r.stderr
end

setup(function() make_examples {} end)

describe("make examples", function()
  it("builds them all here", function()
    assert.same({ "embed", "game", "tool" }, temp.list(build .. "/examples"))
  end)

  it("says what one is left out for", function()
    assert.equal("examples/game is left out: it needs sdl2; `make deps-test` installs that\n", make_examples { PKG_CONFIG_LIBDIR = "/nowhere" })
  end)
end)

describe("examples/embed", function()
  it("has the twenty lines that the README and docs/embedding.md show", function()
    local code = temp.read("examples/embed/embed.c")
    local body = code:match("int main.*$")
    assert.truthy(temp.read("README.md"):find(body, 1, true))
    local _, lines = body:gsub("\n", "")
    assert.is_true(lines <= 20, lines)
  end)

  it("asks, keeps and reports", function()
    with_copy("examples/embed/scripts", function(dir)
      raw_server.with(function(connection, request)
        connection:write(("HTTP/1.1 %s\r\nContent-Length: 2\r\n\r\nok"):format(request.target == "/b" and "404 Not Found" or "200 OK"))
      end, function(server)
        temp.write(dir .. "/urls.txt", ("%s/a\n%s/b\nhttp://127.0.0.1:1/\n"):format(server.url, server.url))
        run("embed", { dir })
        run("embed", { dir })
        local report = temp.read(dir .. "/report.md")
        for _, row in ipairs { server.url .. "/a | 200 | 2 |", server.url .. "/b | 404 | 2 |", "http://127.0.0.1:1/ | http.connect | 2 |" } do
          assert.truthy(report:find(row, 1, true), report)
        end
      end)
    end)
  end)

  it("says why a folder cannot be loaded", function()
    local r = program.run({ "/nowhere" }, { program = build .. "/examples/embed" })
    assert.equal(1, r.status)
    assert.truthy(r.stderr:find("embed: there is no directory /nowhere", 1, true), r.stderr)
  end)
end)

describe("examples/tool", function()
  local function tool(input)
    local answers = {}
    for number, kind, text in (run("tool", {}, { stdin = input })):gmatch("(%d+)([:!]) ([^\n]*)") do
      answers[tonumber(number)] = kind .. text
    end
    return answers
  end

  it("says what its README says", function()
    local page = temp.read("examples/tool/README.md")
    local command = page:match("make examples && ([^\n]*)"):gsub("build/", build .. "/")
    local shown = page:match("\n```\n(%d: .-)```")
    local r = program.run({ "-c", command }, { program = "/bin/sh" })
    assert.equal("", r.stderr)
    local lines = { {}, {} }
    for i, text in ipairs { shown, r.stdout } do
      for line in text:gmatch("[^\n]+") do table.insert(lines[i], line) end
      table.sort(lines[i]) -- in whichever order they were ready
    end
    assert.same(lines[1], lines[2])
  end)

  it("answers each command as it is ready", function()
    temp.dir(function(dir)
      local path, asked = temp.write(dir .. "/a.txt", "three little words\n"), nil
      raw_server.with(function(connection) asked = connection end, function(server)
        program.start({}, { program = build .. "/examples/tool" }, function(p)
          p:send(("fetch %s\nwords %s\nhash %s"):format(server.url, path, path)) -- the last line has no end yet
          assert.equal("2: 3 words", p:read_line())
          server:wait(function() return asked end)
          asked:write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
          assert.matches("^1: 200, 5 bytes", p:read_line())
          p:close_stdin()
          assert.equal("3: " .. @hash.sha256("three little words\n"), p:read_line())
          assert.equal(0, p:wait().status)
        end)
      end)
    end)
  end)

  it("tells of commands that fail, or that there are not, and goes on", function()
    local answers = tool("hash /nowhere\nwrods x\nhash\n\nwait 1ms\n")
    assert.matches("^!.*/nowhere", answers[1])
    assert.matches("^!.*words", answers[2])
    assert.matches("^!.*a file is missing", answers[3])
    assert.equal(":waited 1ms", answers[4])
  end)
end)

describe("examples/game", function()
  local QUIET = { SDL_VIDEODRIVER = "dummy" }

  it("plays without a screen: enemies are sent and meet their fate, news come, totals are kept", function()
    with_copy("examples/game/mods", function(dir)
      local picture = dir .. "/last.bmp"
      local out, err = run("game", { "--mods", dir, "--frames", "800", "--fast", "--picture", picture }, { env = QUIET })
      assert.equal("", err)
      local frames, shot = out:match("^(%d+) frames: (%d+) shot down")
      assert.equal("800", frames)
      assert.is_true(tonumber(shot) > 0, out)
      assert.matches("scripts, ms a frame: p50 [%d.]+, p99.9 [%d.]+, max [%d.]+\n$", out)
      assert.equal("BM", temp.read(picture):sub(1, 2))
      local db = @db.open(dir .. "/data/scores.db")
      local kept = db.value("select count(*) from fates where fate = 'shot'")
      assert.is_true(kept > 0 and kept <= tonumber(shot), kept) -- the last may have been on their way
      db.close()
    end)
  end)

  it("refuses flags that it does not have", function()
    local r = program.run({ "--frames", "x" }, { program = build .. "/examples/game", env = QUIET })
    assert.equal(2, r.status)
    assert.matches("^usage: game", r.stderr)
  end)
end)

-- @file.watch: what changes in folders and files, told as it happens.
local temp = require "spec.support.temp"

describe("@file.watch", function()
  local dir, watch

  before_each(function()
    dir = temp.new()
    os.execute(("mkdir -p '%s/in/sub' && touch '%s/in/old'"):format(dir, dir))
  end)

  after_each(function()
    if watch then watch:close() end
    watch = nil
    temp.remove(dir)
  end)

  local function failure(fn, ...)
    local v, e = @try(fn, ...)
    assert.is_nil(v)
    return e
  end

  local function text_of(c)
    local function short(path) return path and path:sub(#dir + 2) end
    return ("%s %s%s%s"):format(c.change, short(c.path) or "", c.from and " from " .. short(c.from) or "", c.directory and "/" or "")
  end

  -- All changes up to one that is made on purpose.
  local function told()
    @file.write(dir .. "/in/END", "")
    local list = {}
    for c in watch do
      if c.path == dir .. "/in/END" then
        os.remove(c.path)
        while watch().change ~= "removed" do end
        return list
      end
      list[#list + 1] = text_of(c)
    end
    return list
  end

  it("tells what is made, changed, renamed and removed", function()
    watch = @file.watch(dir .. "/in")
    temp.write(dir .. "/in/a", "1")
    @file.rename(dir .. "/in/a", dir .. "/in/b")
    @file.mkdir(dir .. "/in/d")
    @file.remove(dir .. "/in/d")
    @file.remove(dir .. "/in/b")
    temp.write(dir .. "/in/sub/unseen", "")
    assert.same({ "created in/a", "changed in/a", "renamed in/b from in/a", "created in/d/", "removed in/d/", "removed in/b" }, told())
  end)

  it("tells one change of many, while nobody looks", function()
    watch = @file.watch(dir .. "/in")
    for _ = 1, 50 do @file.append(dir .. "/in/old", "x") end
    assert.same({ "changed in/old" }, told())
  end)

  it("tells what comes from elsewhere as made, what goes as removed", function()
    watch = @file.watch(dir .. "/in")
    temp.write(dir .. "/x", "")
    @file.rename(dir .. "/x", dir .. "/in/x")
    @file.rename(dir .. "/in/old", dir .. "/old")
    assert.same({ "created in/x", "removed in/old" }, told())
  end)

  it("tells what is put in place as changed, and nothing of its temporary file", function()
    watch = @file.watch(dir .. "/in")
    @file.write_atomic(dir .. "/in/old", "new")
    local list = told()
    assert.same({ "changed in/old" }, list)
  end)

  it("waits for what is to come, and is cancelled or out of time without a loss", function()
    watch = @file.watch(dir .. "/in")
    local task = @async(watch)
    assert.equal("waiting", task.state == "done" and "done" or "waiting")
    task:cancel()
    @try(task.await, task)
    assert.equal("timeout", failure(@timeout, "5ms", watch).kind)
    local next = @async(watch)
    @yield()
    temp.write(dir .. "/in/a", "")
    assert.equal("created in/a", text_of(next:await()))
  end)

  it("ends with the folder", function()
    watch = @file.watch(dir .. "/in/sub")
    @file.remove(dir .. "/in/sub")
    assert.equal("removed in/sub/", text_of(watch()))
    assert.is_nil(watch())
    watch = @file.watch(dir .. "/in")
    @file.rename(dir .. "/in", dir .. "/moved")
    assert.equal("removed in/", text_of(watch()))
    assert.is_nil(watch())
  end)

  describe("with recursive = true", function()
    before_each(function()
      watch = @file.watch(dir .. "/in", { recursive = true })
    end)

    it("tells of folders below, and of new ones what is in them already", function()
      temp.write(dir .. "/in/sub/a", "")
      os.execute(("mkdir -p '%s/in/n/m' && touch '%s/in/n/m/f'"):format(dir, dir))
      local list = told()
      table.sort(list)
      assert.same({ "changed in/sub/a", "created in/n/", "created in/n/m/", "created in/n/m/f", "created in/sub/a" }, list)
      temp.write(dir .. "/in/n/m/g", "")
      assert.same({ "created in/n/m/g", "changed in/n/m/g" }, told())
    end)

    it("goes with a folder that has another name", function()
      @file.rename(dir .. "/in/sub", dir .. "/in/bus")
      temp.write(dir .. "/in/bus/a", "")
      assert.same({ "renamed in/bus from in/sub/", "created in/bus/a", "changed in/bus/a" }, told())
    end)

    it("leaves a folder that went elsewhere", function()
      @file.mkdir(dir .. "/in/sub/x")
      told()
      @file.rename(dir .. "/in/sub", dir .. "/sub")
      assert.same({ "removed in/sub/" }, told())
      temp.write(dir .. "/sub/x/a", "")
      assert.same({}, told())
    end)
  end)

  it("of a file tells of it alone, also when another is put in its place", function()
    local path = dir .. "/in/old"
    watch = @file.watch(path)
    temp.write(dir .. "/in/other", "")
    @file.write_atomic(path, "new")
    assert.equal("changed in/old", text_of(watch()))
    @file.write(path, "x")
    assert.equal("changed in/old", text_of(watch()))
    @file.remove(path)
    local c = watch()
    if c.change == "changed" then c = watch() end -- a write may be told twice: when it is done, and when the file is closed
    assert.equal("removed in/old", text_of(c))
    temp.write(path, "")
    assert.equal("created in/old", text_of(watch()))
  end)

  it("tells that changes were lost, when there were more than the system keeps", function()
    local most = tonumber((temp.read("/proc/sys/fs/inotify/max_queued_events")))
    if most > 20000 then return pending("the system keeps " .. most .. " changes") end
    watch = @file.watch(dir .. "/in")
    local a, b = dir .. "/in/a", dir .. "/in/b"
    temp.write(a, "")
    for _ = 1, most / 4 + 10 do
      os.rename(a, b)
      os.rename(b, a)
    end
    local found
    for c in watch do
      if c.change == "overflow" then
        found = c
        break
      end
    end
    assert.same({ change = "overflow" }, found)
    temp.write(dir .. "/in/after", "")
    assert.equal("created in/after", text_of(watch()))
  end)

  it("is a stream, serves two at once, and gives back its descriptors", function()
    local function held()
      collectgarbage()
      collectgarbage()
      return #temp.list("/proc/self/fd")
    end
    local before = held()
    local one, two = @file.watch(dir .. "/in"), @file.watch(dir .. "/in")
    local task = @async(@(two:take(1):collect()))
    temp.write(dir .. "/in/a", "")
    assert.equal("created", one:first().change)
    assert.equal(1, #task:await())
    one:close()
    one:close()
    assert.is_nil(one())
    for _ = 1, 10 do @file.watch(dir, { recursive = true }) end
    assert.equal(before, held())
  end)

  it("stays in a root", function()
    local root = @file.root(dir)
    watch = root.watch("in", { recursive = true })
    root.write("in/sub/a", "x")
    assert.equal("in/sub/a", watch().path)
    assert.equal("file.escape", failure(root.watch, "..").kind)
    assert.equal("file.escape", failure(root.watch, "/etc").kind)
  end)

  it("says what is wrong", function()
    local e = failure(@file.watch, dir .. "/none")
    assert.equal("file.not_found", e.kind)
    assert.truthy(e.message:find("cannot watch", 1, true))
    for _, call in ipairs {
      @(@file.watch()), @(@file.watch(dir, { recursive = 1 })), @(@file.watch(dir, { recursve = true })),
      @(@file.watch(dir .. "/in/old", { recursive = true })), @(@file:watch(dir)),
    } do assert.equal("argument", failure(call).kind) end
  end)
end)

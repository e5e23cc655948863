-- luv_files.lua: files through luv's callbacks, one coroutine for each that is under way.
local uv = require "luv"

local luv_files = {}

-- call(fn, …): fn with a callback after its arguments; parks the coroutine until that is called.
local function call(fn, ...)
  local co = coroutine.running()
  local arguments = { ... }
  arguments[#arguments + 1] = function(err, value) coroutine.resume(co, err, value) end
  assert(fn(unpack(arguments)))
  local err, value = coroutine.yield()
  return assert(not err and value, err)
end

function luv_files.read(path)
  local fd = call(uv.fs_open, path, "r", 0)
  local text = call(uv.fs_read, fd, call(uv.fs_fstat, fd).size, 0)
  call(uv.fs_close, fd)
  return text
end

function luv_files.write(path, text)
  local fd = call(uv.fs_open, path, "w", 420)
  call(uv.fs_write, fd, text, 0)
  call(uv.fs_close, fd)
end

--- fn(name) for each file of a folder, so many at once; returns at the end of all.
function luv_files.each(folder, at_once, fn)
  local scan = assert(uv.fs_scandir(folder))
  local function worker()
    for name in uv.fs_scandir_next, scan do fn(name) end
  end
  for _ = 1, at_once do
    local co = coroutine.create(worker)
    assert(coroutine.resume(co))
  end
  uv.run()
end

return luv_files

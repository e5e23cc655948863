-- temp.lua: a private folder for a spec.
local ffi = require "ffi"
local uv = require "luv"

ffi.cdef "int mkfifo(const char *path, unsigned mode);"

local temp = {}

local function remove(path)
  local stat = uv.fs_lstat(path)
  if not stat then return end
  if stat.type == "directory" then
    uv.fs_chmod(path, 448)
    for _, entry in ipairs(temp.list(path)) do remove(path .. "/" .. entry) end
    uv.fs_rmdir(path)
  else
    uv.fs_unlink(path)
  end
end

--- The names in a folder, sorted.
function temp.list(path)
  local names, scan = {}, assert(uv.fs_scandir(path))
  while true do
    local name = uv.fs_scandir_next(scan)
    if not name then break end
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

--- A new folder; the caller removes it with temp.remove.
function temp.new()
  return assert(uv.fs_mkdtemp((os.getenv("TMPDIR") or "/tmp") .. "/tusk-spec-XXXXXX"))
end

temp.remove = remove

--- fn(path), then the folder is removed, whatever happened.
function temp.dir(fn)
  local path = temp.new()
  local ok, e = xpcall(fn, debug.traceback, path)
  remove(path)
  if not ok then error(e, 0) end
end

--- Writes a file and returns its path.
function temp.write(path, text)
  local file = assert(io.open(path, "wb"))
  file:write(text)
  file:close()
  return path
end

--- Makes a FIFO and returns its path.
function temp.fifo(path)
  assert(ffi.C.mkfifo(path, 384) == 0)
  return path
end

--- The whole content of a file.
function temp.read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

return temp

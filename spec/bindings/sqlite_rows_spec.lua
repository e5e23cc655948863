-- What makes tables of rows (sqlite_rows.c, sqlite_inline.c) when it is cut short.
local database = require "spec.support.database"

local INSERT = "insert into t (x) values (?) returning *"

-- Runs fn; the first instruction of the code that makes a row raises, as it may for want of memory.
local function without_room(fn)
  local cut = 0
  jit.off(true, true)
  debug.sethook(function()
    if cut > 0 or debug.getinfo(2, "S").source ~= "=[tusk.row]" then return end
    cut = cut + 1
    error("no room", 0)
  end, "", 1)
  local ok, e = pcall(fn)
  debug.sethook()
  return cut, ok, e
end

for _, kind in ipairs { "memory", "file" } do
  it("a row that cannot be made leaves no statement behind: " .. kind, function()
    database.with(kind, function(db)
      db.exec "create table t (id integer primary key, x)"
      for i = 1, 3 do db.query(INSERT, i) end
      local cut, ok, e = without_room(function() db.query(INSERT, 4) end)
      assert.same({ 1, false }, { cut, ok })
      assert.matches("no room", tostring(e))
      db.transaction(function(tx)
        tx.transaction(function(inner) inner.exec "insert into t (x) values (5)" end)
      end)
      assert.same({ 1, 2, 3, 4, 5 }, @stream(db.query "select x from t order by x"):map(function(row) return row.x end):collect())
    end)
  end)
end

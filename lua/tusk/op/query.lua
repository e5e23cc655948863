-- query.lua: @query is @db.query.
return require("tusk.op.db").query

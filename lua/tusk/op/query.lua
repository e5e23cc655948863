-- query.lua: @query is @db.query.
return require("tusk.operators").get("db").query

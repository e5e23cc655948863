-- What luacheck takes for granted; `make check` runs it over lua/ and over the expansion of the rest.
std = "luajit"
max_line_length = false
unused_args = false -- a callback's signature is not its author's choice
ignore = { "211/_at" } -- what @ expands to
files["spec"] = { std = "luajit+busted" }
files["**/tusk.lua"] = { read_globals = { "env" } } -- what configuration gets
files["bench/workloads/*/nginx.lua"] = { read_globals = { "ngx", "bench_now" } } -- runs inside nginx

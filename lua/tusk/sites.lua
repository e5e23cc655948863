-- sites.lua: which place in source a site closure stands for: { file, line, column, span, op }.
return setmetatable({}, { __mode = "k" })

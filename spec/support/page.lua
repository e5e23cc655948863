-- page.lua: what stands on a page of the documentation: its headings, and the code below each.
local page = {}

local function heading_of(line)
  local marks, title = line:match("^(##+) (.+)$")
  return marks and #marks, title
end

--- The sections (##) of a page, in order: { title, line, constructs = { titles of its ### }, text, code, files }. `code` is its
--- Lua blocks that have no name, one after the other, each line where it is on the page; `files` are the others by name.
function page.sections(path)
  local sections, section, open, number = {}, nil, nil, 0
  for line in io.lines(path) do
    number = number + 1
    local level, title = heading_of(line)
    local language, name = line:match("^```(%w*) ?(%S*)$")
    if open and line == "```" then open = nil
    elseif open then open(line)
    elseif level == 2 then
      section = { title = title, line = number, constructs = {}, text = "", code = {}, files = {} }
      sections[#sections + 1] = section
    elseif level == 3 then table.insert(section.constructs, title)
    elseif language then
      local own = section
      open = function(text)
        if language ~= "lua" then return end
        if name ~= "" then own.files[name] = (own.files[name] or "") .. text .. "\n"
        else own.code[number] = text end
      end
    elseif section then section.text = section.text .. line .. "\n" end
  end
  for _, s in ipairs(sections) do
    for i = 1, number do s.code[i] = s.code[i] or "" end
    s.code = table.concat(s.code, "\n") .. "\n"
  end
  return sections
end

return page

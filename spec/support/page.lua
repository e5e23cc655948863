-- page.lua: what stands on a page of the documentation: its headings, and the code below each.
local page = {}

local function heading_of(line)
  local marks, title = line:match("^(##+) (.+)$")
  return marks and #marks, title
end

-- What is done with each line of a block: fn(line, its number on the page).
local function block_of(section, language, name)
  return function(line, number)
    if name ~= "" then section.files[name] = (section.files[name] or "") .. line .. "\n"
    elseif language == "text" then section.output = section.output .. line .. "\n"
    elseif language == "lua" then section.code[number] = line end
  end
end

local function read(path, open_section)
  local section, block, number = nil, nil, 0
  for line in io.lines(path) do
    number = number + 1
    local level, title = heading_of(line)
    local language, name = line:match("^```(%w*) ?(%S*)$")
    if block and line == "```" then block = nil
    elseif block then block(line, number)
    elseif level == 2 then section = open_section(title, number)
    elseif level == 3 then table.insert(section.constructs, title)
    elseif language then block = block_of(section, language, name)
    elseif section then section.text = section.text .. line .. "\n" end
  end
  return number
end

--- The sections (##) of a page, in order: { title, line, constructs = { titles of its ### }, text, code, files, output }. `code` is its
--- Lua blocks that have no name, one after the other, each line where it is on the page; `files` are the blocks that have one, by
--- name; `output` is what stands in blocks of text.
function page.sections(path)
  local sections = {}
  local last = read(path, function(title, line)
    local section = { title = title, line = line, constructs = {}, text = "", code = {}, files = {}, output = "" }
    sections[#sections + 1] = section
    return section
  end)
  for _, section in ipairs(sections) do
    for i = 1, last do section.code[i] = section.code[i] or "" end
    section.code = table.concat(section.code, "\n") .. "\n"
  end
  return sections
end

return page

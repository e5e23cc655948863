-- Notes made tidy. See README.md.
local report = @processor.process_directory()

for _, file in ipairs(report.files) do
  print(("%-18s %4d → %d bytes"):format(file.path, file.size, file.written))
end
for _, failed in ipairs(report.failed) do
  print(("%-18s %s"):format(failed.path, failed.err.message))
end

-- One that is too large to be read as a whole goes by lines.
local longest = 0
for _, failed in ipairs(report.failed) do
  @processor.process_lines(failed.path, function(line)
    longest = math.max(longest, #line)
    return line:match("^%s*(.-)%s*$")
  end)
end
for _, file in ipairs(report.files) do
  for line in @processor.read(file.path):gmatch("[^\n]+") do longest = math.max(longest, #line) end
end

print(("\n%d notes tidy · %d failed · the longest line has %d characters"):format(#report.files, #report.failed, longest))

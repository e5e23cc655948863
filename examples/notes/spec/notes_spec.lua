-- Run by `tusk test examples/notes/spec`: the plugin is there; nothing is written but what is asked for.
describe("@processor", function()
  it("makes a text tidy", function()
    assert.equal("a\n\nb\n", @processor.process("a  \r\n\r\nb\t"))
  end)

  it("lists what is too large, and gives the others by path", function()
    local seen = {}
    local report = @processor.process_directory("2026", { transform = function(_, file)
      seen[#seen + 1] = file.path
      return nil -- nothing is written
    end })
    assert.same({ "2026/diary.txt" }, seen)
    assert.same({ 1, "2026/ledger.txt", "file.too_large" }, { report.skipped, report.failed[1].path, report.failed[1].err.kind })
  end)
end)

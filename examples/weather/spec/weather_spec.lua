-- Run by `tusk test examples/weather/spec`: the plugins are there, and so is the server.
describe("@weather", function()
  it("has an answer although the server fails now and then", function()
    for _ = 1, 4 do assert.same({ city = "Bern", days = 1, degrees = 11 }, @weather.forecast("Bern", 1)) end
    assert.is_true(@origin.failed > 0)
  end)

  it("says which city is not there, and gives the others", function()
    local forecasts, failed = @weather.fetch_multiple { a = { "forecast", "Lima", 2 }, b = { "forecast", "Atlantis", 2 } }
    assert.equal(19, forecasts.a.degrees)
    assert.same({ "http.status.404", "there is no such city" }, { failed.b.kind, failed.b.body.message })
  end)

  it("knows its parameters", function()
    local _, err = @try(@weather.forecast, { city = "Bern", day = 1 })
    assert.equal("days", err.suggestion)
  end)
end)

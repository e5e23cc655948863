local n = 0
return { name = 'counter', operators = { counter = function() n = n + 1 end },
  setup = function(ctx) ctx.scope:defer(function() n = 0 end) @spawn(function() @yield() end) end }

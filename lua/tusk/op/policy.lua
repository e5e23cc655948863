-- @policy{ timeout, retry, breaker, limiter, bulkhead, hedge, attempt_timeout }: put together. See policy.lua.
return require("tusk.policy").new

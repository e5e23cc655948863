-- @channel([capacity]): values handed from task to task. See channel.lua.
return require("tusk.channel").new

require "luv" -- nothing more: what is measured is the start of the program and its end

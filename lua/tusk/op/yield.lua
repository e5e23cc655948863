-- @yield(): lets every other ready task run; a checkpoint for work that only computes.
return require("tusk.wait").yield

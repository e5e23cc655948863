// Nothing: what is measured is the start of the program and its end.

@sleep("1h")

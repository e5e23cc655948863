return {
  plugins = {
    file_processor = {
      from = env("NOTES", "examples/notes/notes"),
      to = env("TIDY", "examples/notes/tidy"),
      transform = "tidy",
      glob = "**/*.txt",
      max_size = "1KiB",
    },
  },
}

return {
  plugins = {
    file_processor = {
      from = env("NOTES", "notes"),
      to = env("TIDY", "tidy"),
      transform = "tidy",
      glob = "**/*.txt",
      max_size = "1KiB",
    },
  },
}

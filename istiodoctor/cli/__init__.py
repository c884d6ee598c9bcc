"""The command line: one module a command; nothing heavy is imported before it is needed."""

"""What was read, typed and frozen. It imports nothing else of the project."""

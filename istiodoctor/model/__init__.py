"""What was read, typed and frozen. Knows nothing of the rooms above it."""

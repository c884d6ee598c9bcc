"""Where a Secret is looked up, whether it may be read, and what it holds."""

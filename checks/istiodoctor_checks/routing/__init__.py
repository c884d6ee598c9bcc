"""VirtualServices and where they lead."""

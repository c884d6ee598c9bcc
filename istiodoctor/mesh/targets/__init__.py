"""What to read or to ask next: plain lists for sources and probes."""

"""Speed and memory on generated clusters: `make bench`. Never a timed test."""

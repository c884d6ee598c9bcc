"""What is worth a look on the wire: plain lists for the probes."""

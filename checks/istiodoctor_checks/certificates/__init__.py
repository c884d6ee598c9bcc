"""What is in the certificates."""

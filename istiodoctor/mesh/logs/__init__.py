"""What logs say, line by line, and what that means for gateways."""

"""What lines of logs say, and what that means for gateways."""

"""What the Envoys of the gateways hold, beside what the objects say they should."""

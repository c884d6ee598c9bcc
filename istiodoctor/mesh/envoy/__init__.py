"""The Secrets and listeners in the gateways' Envoys, compared with what the objects ask for."""

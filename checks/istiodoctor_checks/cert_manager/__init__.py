"""cert-manager: issuance and renewal."""

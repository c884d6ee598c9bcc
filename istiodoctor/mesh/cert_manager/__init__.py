"""How cert-manager issues certificates, and what keeps it from doing so."""

"""Which hosts certificates cover and which roots they lead to, compared with served hosts."""

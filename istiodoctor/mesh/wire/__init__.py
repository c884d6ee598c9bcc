"""What handshakes and requests showed, beside what the objects promise."""

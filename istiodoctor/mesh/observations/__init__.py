"""What handshakes, requests and events showed, beside what the objects say."""

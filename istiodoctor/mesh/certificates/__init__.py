"""What certificates cover and prove, held against the hosts that clients ask for."""

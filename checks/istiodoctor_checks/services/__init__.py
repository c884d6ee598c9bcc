"""Services, ports and load balancers."""

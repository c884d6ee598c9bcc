"""From where a gateway is reached: Services, load balancers, proxies before it."""

"""How long things may take before they count as failed, and by how much clocks may differ."""

from datetime import timedelta

SETTLING_TIME = timedelta(minutes=2)
"""How long a new object may take to reach Envoy: the issuer, istiod's watch, the push and its
debouncing. A pod may take as long to get its first configuration."""
COMPARABLE_WITHIN = timedelta(minutes=2)
"""How far apart objects and Envoy may have been read to be compared."""
RECONNECTING = timedelta(minutes=1)
"""A proxy that lost istiod for less than this may just be connecting again."""
CLOCKS_DIFFER = timedelta(minutes=5)
"""By how much clocks may differ."""
COMING_UP = timedelta(minutes=5)
"""How long a load balancer or a pod may take to come up."""
FIRST_ISSUE_TAKES = timedelta(minutes=5)
"""How long a first issuance may take before it counts as stuck."""
RENEWAL_TAKES = timedelta(hours=1)
"""How long after `renewalTime` a renewal may take before it counts as stuck."""

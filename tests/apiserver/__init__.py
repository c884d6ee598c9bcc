"""A Kubernetes API server over real HTTPS, for tests and benchmarks.

It imports nothing of the code under test, and it runs in a process of its own: the client meets
TLS, paging, permissions and faults as it would in a cluster, and its time and memory are its own.
"""

from tests.apiserver.controls import Request
from tests.apiserver.handle import ApiServer

__all__ = ["ApiServer", "Request"]

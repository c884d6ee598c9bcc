"""A Kubernetes cluster: the only room that imports its client, and only when it connects."""

from istiodoctor.sources.cluster.cluster import ClusterSource
from istiodoctor.sources.cluster.kubeconfig import Ambient, contexts
from istiodoctor.sources.cluster.opening import open_cluster

__all__ = ["Ambient", "ClusterSource", "contexts", "open_cluster"]

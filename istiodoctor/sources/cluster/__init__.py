"""A Kubernetes cluster: the only package that imports its client, and only when it connects."""

from istiodoctor.sources.cluster.cluster import ClusterSource
from istiodoctor.sources.cluster.connect import open_cluster
from istiodoctor.sources.cluster.kubeconfig import Ambient, contexts

__all__ = ["Ambient", "ClusterSource", "contexts", "open_cluster"]

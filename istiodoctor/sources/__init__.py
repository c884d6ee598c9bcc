"""Where a scan reads from: a cluster, files, a bundle, the demonstration."""

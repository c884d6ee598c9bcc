"""Pods and what runs in them, control planes and their releases, Services, RBAC, grants."""

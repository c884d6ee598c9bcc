"""Phrases that several checks use."""

from istiodoctor.mesh.listing import SHOWN, listing

__all__ = ["SHOWN", "listing"]

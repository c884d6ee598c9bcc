"""Istio's semantics as questions: functions of a snapshot whose answers are remembered."""

from istiodoctor.mesh.mesh import Mesh

__all__ = ["Mesh"]

"""Answers of the mesh in plain form: objects by name, so that two meshes can be compared."""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any

from istiodoctor.docs.rooms import questions
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.merging import Listener
from istiodoctor.mesh.gateways.servers import Server
from istiodoctor.mesh.hosts import HostIndex
from istiodoctor.mesh.labels import LabelIndex
from istiodoctor.mesh.question import Question
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.credential import CertificateFacts, Credential, KeyPair
from istiodoctor.model.metadata import Resource
from istiodoctor.model.value import Value


@cache
def open_questions() -> Mapping[str, Question[[], Any]]:
    """Return the questions that take no argument, by module and name."""
    return {
        f"{each.__module__}.{each.name}": each
        for _, each in questions()
        if len(inspect.signature(each.function).parameters) == 1
    }


def answers(mesh: Mesh) -> dict[str, object]:
    """Return the plain answers to every question that takes no argument."""
    return {name: plain(asked(mesh)) for name, asked in open_questions().items()}


def plain(value: Any) -> object:
    """Return a value with objects of the cluster and of the mesh replaced by their names."""
    match value:
        case Server():
            return value.id
        case Workload():
            return (value.namespace, str(value.owner), sorted(value.labels.items()))
        case Listener():
            return [plain(value.workload), value.port, value.bind, plain(value.servers)]
        case Resource() | Credential():
            return str(value.ref)
        case HostIndex():
            return plain(vars(value)["_exact"])  # the rest follows from it, and is made when asked
        case LabelIndex():
            return plain(vars(value))
        case CertificateFacts():  # examples make their certificates anew: serials differ
            return (value.subject, value.dns_names)
        case KeyPair():
            return plain(value.chain.certificates)
        case Enum():
            return str(value)
        case Mapping():
            return sorted(([plain(key), plain(each)] for key, each in value.items()), key=repr)
        case set() | frozenset():
            return sorted(map(plain, value), key=repr)
        case tuple() | list():
            return [plain(each) for each in value]
        case Value():
            parts = ((name, plain(getattr(value, name))) for name in value.__struct_fields__)
            return [type(value).__name__, *parts]
        case _ if is_dataclass(value):
            parts = ((each.name, plain(getattr(value, each.name))) for each in fields(value))
            return [type(value).__name__, *parts]
        case _:
            return _text(value)


def _text(value: object) -> str:
    text = repr(value)
    if " at 0x" in text:
        raise TypeError(f"this has no plain form: {text}")
    return text


def differences(one: Mesh, other: Mesh) -> Iterator[str]:
    """Yield the names of the questions that two meshes answer differently."""
    mine, theirs = answers(one), answers(other)
    yield from (name for name in mine if mine[name] != theirs[name])

"""Ingresses and their classes."""

from typing import ClassVar

from istiodoctor.model.kind import Kind
from istiodoctor.model.metadata import Fields, Resource


class IngressServicePort(Fields, frozen=True, kw_only=True):
    """The port of an Ingress backend."""

    number: int = 0
    name: str = ""


class IngressService(Fields, frozen=True, kw_only=True):
    """The Service of an Ingress backend."""

    name: str = ""
    port: IngressServicePort = IngressServicePort()


class IngressBackend(Fields, frozen=True, kw_only=True):
    """Where an Ingress path leads."""

    service: IngressService | None = None


class IngressPath(Fields, frozen=True, kw_only=True):
    """A path of an Ingress rule."""

    path: str = ""
    path_type: str = ""
    backend: IngressBackend = IngressBackend()


class IngressHttp(Fields, frozen=True, kw_only=True):
    """The paths of an Ingress rule."""

    paths: tuple[IngressPath, ...] = ()


class IngressRule(Fields, frozen=True, kw_only=True):
    """A host of an Ingress."""

    host: str = ""
    http: IngressHttp = IngressHttp()


class IngressTls(Fields, frozen=True, kw_only=True):
    """Hosts for which an Ingress terminates TLS."""

    hosts: tuple[str, ...] = ()
    secret_name: str = ""


class IngressSpec(Fields, frozen=True, kw_only=True):
    """`Ingress.spec`."""

    ingress_class_name: str = ""
    default_backend: IngressBackend | None = None
    rules: tuple[IngressRule, ...] = ()
    tls: tuple[IngressTls, ...] = ()


class Ingress(Resource, frozen=True, kw_only=True):
    """A `networking.k8s.io` Ingress."""

    KIND: ClassVar[Kind] = Kind.INGRESS
    spec: IngressSpec = IngressSpec()


class IngressClassSpec(Fields, frozen=True, kw_only=True):
    """`IngressClass.spec`."""

    controller: str = ""


class IngressClass(Resource, frozen=True, kw_only=True):
    """A `networking.k8s.io` IngressClass."""

    KIND: ClassVar[Kind] = Kind.INGRESS_CLASS
    spec: IngressClassSpec = IngressClassSpec()

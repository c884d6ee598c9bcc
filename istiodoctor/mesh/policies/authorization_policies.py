"""Which AuthorizationPolicies and RequestAuthentications apply to a gateway workload.

Source: `ListAuthorizationPolicies` (pilot/pkg/model/authorization.go:100-135).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from istiodoctor.mesh.mesh import Mesh
from istiodoctor.mesh.policies.authorization import ApplyingPolicies
from istiodoctor.mesh.question import question
from istiodoctor.mesh.workloads.control_planes import (
    mesh_config,
    mesh_config_unknown_because,
    root_namespace,
)
from istiodoctor.mesh.workloads.policy_attachment import attaches
from istiodoctor.mesh.workloads.workloads import Workload
from istiodoctor.model.authorization import (
    AuthorizationPolicy,
    PolicyTarget,
    RequestAuthentication,
)
from istiodoctor.model.istio import WorkloadSelector
from istiodoctor.model.kind import Kind


class Attachable(Protocol):
    """The spec of a policy that says what it applies to."""

    @property
    def selector(self) -> WorkloadSelector | None:
        """The pods."""

    @property
    def target_ref(self) -> PolicyTarget | None:
        """The only object."""

    @property
    def target_refs(self) -> tuple[PolicyTarget, ...]:
        """The objects."""


P = TypeVar("P", AuthorizationPolicy, RequestAuthentication)


@question(Kind.AUTHORIZATION_POLICY)
def _authorization_policies(mesh: Mesh) -> Mapping[str, tuple[AuthorizationPolicy, ...]]:
    return _by_namespace(list(mesh.all(AuthorizationPolicy)))


@question(Kind.REQUEST_AUTHENTICATION)
def _request_authentications(mesh: Mesh) -> Mapping[str, tuple[RequestAuthentication, ...]]:
    return _by_namespace(list(mesh.all(RequestAuthentication)))


def _by_namespace(policies: Sequence[P]) -> Mapping[str, tuple[P, ...]]:
    """Return policies by namespace, the oldest first."""
    found: dict[str, list[P]] = defaultdict(list)
    for policy in sorted(policies, key=lambda each: each.age_order):
        found[policy.namespace].append(policy)
    return {namespace: tuple(each) for namespace, each in found.items()}


@question(Kind.AUTHORIZATION_POLICY)
def applying_policies(mesh: Mesh, workload: Workload) -> ApplyingPolicies:
    """Return the AuthorizationPolicies that apply to a gateway workload.

    Those of the root namespace come first, then those of its own.
    """
    config = mesh_config(mesh, workload)
    found = ApplyingPolicies(
        policies=tuple(_applying(mesh, _authorization_policies(mesh), workload)),
        unknown_because=_unread(mesh, workload, Kind.AUTHORIZATION_POLICY),
    )
    why_unknown = mesh_config_unknown_because(mesh, workload)
    if why_unknown:
        return replace(found, providers=None, unknown_because=found.unknown_because or why_unknown)
    providers = config.extension_providers if config else ()
    return replace(
        found,
        providers=frozenset(each.name for each in providers if each.authorizer),
        http_only=frozenset(each.name for each in providers if each.envoy_ext_authz_http),
    )


@question(Kind.REQUEST_AUTHENTICATION)
def token_rules(mesh: Mesh, workload: Workload) -> tuple[RequestAuthentication, ...]:
    """Return the RequestAuthentications that apply to a gateway workload."""
    return tuple(_applying(mesh, _request_authentications(mesh), workload))


@question(Kind.REQUEST_AUTHENTICATION)
def tokens_unknown_because(mesh: Mesh, workload: Workload) -> str:
    """Return why other RequestAuthentications may apply that were not read; empty if none can."""
    return _unread(mesh, workload, Kind.REQUEST_AUTHENTICATION)


def _applying(
    mesh: Mesh, policies: Mapping[str, tuple[P, ...]], workload: Workload
) -> Iterator[P]:
    for namespace in _namespaces(mesh, workload):
        for policy in policies.get(namespace, ()):
            if _attaches(policy.spec, policy.namespace, workload):
                yield policy


def _namespaces(mesh: Mesh, workload: Workload) -> tuple[str, ...]:
    return tuple(dict.fromkeys((root_namespace(mesh, workload), workload.namespace)))


@question(Kind.AUTHORIZATION_POLICY, Kind.REQUEST_AUTHENTICATION)
def policies_unread(mesh: Mesh) -> bool:
    """Whether policies were looked for and could not be read: plain manifests show what they show.

    Of those nothing is said, as of every other kind that they may leave out.
    """
    kinds = (Kind.AUTHORIZATION_POLICY, Kind.REQUEST_AUTHENTICATION)
    return bool(mesh.snapshot.unread_of(kinds))


def _unread(mesh: Mesh, workload: Workload, kind: Kind) -> str:
    for namespace in _namespaces(mesh, workload):
        if not mesh.is_complete(kind, namespace):
            return f"{kind} in {namespace} were not all read"
    return "" if workload.is_known else "the labels of the gateway's pods were not read"


def _attaches(spec: Attachable, namespace: str, workload: Workload) -> bool:
    """Whether a policy applies to a workload: by what it is attached to, else by labels."""
    targets = spec.target_refs or ((spec.target_ref,) if spec.target_ref else ())
    selector = spec.selector.match_labels if spec.selector else {}
    return attaches(workload, namespace, selector, targets)

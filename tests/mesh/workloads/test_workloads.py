import pytest

from istiodoctor.mesh import Mesh
from istiodoctor.mesh.gateways.api_gateway_pods import api_gateway_ports
from istiodoctor.mesh.gateways.listeners import servers_by_workload
from istiodoctor.mesh.version import Version
from istiodoctor.mesh.workloads.control_planes import (
    istiod_version,
    mesh_config,
    mesh_config_unknown_because,
    namespace_exists,
    namespace_labels,
    proxy_config,
    trusted_proxies,
)
from istiodoctor.mesh.workloads.grants import gateway_ref
from istiodoctor.mesh.workloads.service_ports import listening_ports, services_of
from istiodoctor.mesh.workloads.workloads import (
    Workload,
    pod_is_ready,
    routers,
    selected,
    workloads,
)
from istiodoctor.model.istio import IstioGateway
from istiodoctor.model.kind import Kind
from istiodoctor.model.meshconfig import GatewayTopology, ProxyConfig
from istiodoctor.model.ref import Ref
from istiodoctor.model.snapshot import EVERYWHERE, Reading, Snapshot, Unread
from istiodoctor.testing.words import NOW
from tests.support.objects import (
    GATEWAY_API,
    INGRESS,
    Manifest,
    gateway,
    https,
    istiod,
    made,
    mesh_of,
    pod,
    service,
    snapshot_of,
)

HASH = "5d7c9f6b8"
REPLICA_SET = [{"kind": "ReplicaSet", "name": f"web-{HASH}", "controller": True}]


def owned(name: str, owners: list[Manifest], **labels: str) -> Manifest:
    return pod(name, labels=INGRESS | labels, ownerReferences=owners)


def template(kind: str, name: str, labels: Manifest = INGRESS, **spec: object) -> Manifest:
    whole = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "istio-proxy"}]}}
    return made("apps/v1", kind, name, "istio-system", spec={"template": whole, **spec})


def summary(mesh: Mesh) -> list[tuple[str, tuple[str, ...]]]:
    return [(str(each.owner), tuple(p.name for p in each.pods)) for each in workloads(mesh)]


def only_workload(mesh: Mesh) -> Workload:
    (found,) = workloads(mesh)
    return found


@pytest.mark.parametrize(
    ("owners", "labels", "expected"),
    [
        (REPLICA_SET, {"pod-template-hash": HASH}, "Deployment istio-system/web"),
        (REPLICA_SET, {}, "Deployment istio-system/web"),
        (
            [{"kind": "ReplicaSet", "name": "bare-ingress", "controller": True}],
            {"pod-template-hash": HASH},
            "ReplicaSet istio-system/bare-ingress",
        ),
        (
            [{"kind": "DaemonSet", "name": "edge", "controller": True}],
            {},
            "DaemonSet istio-system/edge",
        ),
        (
            [{"kind": "StatefulSet", "name": "edge", "controller": True}],
            {},
            "StatefulSet istio-system/edge",
        ),
        ([{"kind": "ConfigMap", "name": "mine"}], {}, "Pod istio-system/a"),
        ([], {}, "Pod istio-system/a"),
    ],
)
def test_a_pod_belongs_to_what_controls_it(
    owners: list[Manifest], labels: dict[str, str], expected: str
):
    assert summary(mesh_of(owned("a", owners, **labels))) == [(expected, ("a",))]


def test_the_pods_of_one_deployment_are_one_workload_with_the_labels_they_share():
    found = only_workload(
        mesh_of(
            owned("a", REPLICA_SET, color="blue", zone="1"),
            owned("b", REPLICA_SET, color="blue", zone="2"),
        )
    )

    assert (found.owner.name, found.labels) == ("web", {**INGRESS, "color": "blue"})


def test_pods_of_the_same_owner_name_in_two_namespaces_are_two_workloads():
    other = pod("b", "edge", ownerReferences=REPLICA_SET)

    assert summary(mesh_of(owned("a", REPLICA_SET), other)) == [
        ("Deployment edge/web", ("b",)),
        ("Deployment istio-system/web", ("a",)),
    ]


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_completed_pods_do_not_count(phase: str):
    assert summary(mesh_of(pod(status={"phase": phase}))) == []


@pytest.mark.parametrize("kind", ["Deployment", "DaemonSet"])
def test_a_template_stands_for_its_pods_where_there_are_none(kind: str):
    found = only_workload(mesh_of(template(kind, "web")))

    assert (str(found.owner), found.labels, found.pods, found.replicas) == (
        f"{kind} istio-system/web",
        INGRESS,
        (),
        1,
    )


def test_a_deployment_scaled_to_zero_keeps_its_number():
    assert only_workload(mesh_of(template("Deployment", "web", replicas=0))).replicas == 0


def test_a_template_whose_pods_ended_stands_for_those_to_come():
    ended = pod("a", ownerReferences=REPLICA_SET, status={"phase": "Failed"})

    assert summary(mesh_of(ended, template("Deployment", "web"))) == [
        ("Deployment istio-system/web", ())
    ]


def test_running_pods_go_before_their_template():
    mesh = mesh_of(owned("a", REPLICA_SET), template("Deployment", "web", replicas=3))

    assert summary(mesh) == [("Deployment istio-system/web", ("a",))]


def test_a_pod_without_owner_that_fits_a_template_is_its_pod():
    assert summary(mesh_of(pod("a"), template("Deployment", "web"))) == [
        ("Pod istio-system/a", ("a",))
    ]


def test_the_pods_of_one_deployment_do_not_stand_for_another_with_fewer_labels():
    mesh = mesh_of(owned("a", REPLICA_SET, track="canary"), template("Deployment", "stable"))

    assert summary(mesh) == [
        ("Deployment istio-system/web", ("a",)),
        ("Deployment istio-system/stable", ()),
    ]


def test_a_selector_takes_the_workloads_that_have_all_its_labels():
    mesh = mesh_of(
        pod("a", labels={"app": "web", "tier": "edge"}),
        pod("b", labels={"app": "web"}),
        pod("c", "shop", labels={"app": "web", "tier": "edge"}),
    )
    selector = frozenset({("app", "web"), ("tier", "edge")})

    assert sorted(each.name for each in selected(mesh, selector, "")) == ["a", "c"]
    assert [each.name for each in selected(mesh, selector, "shop")] == ["c"]
    assert [each.name for each in selected(mesh, frozenset(), "shop")] == ["c"]
    assert selected(mesh, frozenset({("app", "other")}), "") == ()


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        (pod(labels={"app": "x"}), True),
        (template("Deployment", "web"), False),
        (pod(spec={"containers": [{"name": "app"}]}), False),
        (
            pod(
                spec={"containers": [{"name": "istio-proxy", "image": "auto"}]},
                annotations={"inject.istio.io/templates": "custom,gateway"},
            ),
            True,
        ),
        (
            pod(
                labels={"gateway.networking.k8s.io/gateway-name": "web"},
                spec={"containers": [{"name": "istio-proxy"}]},
            ),
            True,
        ),
        (
            pod(spec={"containers": [{"name": "istio-proxy", "args": ["proxy", "sidecar"]}]}),
            False,
        ),
    ],
)
def test_a_router_runs_envoy_as_a_gateway(manifest: Manifest, expected: bool):
    assert bool(routers(mesh_of(manifest))) is expected


STATUS = "sidecar.istio.io/status"


@pytest.mark.parametrize(
    ("labels", "annotations", "expected"),
    [
        ({}, {}, "default"),
        ({"istio.io/rev": "1-22"}, {}, "1-22"),
        ({}, {"istio.io/rev": "1-22"}, "1-22"),
        ({"istio.io/rev": "stable"}, {"istio.io/rev": "1-22"}, "1-22"),
        ({"istio.io/rev": "stable"}, {STATUS: '{"revision": "1-24"}'}, "1-24"),
        ({"istio.io/rev": "1-22"}, {STATUS: "no JSON"}, "1-22"),
        ({}, {STATUS: '["list"]'}, "default"),
    ],
)
def test_the_revision_is_what_the_injector_wrote_else_what_the_label_asks_for(
    labels: dict[str, str], annotations: dict[str, str], expected: str
):
    found = only_workload(mesh_of(pod(labels=labels, annotations=annotations)))

    assert found.revision == expected


def router(mesh: Mesh) -> Workload:
    (found,) = routers(mesh)
    return found


@pytest.mark.parametrize(
    ("planes", "label", "expected"),
    [
        ([("1.22.3", "")], "", Version(1, 22, 3)),
        ([("1.22.3", "1-22"), ("1.24.1", "1-24")], "1-24", Version(1, 24, 1)),
        ([("1.22.3", "1-22"), ("1.24.1", "1-24")], "gone", None),
        ([("1.22.3", "1-22"), ("1.22.3", "canary")], "gone", Version(1, 22, 3)),
        ([("latest", "")], "", None),
        ([], "", None),
    ],
)
def test_a_gateway_is_configured_by_the_istiod_of_its_revision(
    planes: list[tuple[str, str]], label: str, expected: Version | None
):
    labels = INGRESS | ({"istio.io/rev": label} if label else {})
    mesh = mesh_of(*(istiod(*each) for each in planes), pod(labels=labels))

    assert istiod_version(mesh, router(mesh)) == expected


def test_the_proxy_has_a_version_of_its_own():
    mesh = mesh_of(istiod("1.24.1"), pod(image="istio/proxyv2:1.22.3-distroless"))

    assert router(mesh).version == Version(1, 22, 3)


def config_map(name: str, text: str) -> Manifest:
    return made("v1", "ConfigMap", name, "istio-system", data={"mesh": text})


TRUSTING = "defaultConfig: {gatewayTopology: {numTrustedProxies: 2}}"


@pytest.mark.parametrize(
    ("annotation", "config", "expected"),
    [
        ("", "", 0),
        ("", TRUSTING, 2),
        ("gatewayTopology: {numTrustedProxies: 1}", TRUSTING, 1),
        ("gatewayTopology: {}", TRUSTING, 0),
        ("holdApplicationUntilProxyStarts: true", TRUSTING, 2),
        ("[not, a, mapping]", TRUSTING, 2),
        ("", None, None),
        ("gatewayTopology: {numTrustedProxies: 1}", None, 1),
        ("holdApplicationUntilProxyStarts: true", None, None),
        ("", "[not, a, mapping]", None),
    ],
)
def test_trusted_proxies_come_from_the_annotation_else_from_the_mesh(
    annotation: str, config: str | None, expected: int | None
):
    annotations = {"proxy.istio.io/config": annotation} if annotation else {}
    maps = [] if config is None else [config_map("istio", config)]
    mesh = mesh_of(istiod(), pod(annotations=annotations), *maps)

    assert trusted_proxies(mesh, router(mesh)) == expected


def test_a_revision_has_a_mesh_configuration_of_its_own():
    labels = INGRESS | {"istio.io/rev": "1-24"}
    mesh = mesh_of(
        istiod(revision="1-24"),
        pod(labels=labels),
        config_map("istio", "{}"),
        config_map("istio-1-24", TRUSTING),
    )

    assert proxy_config(mesh, router(mesh)) == ProxyConfig(
        gateway_topology=GatewayTopology(num_trusted_proxies=2)
    )


def test_the_default_mesh_configuration_does_not_stand_in_for_an_unread_one():
    labels = INGRESS | {"istio.io/rev": "1-24"}
    unread = Unread(kind=Kind.CONFIG_MAP, namespace="istio-system", name="istio-1-24")
    whole = snapshot_of(istiod(revision="1-24"), pod(labels=labels), config_map("istio", "{}"))
    mesh = Mesh(whole.plus(Reading(unread=(unread,))))

    assert mesh_config(mesh, router(mesh)) is None


@pytest.mark.parametrize(
    ("objects", "unread", "reason"),
    [
        ([config_map("istio", "rootNamespace: config")], [], ""),
        ([], [], ""),
        (
            [],
            [Unread(kind=Kind.CONFIG_MAP, namespace="istio-system", name="istio")],
            "ConfigMap istio-system/istio was not read",
        ),
        (
            [config_map("istio", "rootNamespace: 5")],
            [],
            "ConfigMap istio-system/istio does not parse:"
            " Expected `str`, got `int` - at `$.rootNamespace`",
        ),
    ],
)
def test_a_mesh_configuration_that_is_not_known_has_a_reason(
    objects: list[Manifest], unread: list[Unread], reason: str
):
    whole = snapshot_of(istiod(), pod(), *objects)
    mesh = Mesh(whole.plus(Reading(unread=tuple(unread))))

    assert mesh_config_unknown_because(mesh, router(mesh)) == reason


def test_a_revision_without_a_mesh_configuration_does_not_take_the_default_revisions():
    labels = INGRESS | {"istio.io/rev": "1-24"}
    mesh = mesh_of(istiod(revision="1-24"), pod(labels=labels), config_map("istio", TRUSTING))

    assert mesh_config(mesh, router(mesh)) is None
    assert mesh_config_unknown_because(mesh, router(mesh)) == ""


def test_a_service_selects_the_pods_of_its_own_namespace_by_all_its_labels():
    mesh = mesh_of(
        pod(labels={"app": "web", "tier": "edge"}),
        service("fits", "istio-system", 443, selector={"app": "web"}),
        service("fits-too", "istio-system", 443, selector={"app": "web", "tier": "edge"}),
        service("asks-more", "istio-system", 443, selector={"app": "web", "zone": "1"}),
        service("elsewhere", "shop", 443, selector={"app": "web"}),
        service("selects-none", "istio-system", 443, selector={}),
    )

    assert [each.name for each in services_of(mesh, router(mesh))] == ["fits", "fits-too"]


def to(port: int, target: int | str) -> Manifest:
    return {"name": f"p{port}", "port": port, "targetPort": target}


OPT_OUT = {"experimental.istio.io/disable-gateway-port-translation": "true"}
NAMED = [{"name": "https", "containerPort": 9443}]


@pytest.mark.parametrize(
    ("services", "expected"),
    [
        ([], (443,)),
        ([service("a", "istio-system", to(443, 8443))], (8443,)),
        ([service("a", "istio-system", 443)], (443,)),
        ([service("a", "istio-system", to(80, 8080))], (443,)),
        ([service("a", "istio-system", to(443, "https"))], (9443,)),
        ([service("a", "istio-system", to(443, "8443"))], (8443,)),
        ([service("a", "istio-system", to(443, "²"))], (443,)),
        ([service("a", "istio-system", to(443, "٣"))], (443,)),
        ([service("a", "istio-system", to(443, "9" * 5000))], (443,)),
        ([service("a", "istio-system", to(443, ""))], (443,)),
        ([service("a", "istio-system", to(443, 8443), labels=OPT_OUT)], (443,)),
        (
            [
                service("a", "istio-system", to(443, 1443), created="2025-02-01"),
                service("z", "istio-system", to(443, 8443), created="2025-01-01"),
            ],
            (8443,),
        ),
        (
            [
                service("b", "istio-system", to(443, 1443), created="2025-01-01"),
                service("a", "istio-system", to(443, 8443), created="2025-01-01"),
            ],
            (8443,),
        ),
        (
            [
                service("old", "istio-system", to(80, 8080), created="2025-01-01"),
                service("new", "istio-system", to(443, 8443), created="2025-02-01"),
            ],
            (8443,),
        ),
    ],
)
def test_a_server_listens_on_the_target_port_of_the_oldest_service_that_has_its_port(
    services: list[Manifest], expected: tuple[int, ...]
):
    mesh = mesh_of(pod(ports=NAMED), *services)

    assert listening_ports(mesh, router(mesh), 443) == expected


@pytest.mark.parametrize(
    ("services", "expected"),
    [
        ([], (443,)),
        ([service("a", "istio-system", to(443, 8443))], (8443,)),
        ([service("a", "istio-system", to(443, 8443), labels=OPT_OUT)], (8443,)),
        ([service("a", "istio-system", to(80, 8080))], ()),
        (
            [
                service("a", "istio-system", to(443, 8443)),
                service("b", "istio-system", to(443, 9443)),
            ],
            (8443, 9443),
        ),
        (
            [
                service("a", "istio-system", to(443, 8443)),
                service("unnamed", "istio-system", to(443, 9443)),
            ],
            (8443,),
        ),
    ],
)
def test_a_listener_of_the_gateway_api_opens_every_target_of_its_services_port_and_no_other(
    services: list[Manifest], expected: tuple[int, ...]
):
    addresses = [{"type": "Hostname", "value": name} for name in ("a", "b")]
    spec = {"gatewayClassName": "istio", "addresses": addresses}
    gateway = made(GATEWAY_API, "Gateway", "web", "istio-system", spec=spec)
    mesh = mesh_of(pod(), gateway, *services)

    named = gateway_ref("istio-system", "web")
    assert api_gateway_ports(mesh, named, router(mesh), 443) == expected


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"ISTIO_META_UNPRIVILEGED_POD": "true"}, True),
        ({"ISTIO_META_UNPRIVILEGED_POD": "false"}, False),
    ],
)
def test_a_pod_tells_istiod_that_it_is_unprivileged(environment: dict[str, str], expected: bool):
    assert router(mesh_of(pod(env=environment))).is_unprivileged is expected


@pytest.mark.parametrize(
    ("spec", "expected"), [({}, "default"), ({"serviceAccountName": "edge"}, "edge")]
)
def test_pods_without_a_service_account_run_as_the_default_one(spec: Manifest, expected: str):
    assert router(mesh_of(pod(spec=spec))).service_account == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, True),
        ({"conditions": [{"type": "Ready", "status": "True"}]}, True),
        ({"conditions": [{"type": "Ready", "status": "False"}]}, False),
    ],
)
def test_a_pod_is_ready_unless_its_status_denies_it(status: Manifest, expected: bool):
    assert pod_is_ready(router(mesh_of(pod(status=status))).pods[0]) is expected


def test_where_pods_are_unknown_the_selector_stands_for_those_it_would_take():
    manifests = snapshot_of(gateway("web", "shop", https("a.com")))
    partial = Snapshot(
        taken_at=NOW,
        source="files",
        readings=[Reading(resources=tuple(manifests.all(IstioGateway)))],
    )
    mesh = Mesh(partial)

    ((workload, servers),) = servers_by_workload(mesh).items()
    assert (workload.is_known, workload.owner, dict(workload.labels), len(servers)) == (
        False,
        Ref("", "Pod", "", "(istio=ingressgateway)"),
        INGRESS,
        1,
    )


@pytest.mark.parametrize(
    ("known", "expected"), [({Kind.NAMESPACE: frozenset({EVERYWHERE})}, False), ({}, None)]
)
def test_a_namespace_is_missing_only_where_namespaces_were_listed(
    known: dict[Kind, frozenset[str]], expected: bool | None
):
    mesh = Mesh(Snapshot(taken_at=NOW, source="test", readings=[Reading(listed=known)]))

    assert namespace_exists(mesh, "shop") is expected


def test_the_labels_of_a_namespace_are_known_once_it_is_read():
    mesh = mesh_of(made("v1", "Namespace", "shop", "", labels={"team": "a"}))

    assert (namespace_labels(mesh, "shop"), namespace_labels(mesh, "other")) == (
        {"team": "a"},
        None,
    )

"""OPS011."""

from collections.abc import Iterator

from istiodoctor.check import check
from istiodoctor.command import kubectl
from istiodoctor.evidence import Evidence
from istiodoctor.finding import Confidence, Finding, Identity, Severity
from istiodoctor.fix import Fix, get
from istiodoctor.mesh import Mesh
from istiodoctor.mesh.policies.external_authorizers import AuthorizerFault
from istiodoctor.mesh.workloads.control_planes import mesh_config_ref
from istiodoctor.model.ref import Place, Ref
from istiodoctor.text import listing
from istiodoctor_checks.operations._authorizers import (
    FailedRequests,
    RefusingAuthorizer,
    policies_of_refused_providers,
    requests_denied_by_istiod,
    unusable_authorizers,
)


@check(
    "OPS011",
    severity=Severity.CRITICAL,
    explains={"OPS010", "HTTP015"},
    evidence=[requests_denied_by_istiod, policies_of_refused_providers],
)
def external_authorizer_unusable(mesh: Mesh) -> Iterator[Finding]:
    """A CUSTOM AuthorizationPolicy names an external authorizer that istiod cannot use.

    The action CUSTOM has an external authorizer decide: one of `extensionProviders` of the mesh
    configuration. Where istiod finds none of the name, where it knows no Service of the
    provider's (the full name is needed: `login.auth.svc.cluster.local`), or where policies with
    different providers apply to one gateway, it denies every request that the policy takes (before
    1.20 every request at all): 403, with `deny-due-to-bad-CUSTOM-action` in the access log and
    `failed to process CUSTOM action` in istiod's.

    Fix: define the provider in the mesh configuration, or name one that is there.

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.27.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: istio, namespace: istio-system}
    data: {mesh: "accessLogFile: /dev/stdout"}
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: login, namespace: istio-system}
    spec:
      selector: {matchLabels: {istio: ingressgateway}}
      action: CUSTOM
      provider: {name: login}
      rules: [{}]
    ```

    ```finding
    critical: AuthorizationPolicy istio-system/login spec.provider
    hosts: shop.example.com
    AuthorizationPolicy istio-system/login asks the external authorizer 'login' at Pod
    istio-system/gateway, but the mesh configuration has no external authorizer 'login': istiod
    denies every request (403, RBAC: access denied).
    ```

    istiod looks for the provider's Service by its full name; and rules may take some paths only:

    ```yaml bad
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.27.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: istio, namespace: istio-system}
    data:
      mesh: |
        extensionProviders:
        - name: login
          envoyExtAuthzHttp: {service: login, port: 8080}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: login, namespace: auth}
    spec: {selector: {app: login}, ports: [{name: http, port: 8080}]}
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: login, namespace: istio-system}
    spec:
      selector: {matchLabels: {istio: ingressgateway}}
      action: CUSTOM
      provider: {name: login}
      rules: [{to: [{operation: {paths: [/account*]}}]}]
    ```

    ```finding
    high: AuthorizationPolicy istio-system/login spec.provider
    hosts: shop.example.com
    AuthorizationPolicy istio-system/login asks the external authorizer 'login' at Pod
    istio-system/gateway, but istiod knows no service login: istiod denies every request that it
    takes (403, RBAC: access denied).
    ```

    ```yaml good
    apiVersion: v1
    kind: Pod
    metadata: {name: gateway, namespace: istio-system, labels: {istio: ingressgateway}}
    spec: {containers: [{name: istio-proxy, image: "istio/proxyv2:1.27.3"}]}
    ---
    apiVersion: v1
    kind: Pod
    metadata: {name: istiod, namespace: istio-system, labels: {app: istiod}}
    spec: {containers: [{name: discovery, image: "istio/pilot:1.27.3"}]}
    ---
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: web, namespace: shop}
    spec:
      selector: {istio: ingressgateway}
      servers:
      - port: {number: 443, name: https, protocol: HTTPS}
        hosts: [shop.example.com]
        tls: {mode: SIMPLE, credentialName: shop-cert}
    ---
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: istio, namespace: istio-system}
    data:
      mesh: |
        extensionProviders:
        - name: login
          envoyExtAuthzHttp: {service: login.auth.svc.cluster.local, port: 8080}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: login, namespace: auth}
    spec: {selector: {app: login}, ports: [{name: http, port: 8080}]}
    ---
    apiVersion: security.istio.io/v1
    kind: AuthorizationPolicy
    metadata: {name: login, namespace: istio-system}
    spec:
      selector: {matchLabels: {istio: ingressgateway}}
      action: CUSTOM
      provider: {name: login}
      rules: [{}]
    ```

    Sources: istio/istio, pilot/pkg/security/authz/builder/builder.go (`build`) and extauthz.go
    (`getExtAuthz`), pull request 46968, issue 40944; istio.io, External Authorization.
    """
    known: set[Ref] = set()
    for each in unusable_authorizers(mesh):
        known |= {policy.ref for policy in each.bad.policies}
        yield _by_objects(mesh, each)
    for denied in requests_denied_by_istiod(mesh):
        if not known.intersection(denied.policies):
            known |= set(denied.policies)
            yield _by_access_log(mesh, denied)
    for refused in policies_of_refused_providers(mesh):
        if not known.intersection(refused.policies):
            yield _by_istiod(mesh, refused)


def _by_objects(mesh: Mesh, each: RefusingAuthorizer) -> Finding:
    bad = each.bad
    names = listing(policy.ref for policy in bad.policies)
    asks, takes = ("ask", "they take") if len(bad.policies) > 1 else ("asks", "it takes")
    named = repr(bad.name) if bad.name else "(not named)"
    what = "every request" if bad.takes_everything else f"every request that {takes}"
    configured = mesh_config_ref(mesh, each.workload)
    return Finding(
        message=(
            f"{names} {asks} the external authorizer {named} at"
            f" {each.workload}, but {bad.reason}: istiod denies {what} (403, RBAC: access denied)."
        ),
        objects=(
            *(policy.at("/spec/provider") for policy in bad.policies),
            Place(configured, "/data/mesh"),
        ),
        identity=Identity.of(bad.policies[0].ref, str(each.workload.owner.path)),
        hosts=each.hosts,
        evidence=(Evidence(text=f"provider: {named}; {bad.reason}"),),
        fixes=(_fix(bad.fault, bad.policies[0].ref, configured),),
        severity=Severity.CRITICAL if bad.takes_everything else Severity.HIGH,
        confidence=Confidence.CERTAIN if bad.is_certain else Confidence.SUSPECTED,
        servers=frozenset(server.id for server in each.servers),
    )


def _by_access_log(mesh: Mesh, denied: FailedRequests) -> Finding:
    return _by_log(
        mesh,
        denied,
        f"{denied.workload} denied requests for {listing(denied.hosts) or 'its hosts'} (403) that"
        f" {denied.policies[0]} takes: istiod cannot use the external authorizer that it names.",
        frozenset(denied.hosts),
    )


def _by_istiod(mesh: Mesh, refused: FailedRequests) -> Finding:
    fact = refused.facts[-1]
    return _by_log(
        mesh,
        refused,
        f"{refused.policies[0]} asks the external authorizer {fact.provider!r} at"
        f" {refused.workload}, and istiod says that it cannot use it ({fact.reason}): it denies"
        " what the policy takes (403, RBAC: access denied).",
        frozenset(name for server in refused.servers for name in server.names),
    )


def _by_log(mesh: Mesh, failed: FailedRequests, message: str, hosts: frozenset[str]) -> Finding:
    policy, configured = failed.policies[0], mesh_config_ref(mesh, failed.workload)
    return Finding(
        message=message,
        objects=(Place(policy, "/spec/provider"), Place(configured, "/data/mesh")),
        identity=Identity.of(policy, str(failed.workload.owner.path)),
        hosts=hosts,
        evidence=(Evidence.of_line(failed.facts[-1].line),),
        fixes=(_fix(AuthorizerFault.UNDEFINED, policy, configured),),
        severity=Severity.HIGH,
        confidence=Confidence.OBSERVED,
        servers=frozenset(server.id for server in failed.servers),
    )


def _fix(fault: AuthorizerFault, policy: Ref, configured: Ref) -> Fix:
    title = {
        AuthorizerFault.UNDEFINED: "Define the provider in extensionProviders of the mesh"
        f" configuration, or name one that is there in {policy}",
        AuthorizerFault.NO_SERVICE: f"Give the provider in {configured} the full name of a Service"
        " that exists",
        AuthorizerFault.SEVERAL: "Let the policies of this gateway name one provider",
    }[fault]
    return Fix(
        title=title,
        commands=(get(configured),),
        verify=kubectl("get", "authorizationpolicies.security.istio.io", "-A"),
        why="istiod reads a changed mesh configuration by itself; its log says which providers it"
        " has.",
    )

"""Reports as a scan would make them: values for the tests of outputs."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from istiodoctor.problem import (
    BaselineState,
    Confidence,
    Diagnosis,
    Evidence,
    EvidenceKind,
    Fix,
    Patch,
    PatchType,
    Place,
    Problem,
    ProvenFix,
    Ref,
    Risk,
    Severity,
)
from istiodoctor.report import (
    CertificateReport,
    CertificateSource,
    CheckRun,
    ClusterSummary,
    ComponentVersion,
    Hop,
    HopState,
    HostReport,
    Ignored,
    Outcome,
    Report,
    ScanError,
    ScanInfo,
    ToolInfo,
    UnreadReport,
    Verdict,
)

TAKEN_AT = datetime(2026, 1, 15, 9, 0, tzinfo=UTC)

TOOL = ToolInfo(name="istiodoctor", version="1.0.0", checks=118)

ISTIO = "networking.istio.io"
GATEWAY = Ref(ISTIO, "Gateway", "shop", "web")
ROUTE = Ref(ISTIO, "VirtualService", "shop", "checkout")
SECRET = Ref("", "Secret", "shop", "shop-cert")
GATEWAY_POD = Ref("", "Pod", "istio-system", "istio-ingressgateway-7c9d8f6b5-x2x4q")
PODS = tuple(f"Pod istio-system/ingress-{letter}" for letter in "abcd")
CERTIFICATE = Ref("cert-manager.io", "Certificate", "billing", "billing-cert")
BILLING_SECRET = Ref("", "Secret", "istio-system", "billing-cert")

SHOP_HOSTS = tuple(
    f"{name}.example.com" for name in ("shop", "www", "api", "cart", "checkout", "static")
)


def scan(source: str = "cluster:prod") -> ScanInfo:
    """Return what a scan of a cluster says about itself."""
    return ScanInfo(
        taken_at=TAKEN_AT,
        duration_seconds=3.2164,
        source=source,
        cluster=ClusterSummary(
            context="prod", server="https://10.0.0.1:6443", uid="3f1c9a52-8f0e-4c5b"
        ),
        istio_versions=(
            ComponentVersion(revision="default", component="istiod", version="1.24.1"),
            ComponentVersion(revision="default", component="gateway", version="1.24.1"),
        ),
    )


def _wrong_namespace() -> Problem:
    copied = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "web", "namespace": "istio-system", "annotations": {"build": "1e3"}},
        "spec": {
            "selector": {"istio": "ingressgateway"},
            "servers": [
                {
                    "hosts": ["shop.example.com"],
                    "port": {"name": "https", "number": 443, "protocol": "HTTPS"},
                    "tls": {"mode": "SIMPLE", "credentialName": "shop-cert"},
                }
            ],
        },
    }
    cause = Diagnosis(
        code="CRED001",
        name="secret-wrong-namespace",
        title="A gateway's Secret exists, but not in the namespace its pods read from",
        own_severity=Severity.CRITICAL,
        confidence=Confidence.CERTAIN,
        message="Gateway shop/web takes its certificate from the Secret shop-cert, which its pods "
        "look for in istio-system. It is in shop, out of their reach, so no TLS handshake for "
        "these hosts succeeds.",
        objects=(
            Place(GATEWAY, "/spec/servers/0/tls/credentialName", "manifests/gateway.yaml", 14),
            Place(SECRET),
            Place(GATEWAY_POD),
        ),
        hosts=SHOP_HOSTS,
        evidence=(
            Evidence(text="Secret shop/shop-cert exists and covers 6 of 6 hosts", ref=SECRET),
            Evidence(text="no Secret shop-cert in istio-system, where its 2 pods run"),
            Evidence(
                kind=EvidenceKind.LOG,
                text="failed to fetch key and certificate for kubernetes://shop-cert: secret "
                "istio-system/shop-cert not found",
                ref=Ref("", "Pod", "istio-system", "istiod-6b8f9c7d5-k8wzp"),
                at=TAKEN_AT - timedelta(seconds=48),
            ),
            Evidence(
                kind=EvidenceKind.ENVOY,
                text="secret kubernetes://shop-cert is warming",
                ref=GATEWAY_POD,
                at=TAKEN_AT - timedelta(days=1),
            ),
            Evidence(kind=EvidenceKind.TLS, text="connection reset after ClientHello"),
            Evidence(kind=EvidenceKind.HTTP, text="no answer"),
            Evidence(kind=EvidenceKind.EVENT, text="none"),
        ),
        fixes=(
            ProvenFix(
                fix=Fix(
                    title="Move the Gateway to where its pods and the Secret's copy are",
                    risk=Risk.RESTARTS_TRAFFIC,
                    patches=(Patch(ref=GATEWAY, type=PatchType.CREATE, body=copied),),
                    commands=(
                        ("kubectl", "delete", "gateway.networking.istio.io/web", "-n", "shop"),
                    ),
                    undo=("Delete the new Gateway and apply the old one again.",),
                    why="VirtualServices that name the Gateway as shop/web must name the new one.",
                )
            ),
            ProvenFix(
                fix=Fix(
                    title="Use the Secret that is there already",
                    patches=(
                        Patch(
                            ref=GATEWAY,
                            type=PatchType.MERGE,
                            body={"spec": {"servers": [{"tls": {"credentialName": "old's"}}]}},
                        ),
                    ),
                    verify=(
                        "istioctl",
                        "proxy-config",
                        "secret",
                        "deploy/istio-ingressgateway.istio-system",
                    ),
                    undo=("kubectl", "rollout", "undo", "-n", "istio-system", "deploy/x"),
                ),
                proven=True,
            ),
        ),
        fingerprint="v1:" + "a" * 64,
        identity="Gateway/shop/web/shop-cert",
        docs="https://istiodoctor.example/checks/CRED001",
        baseline=BaselineState.NEW,
    )
    return Problem(
        rank=1,
        cause=cause,
        severity=Severity.CRITICAL,
        confidence=Confidence.OBSERVED,
        hosts=SHOP_HOSTS,
        deadline=None,
        symptoms=(
            _symptom("SDS011", "istiod cannot fetch a credential", GATEWAY_POD, "b"),
            _symptom(
                "SDS001",
                "A listener's certificate is still warming",
                GATEWAY_POD,
                "c",
                caused_by=("v1:" + "a" * 64, "v1:" + "d" * 64),
            ),
        ),
    )


def _symptom(
    code: str, title: str, ref: Ref, digit: str, caused_by: tuple[str, ...] = ("v1:" + "a" * 64,)
) -> Diagnosis:
    return Diagnosis(
        code=code,
        name=title.lower().replace(" ", "-").replace("'", ""),
        title=title,
        own_severity=Severity.HIGH,
        confidence=Confidence.OBSERVED,
        message=f"{ref} has no certificate for shop.example.com yet.",
        objects=(Place(ref),),
        hosts=("shop.example.com",),
        evidence=(),
        fixes=(),
        fingerprint="v1:" + digit * 64,
        identity=f"Pod/istio-system/istio-ingressgateway/{digit}",
        caused_by=caused_by,
    )


def _not_renewed() -> Problem:
    deadline = TAKEN_AT + timedelta(days=3, hours=2)
    cause = Diagnosis(
        code="CM004",
        name="renewal-stuck",
        title="A Certificate is past its renewal time and was not renewed",
        own_severity=Severity.MEDIUM,
        confidence=Confidence.SUSPECTED,
        message="Certificate billing/billing-cert should have been renewed 12 days ago.",
        objects=(Place(CERTIFICATE, "/spec/issuerRef/name"),),
        hosts=("billing.example.com",),
        evidence=(Evidence(text="status.renewalTime is 2026-01-03 09:00 UTC", ref=CERTIFICATE),),
        fixes=(
            ProvenFix(
                fix=Fix(
                    title="Ask for a new certificate",
                    risk=Risk.NEEDS_ISSUANCE,
                    commands=(("cmctl", "renew", "-n", "billing", "billing-cert"),),
                    verify=("cmctl", "status", "certificate", "-n", "billing", "billing-cert"),
                ),
                why="no patch expresses it, so it was not tried",
            ),
        ),
        fingerprint="v1:" + "d" * 64,
        identity="Certificate/billing/billing-cert/",
        deadline=deadline,
        baseline=BaselineState.UNCHANGED,
    )
    return Problem(
        rank=2,
        cause=cause,
        severity=Severity.HIGH,
        confidence=Confidence.SUSPECTED,
        hosts=cause.hosts,
        deadline=deadline,
        symptoms=(
            _symptom(
                "CERT002",
                "A certificate expires soon",
                BILLING_SECRET,
                "e",
                caused_by=("v1:" + "d" * 64,),
            ),
        ),
    )


def _no_redirect() -> Problem:
    cause = Diagnosis(
        code="HTTP001",
        name="redirect-missing",
        title="Plain HTTP is served without a redirect to HTTPS",
        own_severity=Severity.LOW,
        confidence=Confidence.CERTAIN,
        message="Gateway shop/web serves port 80 without `tls.httpsRedirect`.",
        objects=(Place(GATEWAY, "/spec/servers/1"), Place(ROUTE, "/spec/http/0")),
        hosts=("*",),
        evidence=(),
        fixes=(
            ProvenFix(
                fix=Fix(
                    title="Redirect at the gateway",
                    patches=(
                        Patch(
                            ref=GATEWAY,
                            type=PatchType.JSON,
                            body=[
                                {
                                    "op": "add",
                                    "path": "/spec/servers/1/tls",
                                    "value": {"httpsRedirect": True},
                                }
                            ],
                        ),
                    ),
                ),
                proven=True,
            ),
        ),
        fingerprint="v1:" + "f" * 64,
        identity="Gateway/shop/web/80",
    )
    return Problem(
        rank=3,
        cause=cause,
        severity=Severity.LOW,
        confidence=Confidence.CERTAIN,
        hosts=("*",),
        deadline=None,
    )


def _host(host: str, verdict: Verdict, *path: Hop) -> HostReport:
    return HostReport(host=host, gateway=GATEWAY, verdict=verdict, path=path)


def _certificate(
    ref: Ref,
    days: int,
    source: CertificateSource,
    *names: str,
    seen_at: tuple[str, ...] = (),
    fingerprint: str | None = None,
) -> CertificateReport:
    not_after = TAKEN_AT + timedelta(days=days)
    return CertificateReport(
        credential=ref,
        source=source,
        subject_alternative_names=names,
        not_before=not_after - timedelta(days=90),
        not_after=not_after,
        renewal_time=not_after - timedelta(days=15)
        if source is CertificateSource.STORED
        else None,
        serial="03a17f",
        fingerprint_sha256=f"{days % 256:02x}" * 32 if fingerprint is None else fingerprint,
        seen_at=seen_at,
    )


def _runs(outcome: Outcome, reason: str, *codes: str) -> tuple[CheckRun, ...]:
    return tuple(
        CheckRun(code=code, name=f"check-{code.lower()}", outcome=outcome, reason=reason)
        for code in codes
    )


CHECKS = (
    *_runs(Outcome.PASSED, "", *(f"GW{number:03}" for number in range(1, 72))),
    *_runs(Outcome.FAILED, "", "CRED001", "SDS011", "SDS001", "CM004", "CERT002", "HTTP001"),
    *_runs(
        Outcome.SKIPPED,
        "secrets in billing: forbidden",
        *(f"CERT{number:03}" for number in range(3, 24)),
    ),
    *_runs(Outcome.SKIPPED, "httproutes.gateway.networking.k8s.io: timed-out", "GWAPI001"),
    *_runs(Outcome.ERRORED, "the check itself broke: KeyError: 'spec'", "ACME001"),
    *_runs(
        Outcome.NOT_REQUESTED,
        "TLS probes (--probe)",
        *(f"SNI{number:03}" for number in range(1, 10)),
    ),
)


def broken_report() -> Report:
    """Return a report with causes, symptoms, partial reads and every other part."""
    return Report(
        tool=TOOL,
        scan=ScanInfo(
            taken_at=TAKEN_AT,
            duration_seconds=3.2164,
            source="cluster:prod",
            cluster=scan().cluster,
            istio_versions=(
                ComponentVersion(revision="default", component="istiod", version="1.24.1"),
                ComponentVersion(revision="1-22", component="gateway", version="1.22.0"),
            ),
            absent_apis=("gateway.networking.k8s.io",),
            notes=("1 file was passed over: chart/templates/gateway.yaml is a Helm template",),
        ),
        verdict=Verdict.BROKEN,
        problems=(_wrong_namespace(), _not_renewed(), _no_redirect()),
        hosts=(
            *(
                _host(
                    host,
                    Verdict.BROKEN,
                    Hop(hop="listener", ref=GATEWAY_POD, state=HopState.OK, text="port 8443"),
                    Hop(
                        hop="certificate",
                        ref=GATEWAY,
                        state=HopState.BROKEN,
                        text="Secret shop-cert is not in istio-system",
                    ),
                )
                for host in SHOP_HOSTS[:2]
            ),
            _host("docs.example.com", Verdict.HEALTHY),
            _host(
                "billing.example.com",
                Verdict.DEGRADED,
                Hop(
                    hop="certificate",
                    ref=BILLING_SECRET,
                    state=HopState.WARNING,
                    text="expires in 3 days and is not being renewed, and whatever renews it "
                    "has said nothing about it since",
                ),
            ),
            _host(
                "partner.example.com",
                Verdict.INCOMPLETE,
                Hop(
                    hop="certificate",
                    ref=None,
                    state=HopState.UNKNOWN,
                    text="secrets in billing: forbidden",
                ),
            ),
        ),
        certificates=(
            _certificate(SECRET, 41, CertificateSource.STORED, *SHOP_HOSTS),
            _certificate(BILLING_SECRET, 3, CertificateSource.STORED, "billing.example.com"),
            _certificate(
                BILLING_SECRET,
                3,
                CertificateSource.ENVOY,
                "billing.example.com",
                seen_at=PODS[:1],
                fingerprint="",
            ),
            _certificate(SECRET, 5, CertificateSource.ENVOY, *SHOP_HOSTS[:1], seen_at=PODS),
            _certificate(
                SECRET,
                5,
                CertificateSource.WIRE,
                *SHOP_HOSTS[:1],
                seen_at=(f"{PODS[0]} port 8443", "203.0.113.10:443"),
            ),
            _certificate(Ref("", "Secret", "istio-system", "old"), -2, CertificateSource.STORED),
        ),
        resolved=(_symptom("VS003", "A route leads nowhere", ROUTE, "9", caused_by=()),),
        ignored=(
            Ignored(
                fingerprint="v1:" + "8" * 64,
                code="OPS002",
                reason="the old control plane goes away in March",
                until=datetime(2026, 3, 1, tzinfo=UTC),
                by="istiodoctor.toml",
            ),
        ),
        checks=CHECKS,
        unread=(
            _forbidden("billing"),
            _forbidden("payments"),
            UnreadReport(
                api_group="gateway.networking.k8s.io",
                kind="HTTPRoute",
                namespace="",
                name="",
                reason="timed-out",
                message="no answer within 60 s",
            ),
            UnreadReport(
                api_group="",
                kind="",
                namespace="",
                name="",
                reason="malformed",
                message="mapping values are not allowed here",
                file="manifests/broken.yaml",
                line=7,
            ),
        ),
        scope_hosts=("shop.example.com", "docs.example.com", "nowhere.example.org"),
    )


def _forbidden(namespace: str) -> UnreadReport:
    return UnreadReport(
        api_group="",
        kind="Secret",
        namespace=namespace,
        name="",
        reason="forbidden",
        message='secrets is forbidden: User "system:serviceaccount:ops:istiodoctor" cannot get '
        f'resource "secrets" in API group "" in the namespace "{namespace}"',
    )


def many_problems_report() -> Report:
    """Return a report with more problems than anyone reads at once."""
    problems = tuple(
        replace(
            _no_redirect(),
            rank=rank,
            cause=replace(
                _no_redirect().cause,
                objects=(Place(Ref(ISTIO, "Gateway", "shop", f"web-{rank}")),),
                fingerprint=f"v1:{rank:064}",
            ),
        )
        for rank in range(1, 141)
    )
    return Report(tool=TOOL, scan=scan(), verdict=Verdict.HEALTHY, problems=problems)


def healthy_report() -> Report:
    """Return a report of a cluster where nothing is wrong."""
    return Report(
        tool=TOOL,
        scan=scan(),
        verdict=Verdict.HEALTHY,
        hosts=tuple(
            _host(host, Verdict.HEALTHY) for host in (*SHOP_HOSTS, "a.example", "b.example")
        ),
        certificates=(
            _certificate(SECRET, 75, CertificateSource.STORED, *SHOP_HOSTS),
            _certificate(BILLING_SECRET, 41, CertificateSource.STORED, "billing.example.com"),
            _certificate(
                BILLING_SECRET, 41, CertificateSource.ENVOY, "billing.example.com", seen_at=PODS
            ),
        ),
        checks=(*CHECKS[:71], *CHECKS[-9:]),
    )


def incomplete_report() -> Report:
    """Return a report with nothing wrong in what could be read, and much that could not."""
    return Report(
        tool=TOOL,
        scan=scan("files:manifests"),
        verdict=Verdict.INCOMPLETE,
        hosts=(_host("docs.example.com", Verdict.HEALTHY),),
        checks=(*CHECKS[:71], *CHECKS[77:]),
        unread=broken_report().unread,
        scope_hosts=("docs.example.com",),
    )


def error_report() -> Report:
    """Return the report of a scan that could read nothing."""
    return Report(
        tool=TOOL,
        scan=ScanInfo(
            taken_at=TAKEN_AT,
            duration_seconds=60.0,
            source="cluster:arn:aws:eks:eu-west-1:123456789012:cluster/production-europe",
        ),
        verdict=Verdict.INCOMPLETE,
        error=ScanError(
            kind="unreachable",
            message="The API server https://10.0.0.1:6443 did not answer within 60 s. Check the "
            "network or the VPN, or name another cluster with --context.",
        ),
    )


HOSTILE = "a\x1b[31mred\x1b]8;;http://x\x07\u202egnp\u2066.exe\x00\x9b2J\ud800\u200b[bold]b[/]"
"""Terminal escapes, bidirectional marks, NUL, a C1 control, a lone surrogate, Rich markup."""


def hostile_report() -> Report:
    """Return a report in which every text that comes from outside means harm."""
    ref = Ref(ISTIO, "Gateway", HOSTILE, f"{HOSTILE}\n✓ HEALTHY  nothing wrong found")
    text = f"{HOSTILE}\r\n\u2028{'x' * 10_000}"
    diagnosis = Diagnosis(
        code="CRED001",
        name="secret-wrong-namespace",
        title=text,
        own_severity=Severity.CRITICAL,
        confidence=Confidence.CERTAIN,
        message=text,
        objects=tuple(Place(ref, f"/spec/{HOSTILE}/0", text, number) for number in range(3)),
        hosts=("h" * 10_000, *(f"{HOSTILE}{number}" for number in range(300))),
        evidence=(Evidence(kind=EvidenceKind.LOG, text=text, ref=ref, at=TAKEN_AT),) * 9,
        fixes=(
            ProvenFix(
                fix=Fix(
                    title=text,
                    patches=(
                        Patch(ref=GATEWAY, type=PatchType.MERGE, body={HOSTILE: [HOSTILE, 1e400]}),
                        Patch(
                            ref=GATEWAY,
                            type=PatchType.CREATE,
                            body={"kind": HOSTILE, "a": "EOF"},
                        ),
                        Patch(ref=GATEWAY, type=PatchType.MERGE, body={"a": "x" * 10_000}),
                    ),
                    commands=(("kubectl", "delete", "x", f"; rm -rf / {HOSTILE}'\n\\"),),
                    verify=("true", text[:100]),
                    undo=(text,),
                    why=text,
                ),
                why=text,
            ),
            ProvenFix(
                fix=Fix(
                    title="Change an object that there cannot be",
                    patches=(Patch(ref=ref, type=PatchType.MERGE, body={"a": "b"}),),
                    commands=(("kubectl", "delete", "secret/web"),),
                )
            ),
        ),
        fingerprint="v1:" + "0" * 64,
        identity=text,
        docs=text,
    )
    return Report(
        tool=TOOL,
        scan=ScanInfo(
            taken_at=TAKEN_AT,
            duration_seconds=1.0,
            source=f"files:{text}",
            istio_versions=(ComponentVersion(revision=text, component="istiod", version=text),),
            absent_apis=(text,),
            notes=(text,),
        ),
        verdict=Verdict.BROKEN,
        problems=(
            Problem(
                rank=1,
                cause=diagnosis,
                severity=Severity.CRITICAL,
                confidence=Confidence.CERTAIN,
                hosts=diagnosis.hosts,
                deadline=TAKEN_AT,
                symptoms=(diagnosis,),
            ),
        ),
        hosts=(
            _host(
                text, Verdict.BROKEN, Hop(hop="route", ref=ref, state=HopState.BROKEN, text=text)
            ),
        ),
        certificates=(
            _certificate(ref, 41, CertificateSource.STORED, text, text, text),
            _certificate(ref, 3, CertificateSource.WIRE, text, seen_at=(text, text, text)),
        ),
        resolved=(diagnosis,),
        ignored=(Ignored(fingerprint=text, code="X", reason=text, until=None, by=text),),
        checks=_runs(Outcome.SKIPPED, text, "CERT001"),
        unread=(
            UnreadReport(
                api_group=text,
                kind=text,
                namespace=text,
                name=text,
                reason="failed",
                message=text,
                file=text,
                line=1,
            ),
        ),
        scope_hosts=(text,),
    )

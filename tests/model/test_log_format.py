import base64
import json
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import example, given
from hypothesis import strategies as st

from istiodoctor.model.log import Level, LogLine
from istiodoctor.model.log_format import KEPT, parse_log_line, redact
from istiodoctor.model.ref import Ref

POD = Ref("", "Pod", "istio-system", "istiod-0")
AT = datetime(2026, 1, 15, 9, 0, 1, 123456, tzinfo=UTC)
STAMP = "2026-01-15T09:00:01.123456Z"
KUBELET = "2026-01-15T09:00:02.987654321Z"
KUBELET_AT = datetime(2026, 1, 15, 9, 0, 2, 987654, tzinfo=UTC)

MISSING = "failed to fetch key and certificate for kubernetes://shop: secret a/shop not found"
REJECTED = (
    "gRPC config for type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
    " rejected: Failed to load certificate chain from <inline>"
)
SOURCE = "external/envoy/source/common/config/grpc_subscription_impl.cc:126"
ACCESS = (
    '"GET /a HTTP/1.1" 404 NR route_not_found - "-" 0 0 3 - "203.0.113.9" "curl/8.5"'
    ' "5f1c" "shop.example.com" "-" - - 10.1.0.2:8443 203.0.113.9:5 shop.example.com -'
)
ACCESS_JSON = {
    "start_time": STAMP,
    "method": "GET",
    "path": "/a",
    "protocol": "HTTP/1.1",
    "response_code": 404,
    "response_flags": "NR",
    "response_code_details": "route_not_found",
    "connection_termination_details": None,
    "upstream_transport_failure_reason": None,
    "bytes_received": 0,
    "bytes_sent": 0,
    "duration": 3,
    "upstream_service_time": None,
    "x_forwarded_for": "203.0.113.9",
    "user_agent": "curl/8.5",
    "request_id": "5f1c",
    "authority": "shop.example.com",
    "upstream_host": None,
    "upstream_cluster": None,
    "upstream_local_address": None,
    "downstream_local_address": "10.1.0.2:8443",
    "downstream_remote_address": "203.0.113.9:5",
    "requested_server_name": "shop.example.com",
    "route_name": None,
}


def parsed(text: str) -> LogLine:
    return parse_log_line(text, pod=POD, container="discovery", file="a.log", line=7)


def expected(
    message: str, *, at: datetime | None = AT, level: Level = Level.UNKNOWN, scope: str = ""
) -> LogLine:
    return LogLine(
        pod=POD,
        container="discovery",
        at=at,
        level=level,
        scope=scope,
        message=message,
        file="a.log",
        line=7,
    )


ISTIOD = expected(MISSING, level=Level.WARNING, scope="ads")
ENVOY = expected(REJECTED, level=Level.WARNING, scope="envoy config")
MILLISECOND_ENVOY = expected(
    REJECTED, at=AT.replace(microsecond=123000), level=Level.WARNING, scope="envoy config"
)
ENVOY_JSON = {"level": "warning", "time": STAMP, "scope": "envoy config", "msg": REJECTED}

SHAPES = {
    "Istio text": (f"{STAMP}\twarn\tads\t{MISSING}", ISTIOD),
    "Istio text with a caller": (
        f"{STAMP}\twarn\tads\tpilot/pkg/xds/sds.go:93\t{MISSING}",
        ISTIOD,
    ),
    "Istio text without a scope": (
        f"{STAMP}\tinfo\tEnvoy proxy is ready",
        expected("Envoy proxy is ready", level=Level.INFO),
    ),
    "Istio text with a caller and no scope": (
        f"{STAMP}\tinfo\tserver.go:12\tEnvoy proxy is ready",
        expected("Envoy proxy is ready", level=Level.INFO),
    ),
    "Istio text with labels": (
        f"{STAMP}\tinfo\tcache\tgenerated new workload certificate\tresourceName=default ttl=24h",
        expected(
            "generated new workload certificate resourceName=default ttl=24h",
            level=Level.INFO,
            scope="cache",
        ),
    ),
    "a message of one word with labels": (
        f"{STAMP}\tinfo\tready\tport=1",
        expected("ready port=1", level=Level.INFO),
    ),
    "Istio fatal": (f"{STAMP}\tfatal\tno", expected("no", level=Level.CRITICAL)),
    "Istio JSON": (
        json.dumps({"level": "warn", "time": STAMP, "scope": "ads", "msg": MISSING}),
        ISTIOD,
    ),
    "Istio JSON with caller, stack and labels": (
        json.dumps(
            {
                "level": "warn",
                "time": STAMP,
                "scope": "xdsproxy",
                "caller": "xds/sds.go:9",
                "msg": "upstream terminated",
                "stack": "main.go",
                "id": 3,
                "full": True,
            }
        ),
        expected("upstream terminated id=3 full=true", level=Level.WARNING, scope="xdsproxy"),
    ),
    "Istio Stackdriver": (
        json.dumps(
            {"severity": "WARNING", "timestamp": STAMP, "logger": "ads", "message": MISSING}
        ),
        ISTIOD,
    ),
    "Envoy >= 1.17": (f"{STAMP}\twarning\tenvoy config {SOURCE}\t{REJECTED}\tthread=21", ENVOY),
    "Envoy 1.6 to 1.16": (f"{STAMP}\twarning\tenvoy config\t{REJECTED}", ENVOY),
    "Envoy 1.6 to 1.16 with a position": (
        f"{STAMP}\twarning\tenvoy config\t[{SOURCE}] {REJECTED}",
        ENVOY,
    ),
    "Envoy 1.4 to 1.5": (
        f"[Envoy (Epoch 0)] [2026-01-15 09:00:01.123][17][warning][config] [{SOURCE}] {REJECTED}",
        MILLISECOND_ENVOY,
    ),
    "raw Envoy": (
        f"[2026-01-15 09:00:01.123][17][warning][config] [source/common/config/x.h:9] {REJECTED}",
        MILLISECOND_ENVOY,
    ),
    "raw Envoy without a position": (
        f"[2026-01-15 09:00:01.123][17][warning][config] {REJECTED}",
        MILLISECOND_ENVOY,
    ),
    "Envoy JSON": (json.dumps({**ENVOY_JSON, "caller": SOURCE, "thread": "21"}), ENVOY),
    "Envoy JSON before 1.17": (json.dumps(ENVOY_JSON), ENVOY),
    "access log text": (f"[{STAMP}] {ACCESS}", expected(ACCESS)),
    "access log JSON": (json.dumps(ACCESS_JSON), expected(ACCESS)),
    "an excerpt without a time": (
        f"warn\tsecretfetcher\t{MISSING}",
        expected(MISSING, at=None, level=Level.WARNING, scope="secretfetcher"),
    ),
    "no shape at all": (
        "Fetching secret infoedu-tls failed: secret not found",
        expected("Fetching secret infoedu-tls failed: secret not found", at=None),
    ),
    "other JSON": ('{"a": [1]}', expected('{"a": [1]}', at=None)),
    "broken JSON": ('{"level": "warn"', expected('{"level": "warn"', at=None)),
    "an impossible time": (
        "2026-13-45T09:00:01.123456Z\twarn\tads\tx",
        expected("x", at=None, level=Level.WARNING, scope="ads"),
    ),
    "empty": ("", expected("", at=None)),
}


@pytest.mark.parametrize(("text", "line"), SHAPES.values(), ids=SHAPES)
def test_every_shape_of_a_line_is_read(text, line):
    assert parsed(text) == line


@pytest.mark.parametrize(("text", "line"), SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize(
    "prefix", ["[pod/istiod-0/discovery] ", f"{KUBELET} ", f"[pod/istiod-0/discovery] {KUBELET} "]
)
def test_what_kubectl_puts_in_front_is_passed_over(prefix, text, line):
    own_time = line.at or (KUBELET_AT if KUBELET in prefix else None)
    if text.startswith("2026-13"):
        own_time = None  # it does have a time of its own; that it is impossible says enough

    result = parsed(prefix + text)

    assert result == expected(line.message, at=own_time, level=line.level, scope=line.scope)


@pytest.mark.parametrize("gap", [" ", "    "])
@pytest.mark.parametrize(
    ("text", "line"),
    [shape for shape in SHAPES.values() if "\t" in shape[0] and shape[1].at],
    ids=[name for name, shape in SHAPES.items() if "\t" in shape[0] and shape[1].at],
)
def test_tabs_may_have_become_spaces(gap, text, line):
    result = parsed(text.replace("\t", gap))

    assert (result.at, result.level, result.scope, result.message.split()) == (
        line.at,
        line.level,
        line.scope,
        line.message.split(),
    )


def test_the_first_word_of_a_pasted_message_is_not_taken_for_a_scope():
    line = parsed(f"{STAMP} warn constructed http route config for port 80 with no vhosts")

    assert (line.scope, line.message) == (
        "",
        "constructed http route config for port 80 with no vhosts",
    )


def test_a_shippers_words_in_front_are_passed_over():
    assert parsed(f"node-1 istiod: {STAMP}\twarn\tads\t{MISSING}\r\n") == ISTIOD


def test_what_a_client_sent_does_not_pose_as_a_line():
    forged = f"{STAMP}\twarn\tads\t{MISSING}"
    access = f'"GET / HTTP/1.1" 200 - via_upstream - "-" 0 0 1 1 "-" "{forged}" "id" "a.example"'

    result = parsed(access)

    assert (result.at, result.level, result.scope) == (None, Level.UNKNOWN, "")
    assert result.message.startswith('"GET / HTTP/1.1" 200 - via_upstream')


def test_a_value_of_a_json_entry_cannot_add_fields_to_its_text():
    line = parsed(json.dumps({**ACCESS_JSON, "path": '/a" 200 - b', "user_agent": 'x" "y'}))

    assert line.message.startswith('"GET /a\'_200_-_b HTTP/1.1" 404 NR route_not_found - "-"')
    assert "\"x' 'y\"" in line.message


def test_a_long_line_is_cut():
    text = f"{STAMP}\twarn\tads\t{'word ' * 10_000}"

    assert parsed(text).message == ("word " * 4000)[:KEPT]


def test_a_long_json_line_is_decoded_before_its_message_is_cut():
    line = parsed(json.dumps({"msg": "word " * 4000, "level": "info"}))

    assert (line.level, line.message) == (Level.INFO, ("word " * 4000)[:KEPT])


@given(st.text())
@example("\x00\ud800 \x1b[31m")
@example('{"msg": "\\ud800", "level": 3, "time": []}')
@example('{"start_time": {}, "response_code": [], "path": {}}')
@example('{"a":' * 30_000)
@example("0001-01-01T00:00:00.000000000+14:00 x")
@example("9999-12-31T23:59:59.999999999-14:00 x")
def test_any_text_becomes_a_line_that_can_be_written(text):
    result = parsed(text)

    assert len(result.message) <= KEPT
    result.message.encode()


@given(st.text(), st.sampled_from([text for text, _ in SHAPES.values()]), st.text())
def test_a_line_between_any_texts_never_raises(before, text, after):
    assert isinstance(parsed(before + text + after), LogLine)


def private_key() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def web_token(secret: str) -> str:
    parts = (json.dumps({"alg": "RS256", "typ": "JWT"}), json.dumps({"sub": secret}), secret)
    return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)


AROUND = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=40)
SECRET = st.text("abcdefghijklmnopqrstuvwxyzABCDEF0123456789_-.~+/", min_size=12, max_size=60).map(
    lambda text: f"Zq{text}"
)
CARRIERS = {
    "query": "/path?{}",
    "query of a URL": "https://idp.example.com/callback?code={}",
    "query with quotes": '"GET /a?x="{} HTTP/1.1"',
    "bearer": "Bearer {}",
    "bearer in lower case": "bearer: {}",
    "authorization": "Authorization: {}",
    "basic": "authorization=Basic {}",
    "Envoy's headers": "'authorization', '{}'",
    "cookie": "cookie: a=b; session={}",
    "cookie with quotes": "Set-Cookie: a=\"b\"; c='d'; session={}",
    "cookie in JSON": '"cookie":"session={}"',
    "setting": "client_secret={}",
    "token": "token={}",
    "token of a header": "X-Vault-Token: {}",
    "token in JSON": '{{"token":"{}"}}',
    "secret": "secret: {}",
    "password": "db-passwd={}",
    "key": "AWS_SECRET_ACCESS_KEY={}",
}


@pytest.mark.parametrize("carrier", CARRIERS.values(), ids=CARRIERS)
@given(before=AROUND, secret=SECRET, after=AROUND)
def test_what_a_request_carries_is_cut_out_wherever_it_stands(carrier, before, secret, after):
    text = f"{before} {carrier.format(secret)} {after}"

    assert secret not in redact(text)


@given(before=AROUND, after=AROUND)
def test_pem_blocks_and_tokens_are_cut_out_wherever_they_stand(before, after):
    key = private_key()
    body = "".join(key.splitlines()[1:-1])
    token = web_token("Zq-not-to-be-seen")
    text = f"{before}{key}{after} {body} {before}{token}{after}"

    redacted = redact(text)

    assert [
        part for part in (*key.splitlines()[1:-1], body, *token.split(".")) if part in redacted
    ] == []


def test_each_line_of_a_pem_block_is_cut_out_alone():
    lines = [line for line in private_key().splitlines() if "-----" not in line]

    assert [parsed(line).message for line in lines] == ["[redacted]"] * len(lines)


def test_a_base64_encoded_pem_block_is_cut_out():
    encoded = base64.b64encode(private_key().encode()).decode()

    assert redact(f'"tls.key":"{encoded}"') == '"tls.key":"[redacted]"'


def test_a_block_whose_end_was_cut_off_is_cut_out():
    cut = private_key()[:90]

    assert redact(f"key {cut}") == "key [redacted]"


def test_a_scope_is_bounded_and_redacted_too():
    line = parsed(json.dumps({"msg": "x", "scope": "/path?token=Zq " + "word " * 9000}))

    assert (line.scope[:18], len(line.scope) <= 100) == ("/path?[redacted] w", True)


PASSWORD = st.text("abcdefghijklmnopqrstuvwxyzABC0123456789_-.~+:", min_size=8, max_size=60)


@pytest.mark.parametrize("scheme", ["https", "postgres", "amqp+ssl"])
@given(before=AROUND, secret=PASSWORD.map(lambda text: f"Zq{text}"), after=AROUND)
def test_the_user_of_a_url_is_cut_out_with_the_password(scheme, before, secret, after):
    redacted = redact(f"{before} {scheme}://user:{secret}@host.example.com/ {after}")

    assert secret not in redacted


@given(key=st.binary(min_size=24, max_size=300), before=AROUND, after=AROUND)
def test_a_key_in_hexadecimal_is_cut_out(key, before, after):
    for written in (key.hex(), key.hex().upper(), key.hex(":")):
        assert written not in redact(f"{before} {written} {after}")


def test_credentials_of_the_basic_scheme_are_cut_out():
    assert redact("sent Basic dXNlcjpwYXNz there") == "sent Basic [redacted] there"


def test_what_is_no_secret_stays():
    digest = "ab" * 32
    texts = [
        "secret: not found",
        'failed to get secret: secrets "shop-cert" is forbidden',
        "Failed to verify token: invalid signature",
        "Push debounce stable[31] 1 for reason secret:1: 100ms since last change",
        "secretName: shop-cert, credentialName: shop-cert, token_endpoint: https://a.example/",
        "Basic Authentication is not configured; basic authentication failed",
        f"image docker.io/istio/proxyv2@sha256:{digest}",
        "serial 0a1b2c3d4e5f60718293a4b5c6d7e8f901234567",
        "Envoy proxy is NOT ready: config not received from XDS server (is Istiod running?): cds",
        "Failed to load private key from <inline>, Cause: BAD_PASSWORD_READ",
        "authorization failed: no identity",
        MISSING,
        REJECTED,
        ACCESS,
    ]

    assert [redact(text) for text in texts] == texts


@given(st.text() | st.sampled_from(list(CARRIERS.values())).map(lambda carrier: carrier * 2))
def test_redacting_twice_changes_nothing(text):
    assert redact(redact(text)) == redact(text)

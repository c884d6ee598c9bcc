"""The YAML of a check's documentation, made into whole clusters.

Values of Secrets are written in words and become real PEM here: `certificate for a.example.com,
b.example.com`,
`key of a.example.com` (the key of the certificate whose first name that is), `authority
Clients`, `empty`. After a
semicolon a certificate takes options, see `OPTIONS`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import yaml

from istiodoctor.check import Check
from istiodoctor.mesh import Mesh
from istiodoctor.model.decode import decode_object
from istiodoctor.model.kind import CORE, Kind, kind_of
from istiodoctor.model.log import LogLine
from istiodoctor.model.log_format import parse_log_line
from istiodoctor.model.ref import Ref
from istiodoctor.model.snapshot import EVERYWHERE, Reading, Snapshot
from tests.support.certificates import Authority, Issued, key_pem, new_key
from tests.support.envoy_words import envoy_configuration, envoy_state
from tests.support.observations import handshakes, requests

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
"""The clock of every example."""

BLOCK = re.compile(
    r"^```(?P<language>yaml|log|envoy|tls|http) (?P<verdict>bad|good)(?: (?P<source>\S+))?\n"
    r"(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One YAML block of a documentation page, with the log blocks that follow it."""

    check: Check
    verdict: str
    text: str
    logs: tuple[tuple[str, str], ...] = ()
    """`namespace/pod/container` and the lines of its log."""
    envoys: tuple[tuple[str, str], ...] = ()
    """`namespace/pod` and the state of its Envoy."""
    wire: tuple[tuple[str, str], ...] = ()
    """`tls` or `http`, and what a probe of that kind saw."""

    def __str__(self) -> str:
        return f"{self.check.code}-{self.verdict}"

    def snapshot(self) -> Snapshot:
        """Return the block as a whole cluster."""
        logs = tuple(line for source, text in self.logs for line in log_lines(source, text))
        return cluster(self.text, logs).plus(self.seen())

    def seen(self) -> Reading:
        """Return what Envoys say and what probes saw."""
        held = [envoy_configuration(*each, taken_at=NOW) for each in self.envoys]
        return Reading(
            envoy_configurations=tuple(one for each in held for one in each.envoy_configurations),
            envoys=tuple(
                envoy_state(source, text, taken_at=NOW, pem=pem) for source, text in self.envoys
            ),
            tls_observations=tuple(
                each for kind, text in self.wire if kind == "tls" for each in handshakes(text)
            ),
            http_observations=tuple(
                each for kind, text in self.wire if kind == "http" for each in requests(text)
            ),
        )


def examples(check: Check) -> Iterator[Example]:
    """Yield the examples of a check; other blocks belong to the YAML block before them."""
    blocks = list(BLOCK.finditer(check.documentation))
    for index, block in enumerate(blocks):
        if block["language"] != "yaml":
            continue
        logs, envoys, wire = [], [], []
        for after in blocks[index + 1 :]:
            if after["language"] == "yaml":
                break
            if after["language"] == "log":
                logs.append((after["source"], after["text"]))
            elif after["language"] == "envoy":
                envoys.append((after["source"], after["text"]))
            else:
                wire.append((after["language"], after["text"]))
        yield Example(
            check=check,
            verdict=block["verdict"],
            text=block["text"],
            logs=tuple(logs),
            envoys=tuple(envoys),
            wire=tuple(wire),
        )


def cluster(text: str, logs: tuple[LogLine, ...] = ()) -> Snapshot:
    """Return YAML documents as a cluster that was read completely."""
    return cluster_of(filter(None, yaml.safe_load_all(text)), logs)


def cluster_of(objects: Iterable[dict[str, Any]], logs: tuple[LogLine, ...] = ()) -> Snapshot:
    """Return objects as a cluster that was read completely."""
    documents = [materialized(each) for each in objects]
    decoded = [found for each in documents if (found := decode_object(each))]
    reading = Reading(
        resources=tuple(each.resource for each in decoded if each.resource),
        credentials=tuple(each.credential for each in decoded if each.credential),
        logs=logs,
        listed={kind: frozenset({EVERYWHERE}) for kind in Kind},
        served_versions=dict(_served(documents)),
    )
    return Snapshot(taken_at=NOW, source="example", readings=[reading], requested=frozenset(Kind))


def _served(documents: Iterable[dict[str, Any]]) -> Iterator[tuple[Kind, str]]:
    """Yield the version of each kind of object: an example's cluster serves no other."""
    for document in documents:
        group, _, version = document["apiVersion"].rpartition("/")
        if kind := kind_of(group, document["kind"]):
            yield kind, version


def mesh(text: str) -> Mesh:
    """Return the mesh of YAML documents that are a whole cluster."""
    return Mesh(cluster(text))


def log_lines(source: str, text: str) -> Iterator[LogLine]:
    """Yield the lines of a container's log."""
    namespace, pod, container = source.split("/")
    ref = Ref(CORE, "Pod", namespace, pod)
    for line in text.splitlines():
        yield parse_log_line(line, pod=ref, container=container)


def materialized(document: dict[str, Any]) -> dict[str, Any]:
    """Return an object with the words in a Secret's stringData replaced by PEM.

    Times without a value in `metadata.creationTimestamp` stay unknown; YAML's own timestamps
    become text again.
    """
    plain: dict[str, Any] = _texts(document)
    if plain.get("kind") == "Secret" and "stringData" in plain:
        values = {key: pem(value) for key, value in plain["stringData"].items()}
        plain = {**plain, "stringData": values}
    return plain


def _texts(value: Any) -> Any:
    match value:
        case dict():
            return {key: _texts(each) for key, each in value.items()}
        case list():
            return [_texts(each) for each in value]
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case _:
            return value


def pem(words: str) -> str:
    """Return the PEM that words stand for; other text as it is."""
    text = " ".join(words.split())
    if text == "empty":
        return ""
    if text.startswith("authority "):
        return authority(*text.removeprefix("authority ").partition("; ")[::2]).pem
    if text.startswith("revocation list of "):
        return revocation_list(*text.removeprefix("revocation list of ").partition("; ")[::2])
    if text == "intermediate":
        return _intermediate().pem
    if text.startswith("key of "):
        return private_key(*text.removeprefix("key of ").partition(";")[::2])
    if text.startswith("certificate for "):
        subject, _, options = text.removeprefix("certificate for ").partition(";")
        names = tuple(each.strip() for each in subject.split(","))
        return certificate(names, tuple(filter(None, map(str.strip, options.split(";")))))
    return words


@cache
def authority(name: str, option: str = "") -> Authority:
    """Return the authority of this name, made once; the option is `expired`."""
    return Authority(name, not_after=NOW - timedelta(days=2)) if option else Authority(name)


def revocation_list(name: str, option: str) -> str:
    """Return an authority's list of revoked certificates; the option is `expired`."""
    ends = NOW + timedelta(days=-2 if option else 30)
    return authority(name).revoke(next_update=ends)


@cache
def _intermediate() -> Authority:
    return Authority("Example Intermediate", parent=authority("Example Root"))


@cache
def _key(name: str, kind: str = "ec") -> Any:
    return new_key(kind)


def private_key(name: str, option: str) -> str:
    """Return the key of a certificate; options: `encrypted`, or the kind of key it has."""
    match option.split():
        case []:
            return issued(name).key_pem
        case ["encrypted"]:
            return key_pem(_key(name), password=b"example")
        case ["self-signed"]:
            return key_pem(authority(name).key)
        case ["key", kind]:
            return key_pem(_key(name, kind))
        case _:
            raise ValueError(f"no such option of a key: {option}")


@cache
def issued(name: str) -> Issued:
    """Return the plain certificate whose first name this is; its key serves every variant."""
    return _intermediate().issue(name, key=_key(name))


@cache
def certificate(names: tuple[str, ...], options: tuple[str, ...]) -> str:
    """Return a chain for these names with the options applied in order.

    The same words are the same certificate, wherever they stand; `renewed` is another one.
    """
    settings: dict[str, Any] = {"key": _key(names[0])}
    signer = _intermediate()
    shape: Callable[[Issued], str] = _chain
    for option in options:
        if found := re.fullmatch(r"expires in (\d+) days", option):
            settings["not_after"] = NOW + timedelta(days=int(found[1]))
        elif found := re.fullmatch(r"issued by (.+)", option):
            signer = authority(found[1])
        elif found := re.fullmatch(r"key (\w+)", option):
            settings["key"] = _key(names[0], found[1])
        elif option == "self-signed":
            signer = authority(names[0])
            settings["key"] = signer.key
        elif option in SHAPES:
            shape = SHAPES[option]
        else:
            settings |= OPTIONS[option]
    return shape(signer.issue(*names, **settings))


OPTIONS: Mapping[str, dict[str, Any]] = {
    "renewed": {},
    "expired": {"not_after": NOW - timedelta(days=2)},
    "not yet valid": {"not_before": NOW + timedelta(days=2)},
    "without subject alternative names": {"without_san": True},
}


def _chain(made: Issued) -> str:
    return made.chain_pem


SHAPES: Mapping[str, Callable[[Issued], str]] = {
    "leaf only": lambda made: made.pem,
    "intermediate first": lambda made: made.intermediates_pem + made.pem,
    "glued": lambda made: made.chain_pem.replace("-----\n-----", "----------"),
}

"""The examples in the documentation of checks: blocks that are whole clusters.

A `yaml bad` block is a cluster in which the check finds something, a `yaml good` block one in
which it does not. `log`, `envoy`, `tls` and `http` blocks after it say what else was seen there,
and a `finding` block after a bad one what the check says of it.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from istiodoctor.check import Check
from istiodoctor.model.snapshot import Reading, Snapshot
from istiodoctor.registry import BrokenPlugin, checks_below
from istiodoctor.testing.clusters import cluster, log_lines
from istiodoctor.testing.envoys import envoy_configuration, envoy_state
from istiodoctor.testing.observations import handshakes, requests
from istiodoctor.testing.words import NOW, pem

BAD, GOOD = "bad", "good"
BLOCK = re.compile(
    r"^(?P<indent> *)```(?:finding|(?P<language>yaml|log|envoy|tls|http) (?P<verdict>bad|good)"
    r"(?: (?P<source>\S+))?)\n(?P<text>.*?)^(?P=indent)```$\n?",
    re.DOTALL | re.MULTILINE,
)
"""A block; one without a language says what is found."""
FENCE = re.compile(
    r"^ *```(?:finding.*|(?:yaml|log|envoy|tls|http) +\S.*)$", re.IGNORECASE | re.MULTILINE
)
"""What is meant to begin a block; a plain `yaml` block is for readers only."""
OPENING = re.compile(
    r" *```(?:finding|(?:yaml|tls|http) (?:bad|good)|(?:log|envoy) (?:bad|good) \S+)"
)


class NoExamples(ValueError):
    """A package of checks whose documentation does not show what they do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One YAML block of a documentation page, with the blocks that belong to it."""

    check: Check
    verdict: str
    """`bad` or `good`."""
    text: str
    logs: tuple[tuple[str, str], ...] = ()
    """`namespace/pod/container` and the lines of its log."""
    envoys: tuple[tuple[str, str], ...] = ()
    """`namespace/pod` and the state of its Envoy."""
    wire: tuple[tuple[str, str], ...] = ()
    """`tls` or `http`, and what a probe of that kind saw."""
    said: str | None = None
    """What the documentation has the check say; None where it does not tell."""

    def __str__(self) -> str:
        """Return the code and the verdict: a name for a test."""
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
    """Yield the examples of a check."""
    for first, *others in grouped(check.documentation):
        pairs = [(each["language"], each["source"], each["text"]) for each in others]
        yield Example(
            check=check,
            verdict=first["verdict"],
            text=first["text"],
            logs=tuple((source, text) for kind, source, text in pairs if kind == "log"),
            envoys=tuple((source, text) for kind, source, text in pairs if kind == "envoy"),
            wire=tuple((kind, text) for kind, _, text in pairs if kind in ("tls", "http")),
            said=_said(text for kind, _, text in pairs if kind is None),
        )


def _said(blocks: Iterable[str]) -> str | None:
    return "\n".join(blocks) or None


def grouped(documentation: str) -> list[list[re.Match[str]]]:
    """Return each YAML block with the blocks after it: they belong to it."""
    groups: list[list[re.Match[str]]] = []
    for block in BLOCK.finditer(documentation):
        if block["language"] == "yaml":
            groups.append([block])
        elif groups:
            groups[-1].append(block)
    return groups


def checks_of(package: str) -> tuple[Check, ...]:
    """Return the checks of a module, or of a package and everything below it."""
    found: dict[str, Check] = {}
    for each in checks_below(package, package):
        if isinstance(each, BrokenPlugin):
            raise NoExamples(f"{each.module} cannot be imported: {each.reason}")
        if f"{each.source[0]}.".startswith(f"{package}."):
            found.setdefault(each.code, each)
    if not found:
        raise NoExamples(
            f"there is no check in {package}; folders without __init__.py are not searched"
        )
    return tuple(found[code] for code in sorted(found))


def examples_of(package: str) -> tuple[Example, ...]:
    """Return the examples of every check in a package; each check has to have both kinds."""
    checks = checks_of(package)
    for check in checks:
        if fault := _fault(check):
            raise NoExamples(f"{check.code} {check.name}: {fault} in {'.'.join(check.source)}")
    return tuple(each for check in checks for each in examples(check))


def _fault(check: Check) -> str:
    """Say why the examples of a check cannot be run, or not all of them; empty where they can."""
    for fence in FENCE.finditer(check.documentation):
        if not OPENING.fullmatch(fence[0]):
            return f"“{fence[0]}” begins no block of an example"
    verdicts = {each.verdict for each in examples(check)}
    missing = [f"```yaml {each}" for each in (BAD, GOOD) if each not in verdicts]
    return f"there is no {' and no '.join(missing)} block in the docstring" if missing else ""

"""Which of many listeners a real Envoy refuses, and why."""

from collections.abc import Mapping, Sequence

from tests.lab.envoy import Envoy
from tests.lab.resources import Resource


def refused_listeners(envoy: Envoy, sent: Sequence[Resource]) -> Mapping[str, str]:
    """Send listeners, and return Envoy's words on each that it refuses, by name."""
    envoy.listen(*sent)
    envoy.wait(lambda: len(_seen(envoy)) == len(sent))
    return {name: words for name, words in _seen(envoy).items() if words}


def _seen(envoy: Envoy) -> Mapping[str, str]:
    """Return what Envoy says of each listener that it has looked at; nothing where it is taken."""
    dump = envoy.ask("/config_dump?resource=dynamic_listeners").get("configs", ())
    return dict(_said(each) for each in dump)


def _said(entry: Resource) -> tuple[str, str]:
    error = entry.get("error_state")
    if error:
        return error["failed_configuration"]["name"], error["details"]
    return entry["name"], ""

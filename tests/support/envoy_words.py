"""The state of an Envoy, written as short YAML in examples.

`secrets`: a list with `name` (the SDS name), `certificate` (in the words of a Secret's values;
none: Envoy waits for it), `updated`, and `in_use` where Envoy refused that certificate: the words
of the older one that it serves, or `nothing`. `listeners`: a list with `name`, `port`, and
`refused` (why) and `at` of a version that Envoy refused; `open: false` where it has no older one.
All of it goes through the decoder of Envoy's own answers.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import yaml

from istiodoctor.model.certificates import read_bundle
from istiodoctor.model.envoy import EnvoyState
from istiodoctor.model.envoy_dump import EnvoyAnswers, decode_envoy
from istiodoctor.model.kind import CORE
from istiodoctor.model.ref import Ref
from tests.support.certificates import encoded

ADMIN = "type.googleapis.com/envoy.admin.v3"
REDACTED = {"inline_bytes": encoded("[redacted]")}


def envoy_state(
    source: str, text: str, *, taken_at: datetime, pem: Callable[[str], str]
) -> EnvoyState:
    """Return the state of the Envoy in a pod (`namespace/name`); `pem` turns words into PEM."""
    namespace, _, name = source.partition("/")
    said = yaml.safe_load(text) or {}
    reading = decode_envoy(
        Ref(CORE, "Pod", namespace, name),
        taken_at=taken_at,
        answers=EnvoyAnswers(config_dumps=(config_dump(said, pem),), certs=certs(said, pem)),
    )
    if reading.unread:
        raise TypeError(reading.unread[0].message)
    return reading.envoys[0]


def config_dump(said: Mapping[str, Any], pem: Callable[[str], str]) -> bytes:
    """Return what Envoy would answer to `/config_dump`."""
    secrets = [_secret(each, pem) for each in said.get("secrets", ())]
    received = [each for each in secrets if "tls_certificate" in each["secret"]]
    dumps = [
        {
            "@type": f"{ADMIN}.SecretsConfigDump",
            "dynamic_active_secrets": received,
            "dynamic_warming_secrets": [each for each in secrets if each not in received],
        },
        {
            "@type": f"{ADMIN}.ListenersConfigDump",
            "dynamic_listeners": [
                *(_listener(each) for each in said.get("listeners", ())),
                _using([each["name"] for each in secrets]),
            ],
        },
    ]
    return json.dumps({"configs": dumps}).encode()


def certs(said: Mapping[str, Any], pem: Callable[[str], str]) -> bytes:
    """Return what Envoy would answer to `/certs`."""
    loaded = [
        read_bundle(pem(words).encode()).certificates[0]
        for each in said.get("secrets", ())
        if "certificate" in each
        if (words := each.get("in_use", each["certificate"])) != "nothing"
    ]
    chain = [
        {
            "path": "<inline>",
            "serial_number": each.serial,
            "subject_alt_names": [{"dns": name} for name in each.dns_names],
            "valid_from": _time(each.not_before),
            "expiration_time": _time(each.not_after),
        }
        for each in loaded
    ]
    return json.dumps({"certificates": [{"cert_chain": chain}]}).encode()


def _using(names: Sequence[str]) -> dict[str, Any]:
    """Return an open listener whose filter chains use these Secrets."""
    chains = [
        {
            "transport_socket": {
                "typed_config": {
                    "common_tls_context": {"tls_certificate_sds_secret_configs": [{"name": name}]}
                }
            }
        }
        for name in names
    ]
    return {"name": "https", "active_state": {"listener": {"filter_chains": chains}}}


def _secret(said: Mapping[str, Any], pem: Callable[[str], str]) -> dict[str, Any]:
    secret: dict[str, Any] = {"name": said["name"]}
    version = "uninitialized"
    if "certificate" in said:
        chain = {"inline_bytes": encoded(pem(said["certificate"]))}
        secret["tls_certificate"] = {"certificate_chain": chain, "private_key": REDACTED}
        version = "1"
    return {
        "name": said["name"],
        "version_info": version,
        "last_updated": _time(said["updated"]),
        "secret": secret,
    }


def _listener(said: Mapping[str, Any]) -> dict[str, Any]:
    address = {"socket_address": {"address": "0.0.0.0", "port_value": said["port"]}}
    listener = {"name": said["name"], "address": address}
    found: dict[str, Any] = {"name": said["name"]}
    if said.get("open", True):
        found["active_state"] = {"listener": listener}
    if "refused" in said:
        found["error_state"] = {
            "failed_configuration": listener,
            "details": said["refused"],
            "last_update_attempt": _time(said["at"]),
        }
    return found


def _time(value: datetime | str) -> str:
    return value if isinstance(value, str) else value.isoformat().replace("+00:00", "Z")

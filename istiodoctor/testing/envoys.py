"""The state of an Envoy, written as short YAML in examples.

`secrets`: a list with `name` (the SDS name), `certificate` (in the words of a Secret's values;
none: Envoy waits for it), `updated`, and `in_use` where Envoy refused that certificate: the words
of the older one that it serves, or `nothing`. `listeners`: a list with `name`, `port`, and
`refused` (why) and `at` of a version that Envoy refused; `open: false` where it has no older one;
`hosts` names what its filter chains are for, `secrets` what one of them needs together. A secret
with `authority` in place of `certificate` holds CAs of clients. `routes`: a list with `name` and
`domains`; with it, the whole configuration was read, `clusters` by their names too. `state` and
`uptime` are what Envoy says of itself. All of it goes through the decoder of Envoy's own answers.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import yaml

from istiodoctor.model.certificates import read_bundle
from istiodoctor.model.envoy import EnvoyState
from istiodoctor.model.envoy_configuration_dump import (
    Alike,
    ConfigurationAnswers,
    decode_configuration,
)
from istiodoctor.model.envoy_dump import EnvoyAnswers, decode_envoy
from istiodoctor.model.kind import CORE
from istiodoctor.model.ref import Ref
from istiodoctor.model.snapshot import Reading
from istiodoctor.testing.certificates import encoded

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
        answers=EnvoyAnswers(
            config_dumps=(config_dump(said, pem),),
            certs=certs(said, pem),
            server_info=json.dumps(
                {
                    "state": said.get("state", "LIVE"),
                    "uptime_all_epochs": said.get("uptime", "3600s"),
                }
            ).encode(),
        ),
    )
    if reading.unread:
        raise TypeError(reading.unread[0].message)
    return reading.envoys[0]


def envoy_configuration(source: str, text: str, *, taken_at: datetime) -> Reading:
    """Return the routes and clusters of the Envoy in a pod; nothing where no `routes` are told."""
    namespace, _, name = source.partition("/")
    said = yaml.safe_load(text) or {}
    if "routes" not in said:
        return Reading()
    tables = [{"route_config": _table(each)} for each in said["routes"]]
    made = [{"cluster": {"name": each}} for each in said.get("clusters", ())]
    dumps = [
        {"@type": f"{ADMIN}.RoutesConfigDump", "dynamic_route_configs": tables},
        {"@type": f"{ADMIN}.ClustersConfigDump", "dynamic_active_clusters": made},
    ]
    return decode_configuration(
        Ref(CORE, "Pod", namespace, name),
        taken_at=taken_at,
        answers=ConfigurationAnswers(recorded=(json.dumps({"configs": dumps}).encode(),)),
        alike=Alike(),
    )


def _table(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return a route configuration that answers by itself for each of its domains."""
    route = {"match": {"prefix": "/"}, "direct_response": {"status": 200}}
    hosts = [{"name": e, "domains": [e], "routes": [route]} for e in said["domains"]]
    return {"name": said["name"], "virtual_hosts": hosts}


def config_dump(said: Mapping[str, Any], pem: Callable[[str], str]) -> bytes:
    """Return what Envoy would answer to `/config_dump`."""
    secrets = [_secret(each, pem) for each in said.get("secrets", ())]
    together = {name for each in said.get("listeners", ()) for name in each.get("secrets", ())}
    received = [each for each in secrets if len(each["secret"]) > 1]
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
                _using([each["name"] for each in secrets if each["name"] not in together]),
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
    authorities = [
        {"path": "<inline>", "serial_number": found.serial}
        for each in said.get("secrets", ())
        if "authority" in each
        for found in read_bundle(pem(each["authority"]).encode()).certificates[:1]
    ]
    return json.dumps({"certificates": [{"cert_chain": chain}, {"ca_cert": authorities}]}).encode()


def _using(names: Sequence[str]) -> dict[str, Any]:
    """Return an open listener whose filter chains use these Secrets."""
    chains = [_needing([name]) for name in names]
    return {"name": "https", "active_state": {"listener": {"filter_chains": chains}}}


def _needing(names: Sequence[str]) -> dict[str, Any]:
    """Return a filter chain that needs all these Secrets."""
    wanted = {"tls_certificate_sds_secret_configs": [{"name": name} for name in names]}
    return {"transport_socket": {"typed_config": {"common_tls_context": wanted}}}


def _secret(said: Mapping[str, Any], pem: Callable[[str], str]) -> dict[str, Any]:
    secret: dict[str, Any] = {"name": said["name"]}
    version = "uninitialized"
    if "certificate" in said:
        chain = {"inline_bytes": encoded(pem(said["certificate"]))}
        secret["tls_certificate"] = {"certificate_chain": chain, "private_key": REDACTED}
        version = "1"
    elif "authority" in said:
        trusted = {"inline_bytes": encoded(pem(said["authority"]))}
        secret["validation_context"] = {"trusted_ca": trusted}
        version = "1"
    return {
        "name": said["name"],
        "version_info": version,
        "last_updated": _time(said["updated"]),
        "secret": secret,
    }


def _listener(said: Mapping[str, Any]) -> dict[str, Any]:
    address = {"socket_address": {"address": "0.0.0.0", "port_value": said["port"]}}
    chains = [
        {"filter_chain_match": {"server_names": [] if host == "*" else [host]}}
        for host in said.get("hosts", ())
    ]
    chains += [_needing(said["secrets"])] if "secrets" in said else []
    listener = {"name": said["name"], "address": address, "filter_chains": chains}
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

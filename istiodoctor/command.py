"""Commands to print: what was read from a cluster never becomes an option of one.

A command is made of fixed words, of references and of values. A reference stands as `TYPE/NAME`,
a value is glued to its option, follows an option that takes one, or stands after `--`; and what
no object can be called makes no command at all, whatever a program would do with it.

>>> kubectl("delete", Ref("", "Secret", "shop", "web"))
('kubectl', 'delete', 'secret/web', '-n', 'shop')
>>> kubectl("delete", Ref("", "Secret", "shop", "--all"))
()
"""

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from istiodoctor.model.names import (
    is_data_key,
    is_host,
    is_kind,
    is_label,
    is_label_key,
    is_label_value,
    is_object_name,
    is_subdomain,
)
from istiodoctor.model.ref import UNKNOWN_NAMESPACE, Ref

MOST_SHOWN = 80
"""How much of a name that no object can have is told."""

Fixed = Literal[
    # What to do
    "annotate", "apply", "auth", "can-i", "cluster", "configmap", "create",
    "create-remote-secret", "delete", "describe", "edit", "explain", "generic", "get", "label",
    "list", "listeners", "logs",
    "patch", "proxy-config", "proxy-status", "renew", "restart", "rollout", "routes", "scale",
    "secret", "secrets", "tls", "trace",
    # To which kinds of objects
    "authorizationpolicies.security.istio.io", "certificates.cert-manager.io", "clusterissuers",
    "endpointslices", "pods", "pods,endpoints",
    "envoyfilters,gateways.networking.istio.io,requestauthentications,serviceentries",
    "services",
    "virtualservices.networking.istio.io,envoyfilters",
    # Options, and what follows some of them
    "+short", "-", "-A", "-c", "-f", "-l", "-o", "--all-containers", "--all-namespaces",
    "--cert=fullchain.pem", "--dry-run=client", "--from-file=ca.crt=ca.pem",
    "--from-file=cacert=client-ca.pem", "--from-file=cacert=clients-ca.pem",
    "--from-file=tls.crt=client.pem", "--from-file=tls.key=client-key.pem", "--key=privkey.pem",
    "--name=CLUSTER", "--overwrite", "--replicas=0", "--replicas=1", "--show-labels",
    "--since=5m", "--since=10m", "--since=1h", "--since=24h", "--tail=200", "--type=json",
    "--type=merge", "app=istiod", "istio-injection=enabled", "istio-proxy", "json", "wide",
    "yaml", "jsonpath={.data.root-cert\\.pem}", "jsonpath={.metadata.managedFields[*].manager}",
]  # fmt: skip
"""The words that commands have of their own.

Listed, so that the type checker keeps every other text out: what was read is never a word.
"""


@dataclass(frozen=True, slots=True)
class Value:
    """The words that hold something that was read."""

    words: tuple[str, ...]
    fault: str = ""
    """Why there can be no such thing: a clause; empty where there can."""


class Command(tuple[str, ...]):
    """One command as an argument list; empty, with the reason, where there can be none."""

    withheld: str
    """Why there is no command: a clause; empty where there is one."""

    def __new__(cls, words: Iterable[str], withheld: str = "") -> "Command":
        """Make a command of words that are safe where they stand: for the builders below."""
        made = super().__new__(cls, () if withheld else words)
        made.withheld = withheld
        return made


def kubectl(*words: Fixed | Ref | Value) -> Command:
    """Return a command of kubectl; a reference stands as `TYPE/NAME` with its namespace."""
    return _command("kubectl", words)


def istioctl(*words: Fixed | Value) -> Command:
    """Return a command of istioctl."""
    return _command("istioctl", words)


def cmctl(*words: Fixed | Value) -> Command:
    """Return a command of cmctl, cert-manager's own command line tool."""
    return _command("cmctl", words)


def dig(*words: Fixed | Value) -> Command:
    """Return a question to DNS."""
    return _command("dig", words)


def istiodoctor(*words: Fixed | Value) -> Command:
    """Return a command of this tool."""
    return _command("istiodoctor", words)


def piped(first: Command, second: Command) -> Command:
    """Return a command that gives the output of one to the other."""
    script = f"{shlex.join(first)} | {shlex.join(second)}"
    return Command(("sh", "-c", script), first.withheld or second.withheld)


def _command(program: str, words: Iterable[Fixed | Ref | Value]) -> Command:
    made, fault, namespaces = [program], "", set[str]()
    for word in words:
        match word:
            case Value():
                made += word.words
                fault = fault or word.fault
            case Ref():
                made.append(f"{word.resource}/{word.name}")
                made += () if word.namespace in namespaces else _namespaced(word.namespace)
                namespaces.add(word.namespace)
                fault = fault or fault_of(word)
            case _:
                made.append(word)
    if len(namespaces) > 1:
        fault = fault or "one command reaches one namespace"
    return Command(made, fault)


def _namespaced(namespace: str) -> tuple[str, ...]:
    return ("-n", namespace) if namespace else ()


def fault_of(ref: Ref) -> str:
    """Say why no object can be referred to like this; empty where one can."""
    if not is_kind(ref.kind) or (ref.group and not is_subdomain(ref.group)):
        return f"there can be no kind {_shown(ref.resource)}"
    if not is_object_name(ref.group, ref.kind, ref.name):
        return f"no {ref.kind} can be named {_shown(ref.name)}"
    return within(ref.namespace).fault if ref.namespace else ""


def _shown(text: str) -> str:
    cut = f"{text[:MOST_SHOWN]}…" if len(text) > MOST_SHOWN else text
    return f"“{cut}”"


def name_of(ref: Ref) -> Value:
    """Return the name alone with its namespace, for an object that the command makes.

    `kubectl create secret` takes neither `TYPE/NAME` nor a name after `--` (NameFromCommandArgs):
    that the name begins with a letter or digit, as those of Secrets do, is what keeps it a name.
    """
    fault = fault_of(ref) or ("" if is_subdomain(ref.name) else f"{_shown(ref.name)} is no name")
    return Value((ref.name, *_namespaced(ref.namespace)), fault)


def name_after_options(ref: Ref) -> Value:
    """Return namespace and name, for a program that takes no `TYPE/NAME`: the last words."""
    return Value((*_namespaced(ref.namespace), "--", ref.name), fault_of(ref))


def proxy(ref: Ref) -> Value:
    """Return the pod or workload whose Envoy istioctl is to ask: `pod/NAME.NAMESPACE`.

    istioctl takes what follows the last dot for the namespace: `istioctl/pkg/util/handlers/
    handlers.go`, inferNsInfo.
    """
    target = f"{ref.resource}/{ref.name}"
    return Value((f"{target}.{ref.namespace}" if ref.namespace else target,), fault_of(ref))


def within(namespace: str) -> Value:
    """Return the option that names a namespace."""
    if namespace == UNKNOWN_NAMESPACE:
        fault = "the namespace is not known"
    else:
        fault = "" if is_label(namespace) else f"no namespace can be named {_shown(namespace)}"
    return Value(("-n", namespace), fault)


def container(name: str) -> Value:
    """Return the option that names a container of a pod."""
    fault = "" if is_label(name) else f"no container can be named {_shown(name)}"
    return Value(("-c", name), fault)


def selecting(labels: Mapping[str, str]) -> Value:
    """Return the option that chooses objects by their labels; no word where there are none."""
    pairs = [f"{key}={value}" for key, value in sorted(labels.items())]
    return Value(("-l", ",".join(pairs)) if pairs else (), _fault_of_labels(labels))


def labels(wanted: Mapping[str, str]) -> Value:
    """Return labels to give: the last words of a command."""
    pairs = (f"{key}={value}" for key, value in wanted.items())
    return Value(("--", *pairs), _fault_of_labels(wanted))


def _fault_of_labels(labels: Mapping[str, str]) -> str:
    for key, value in labels.items():
        if not (is_label_key(key) and is_label_value(value)):
            return f"no label can be {_shown(f'{key}={value}')}"
    return ""


def annotated_hosts(key: str, hosts: Iterable[str]) -> Value:
    """Return an annotation that lists hosts: the last words of a command."""
    names = tuple(hosts)
    fault = next((_fault_of_host(each) for each in names if _fault_of_host(each)), "")
    return Value(("--", f"{key}={','.join(names)}"), fault)


def _fault_of_host(host: str) -> str:
    return "" if is_host(host) else f"no host can be named {_shown(host)}"


def host_after(option: Literal["-q", "--fqdn"], host: str) -> Value:
    """Return an option and the host that it takes.

    For dig it is `-q`: without that, it would read a host as a type or a server to ask.
    """
    words = (f"{option}={host}",) if option.startswith("--") else (option, host)
    return Value(words, _fault_of_host(host))


def from_file(key: str, file: Literal["fullchain.pem", "privkey.pem"]) -> Value:
    """Return the option that puts a file under a key of a Secret that is made."""
    fault = "" if is_data_key(key) else f"no value can have the key {_shown(key)}"
    return Value((f"--from-file={key}={file}",), fault)


def acting_as(account: Ref) -> Value:
    """Return the option that asks in the name of a ServiceAccount."""
    user = f"system:serviceaccount:{account.namespace}:{account.name}"
    return Value((f"--as={user}",), fault_of(account))


def change(body: str) -> Value:
    """Return the option with the body of a patch, which is JSON: an object or a list."""
    return Value(("-p", body), "" if body[:1] in ("{", "[") else "a patch is an object or a list")


def code(text: str) -> Value:
    """Return the code of a check, as this tool's own commands take it."""
    is_code = text.isascii() and text.isalnum()
    return Value((text,), "" if is_code else f"no check can have the code {_shown(text)}")


def page(scheme: str, host: str, port: int) -> Value:
    """Return the URL of a host's first page."""
    is_known = scheme in ("http", "https")
    fault = _fault_of_host(host) or ("" if is_known else f"{_shown(scheme)} is no scheme of a URL")
    own = (scheme, port) in (("http", 80), ("https", 443))
    return Value((f"{scheme}://{host}/" if own else f"{scheme}://{host}:{port}/",), fault)


def raw_fault(words: Iterable[str], names: frozenset[str]) -> str:
    """Say why words that a check put together itself are not printed; empty where they are.

    Nobody can tell which of them were read. But a word that begins like an option and is, letter
    by letter, a name that the finding speaks of, is no option.
    """
    taken = next((each for each in words if each.startswith("-") and each in names), "")
    return f"{_shown(taken)} is a name, and stands where options are read" if taken else ""

"""What programs make of the words of a command, for those programs and options that we print.

A parser that knows each program, each of its commands and options, and the form of everything
that was read from a cluster. It shares no code with what makes the commands.
"""

import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence

import yaml

LABEL = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
NAME = rf"(?=[^/ ]{{1,253}}(?: |$)){LABEL}(?:\.{LABEL})*"
TYPE = rf"[a-z][a-z0-9]*(?:\.{LABEL})*"
OBJECT = rf"{TYPE}/{NAME}"
RBAC_OBJECT = r"(?:role|rolebinding)\.rbac\.authorization\.k8s\.io/[^/%]+"
"""Roles and their bindings may have any name that is a segment of a path."""
TYPES = (
    "authorizationpolicies.security.istio.io|certificates.cert-manager.io|clusterissuers"
    "|endpointslices|pods|pods,endpoints|services"
    "|envoyfilters,gateways.networking.istio.io,requestauthentications,serviceentries"
    "|virtualservices\\.networking\\.istio\\.io,envoyfilters"
)
HOST = rf"(?i:(?:\*\.)?{LABEL}(?:\.{LABEL})*\.?)"
LABEL_KEY = rf"(?:{LABEL}(?:\.{LABEL})*/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?"
LABEL_VALUE = r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?"
PAIR = rf"{LABEL_KEY}={LABEL_VALUE}"
HOSTS = rf"external-dns\.alpha\.kubernetes\.io/hostname={HOST}(?:,{HOST})*"

Form = str | None
"""What may follow an option; None where nothing does."""

OUTPUT = {"-o": r"yaml|json|wide|name|jsonpath=\{[^']+\}"}
NAMESPACE = {"-n": LABEL}
CHOICE = {"-l": rf"{PAIR}(?:,{PAIR})*"}
FILE = r"[a-z][a-z-]*\.pem"

KUBECTL: Mapping[str, tuple[str, Mapping[str, Form]]] = {
    "get": (
        f"(?:{OBJECT}|{TYPES})",
        {**OUTPUT, **CHOICE, "-A": None, "--all-namespaces": None, "--show-labels": None},
    ),
    "describe": (OBJECT, {}),
    "edit": (OBJECT, {}),
    "delete": (f"(?:{OBJECT}|{RBAC_OBJECT})(?: (?:{OBJECT}|{RBAC_OBJECT}))*", {}),
    "patch": (OBJECT, {"--type": "json|merge", "-p": r"(?s:[\[{].*)"}),
    "scale": (OBJECT, {"--replicas": "[01]"}),
    "rollout restart": (OBJECT, {}),
    "logs": (
        f"(?:{OBJECT})?",
        {
            **CHOICE,
            "-c": LABEL,
            "--since": r"\d+[mh]",
            "--tail": r"\d+",
            "--all-containers": None,
        },
    ),
    "label": (f"{OBJECT} istio-injection=enabled|{OBJECT} --(?: {PAIR})+", {"--overwrite": None}),
    "annotate": (f"{OBJECT} -- {HOSTS}", {"--overwrite": None}),
    "create secret tls": (
        NAME,
        {**OUTPUT, "--cert": FILE, "--key": FILE, "--dry-run": "client"},
    ),
    "create secret generic": (
        NAME,
        {**OUTPUT, "--from-file": rf"[-._a-zA-Z0-9]+={FILE}", "--dry-run": "client"},
    ),
    "create configmap": (NAME, {**OUTPUT, "--from-file": rf"[-._a-zA-Z0-9]+={FILE}"}),
    "auth can-i": ("list secrets", {"--as": f"system:serviceaccount:{LABEL}:{NAME}"}),
    "apply": ("", {"-f": "-"}),
}
ISTIOCTL: Mapping[str, tuple[str, Mapping[str, Form]]] = {
    "proxy-status": ("", {}),
    "proxy-config cluster": (OBJECT, {**OUTPUT, "--fqdn": HOST}),
    "proxy-config listeners": (OBJECT, OUTPUT),
    "proxy-config routes": (OBJECT, OUTPUT),
    "proxy-config secret": (OBJECT, OUTPUT),
    "create-remote-secret": ("", {"--name": "CLUSTER"}),
}
CMCTL: Mapping[str, tuple[str, Mapping[str, Form]]] = {"renew": (f"-- {NAME}", {})}
ISTIODOCTOR: Mapping[str, tuple[str, Mapping[str, Form]]] = {
    "explain": (r"[A-Z]{2,10}\d{3}", {}),
    "trace": (rf"https?://{HOST}(:\d{{1,5}})?/", {}),
}


class Misread(AssertionError):
    """A command that its program would not take, or would take for another one."""


def understand(words: Sequence[str]) -> None:
    """Read a command as its program does; raises Misread."""
    if not words:
        raise Misread("a command without words")
    program, *rest = words
    readers: Mapping[str, Callable[[list[str]], None]] = {
        "kubectl": lambda rest: _read("kubectl", rest, KUBECTL, NAMESPACE),
        "istioctl": lambda rest: _read("istioctl", rest, ISTIOCTL, {}),
        "cmctl": lambda rest: _read("cmctl", rest, CMCTL, NAMESPACE),
        "istiodoctor": lambda rest: _read("istiodoctor", rest, ISTIODOCTOR, {}),
        "dig": lambda rest: _matches(" ".join(rest), rf"\+short -q {HOST}", "dig"),
        "sh": _read_script,
    }
    if program not in readers:
        raise Misread(f"{program!r} is no program that is known here")
    readers[program](rest)


def _read_script(rest: list[str]) -> None:
    """Read `sh -c 'one | other'`."""
    if len(rest) != 2 or rest[0] != "-c":
        raise Misread(f"sh {rest}")
    lexer = shlex.shlex(rest[1], posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    commands: list[list[str]] = [[]]
    for word in lexer:
        if word == "|":
            commands.append([])
        elif set(word) <= set("();<>|&"):
            raise Misread(f"a shell would act on {word!r}")
        else:
            commands[-1].append(word)
    for command in commands:
        understand(command)


def _read(
    program: str,
    words: list[str],
    grammar: Mapping[str, tuple[str, Mapping[str, Form]]],
    everywhere: Mapping[str, Form],
) -> None:
    path = next((path for path in grammar if words[: len(path.split())] == path.split()), None)
    if path is None:
        raise Misread(f"{program} does not know {words[:2]}")
    form, options = grammar[path]
    rest = _without_options(
        f"{program} {path}", words[len(path.split()) :], {**options, **everywhere}
    )
    _matches(" ".join(rest), form, f"{program} {path}")
    if any(" " in word for word in rest if not re.fullmatch(RBAC_OBJECT, word)):
        raise Misread(f"{program} {path} {rest}")


def _without_options(program: str, words: list[str], options: Mapping[str, Form]) -> list[str]:
    """Return what is left when the options are taken out; `--` ends them."""
    left: list[str] = []
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        if word == "--":
            return [*left, word, *waiting]
        if not word.startswith("-"):
            left.append(word)
            continue
        name, glued, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if name not in options:
            raise Misread(f"{program} has no option {word!r} here")
        form = options[name]
        if form is None:
            if glued:
                raise Misread(f"{program} {name} takes no value: {word!r}")
            continue
        if not glued:
            if not waiting or name.startswith("--"):
                raise Misread(f"{program} {name} lacks its value")
            value = waiting.pop(0)
        _matches(value, form, f"{program} {name}")
        if name == "-p":
            json.loads(value)
    return left


def _matches(text: str, form: str, where: str) -> None:
    if not re.fullmatch(form, text):
        raise Misread(f"{where}: {text!r}")


DOCUMENTED: Mapping[str, frozenset[str]] = {
    **{f"kubectl {path}": frozenset({*options, "-n"}) for path, (_, options) in KUBECTL.items()},
    **{f"istioctl {path}": frozenset(options) for path, (_, options) in ISTIOCTL.items()},
    "istioctl analyze": frozenset(),
    "istioctl validate": frozenset({"-f"}),
    "cmctl renew": frozenset({"-n"}),
    "openssl pkey": frozenset({"-in", "-noout", "-out", "-pubout"}),
    "openssl req": frozenset({"-subj"}),
    "openssl x509": frozenset({"-enddate", "-fingerprint", "-in", "-noout", "-pubkey", "-sha256"}),
    "curl": frozenset({"--cacert", "--resolve", "-H"}),
}
"""What documentation may tell to run, with the options that it may name."""


def recognise(words: Sequence[str]) -> None:
    """Look whether a program has the command and the options that prose names; raises Misread."""
    line = " ".join(words)
    path = next((path for path in DOCUMENTED if f"{line} ".startswith(f"{path} ")), None)
    if path is None:
        raise Misread(f"nobody knows {line!r}")
    named = {word.partition("=")[0] for word in words if word.startswith("-")}
    if unknown := named - DOCUMENTED[path]:
        raise Misread(f"{path} has no option {unknown}")


HERE_DOCUMENT = re.compile(
    r"^kubectl apply -f - <<'(?P<end>EOF_*)'\n(?P<manifest>.*?)^(?P=end)$", re.M | re.S
)
PROGRAMS = ("kubectl", "istioctl", "cmctl", "dig", "sh", "istiodoctor", "openssl", "curl")


def commands_in(page: str) -> list[list[str]]:
    """Return the commands that a terminal shows: lines indented by four that name a program.

    A manifest that is to be applied is one for an object that there can be; raises Misread.
    """
    for found in HERE_DOCUMENT.finditer(page):
        metadata = yaml.safe_load(found["manifest"])["metadata"]
        _matches(metadata["name"], NAME, "a manifest's name")
        _matches(metadata.get("namespace", "none"), LABEL, "a manifest's namespace")
    rest = HERE_DOCUMENT.sub("", page)
    lines = (line for line in rest.splitlines() if line.startswith("    "))
    return [
        shlex.split(line)
        for line in lines
        if line[4:5] != " " and line.split()[:1] and line.split()[0] in PROGRAMS
    ]

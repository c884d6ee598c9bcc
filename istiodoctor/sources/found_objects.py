"""The objects found in files, each with its place, and those that cannot be decoded."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from istiodoctor.model.credential import Credential
from istiodoctor.model.decode import Decoded, Undecodable, decode_object
from istiodoctor.model.document import Document
from istiodoctor.model.kind import Kind, kind_of
from istiodoctor.model.metadata import Resource
from istiodoctor.model.ref import Ref
from istiodoctor.model.snapshot import Location, Unread, UnreadReason
from istiodoctor.sources.file_documents import Found, FoundDefect, FoundEnd, FoundObject
from istiodoctor.sources.stand_ins import StandInSecret, stand_in_secret

MAX_NAMED = 10
"""How many files or objects one note names."""
MAX_MESSAGE = 300
DEFAULT_NAMESPACE = "default"
NO_OBJECTS = "no Kubernetes objects"
TEMPLATES = "Helm templates (render them first: `helm template`)"
PATCHES = "patches of a kustomization (render it first: `kubectl kustomize`)"
KUSTOMIZE = "kustomize.config.k8s.io"
MAY_HOLD_TEMPLATES = frozenset({"ConfigMap", "Secret", "ExternalSecret", "SealedSecret"})
"""Kinds whose values are templates of others: `{{` is no sign that the file is one."""

_KIND = re.compile(r"^kind: *[\"']?([A-Za-z]+)", re.MULTILINE)
_API_VERSION = re.compile(r"^apiVersion: *[\"']?([a-z0-9./-]+)", re.MULTILINE)


class FoundObjects:
    """What the files read so far hold, for the kinds asked for."""

    def __init__(self, kinds: frozenset[Kind]) -> None:
        """Start with nothing."""
        self.kinds = kinds
        self.count = 0
        """Kubernetes objects of whatever kind."""
        self.seen: set[Kind] = set()
        self.resources: dict[Ref, Resource] = {}
        self.credentials: dict[Ref, Credential] = {}
        self.documents: dict[Ref, Document] = {}
        self.locations: dict[Ref, Location] = {}
        self.secret_names: set[tuple[str, str]] = set()
        self.malformed: list[Unread] = []
        self.is_doubtful = False
        """Something was not read that may hold objects of any kind."""
        self._stand_ins: dict[tuple[str, str], Unread] = {}
        self._passed_over: dict[str, dict[str, None]] = {}
        self._replaced: list[str] = []

    def add(self, found: Found, file: str, namespace: str = "") -> None:
        """Take in one value of a file; `namespace` is for objects that name none."""
        match found:
            case FoundObject():
                location = Location(file=file, line=found.line)
                self._add_object(found, location, namespace or DEFAULT_NAMESPACE)
            case FoundDefect(is_template=True):
                self.pass_over(TEMPLATES, file)
            case FoundDefect():
                self._add_defect(found, file)
            case FoundEnd():
                self.miss(found.reason, file, found.line)

    def miss(self, reason: str, file: str, line: int | None = None) -> None:
        """Note what was not read at all: any object may be in there."""
        self.is_doubtful = True
        self.malformed.append(Unread(kind=None, message=reason, file=file, line=line))

    def pass_over(self, reason: str, file: str) -> None:
        """Note a file that is not meant for the cluster."""
        self._passed_over.setdefault(reason, {})[file] = None
        self.is_doubtful |= reason is TEMPLATES

    def complete(self, facts: Iterable[Credential]) -> None:
        """Put recorded facts in the place of what redacted Secrets still tell."""
        for credential in facts:
            self.seen.add(Kind.SECRET)
            self.credentials[credential.ref] = credential

    @property
    def unread(self) -> tuple[Unread, ...]:
        """What is there and could not be read; a stand-in only where nothing else was found."""
        known = {(each.namespace, each.name) for each in self.credentials.values()}
        hidden = (unread for key, unread in self._stand_ins.items() if key not in known)
        return (*self.malformed, *hidden)

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each reason to pass over files, and one about replaced objects."""
        notes = [
            f"passed over {_amount(len(files), 'file')} with {reason}: {_named(list(files))}"
            for reason, files in self._passed_over.items()
        ]
        if self._replaced:
            notes.append(f"given more than once, the last one counts: {_named(self._replaced)}")
        return tuple(notes)

    def _add_object(self, found: FoundObject, location: Location, namespace: str) -> None:
        raw = found.raw
        if raw is None:
            return
        kind_name = raw.get("kind") if isinstance(raw, dict) else None
        api_version = raw.get("apiVersion") if isinstance(raw, dict) else None
        if not isinstance(kind_name, str) or not isinstance(api_version, str):
            self.pass_over(NO_OBJECTS, location.file)
            return
        group = api_version.rpartition("/")[0]
        if group == KUSTOMIZE:
            self.pass_over(NO_OBJECTS, location.file)
            return
        if _is_template(raw) or (found.is_template and kind_name not in MAY_HOLD_TEMPLATES):
            self.pass_over(TEMPLATES, location.file)
            return
        self.count += 1
        if (kind := kind_of(group, kind_name)) is not None:
            self.seen.add(kind)
            if kind in self.kinds:
                _settle_namespace(raw, namespace if kind.namespaced else "")
                self._decode(raw, kind, location)
        elif Kind.SECRET in self.kinds:
            _settle_namespace(raw, namespace)
            if secret := stand_in_secret(group, raw):
                self._add_stand_in(secret, location)

    def _decode(self, raw: dict[str, Any], kind: Kind, location: Location) -> None:
        try:
            decoded = decode_object(raw, kind=kind)
        except Undecodable as error:
            self._add_undecodable(str(error), kind, error.ref, location)
        except (TypeError, ValueError, OverflowError, RecursionError):
            # A key that is no string, a number beyond JSON: the words could quote the value.
            self._add_undecodable("holds what JSON cannot say", kind, None, location)
        else:
            if decoded is not None:
                self._keep(decoded, location)

    def _keep(self, decoded: Decoded, location: Location) -> None:
        ref = decoded.ref
        if ref in self.locations:
            before = self.locations[ref]
            self._replaced.append(
                f"{ref} ({before.file}:{before.line}, {location.file}:{location.line})"
            )
        self.locations[ref] = location
        self.documents[ref] = decoded.document
        if decoded.resource is not None:
            self.resources[ref] = decoded.resource
        if decoded.kind is Kind.SECRET:
            self._keep_secret(decoded, location)

    def _keep_secret(self, decoded: Decoded, location: Location) -> None:
        key = (decoded.ref.namespace, decoded.ref.name)
        self.secret_names.add(key)
        if decoded.credential is not None:
            self.credentials[decoded.ref] = decoded.credential
            return
        self.credentials.pop(decoded.ref, None)
        self._stand_ins[key] = _redacted(key, decoded.stand_in, location)

    def _add_stand_in(self, secret: StandInSecret, location: Location) -> None:
        key = (secret.namespace, secret.name)
        if secret.exists:
            self.secret_names.add(key)
        self._stand_ins.setdefault(key, _redacted(key, secret.reason, location))

    def _add_undecodable(
        self, reason: str, kind: Kind, ref: Ref | None, location: Location
    ) -> None:
        self.malformed.append(
            Unread(
                kind=kind,
                namespace=ref.namespace if ref else "",
                name=ref.name if ref else "",
                reason=UnreadReason.MALFORMED,
                message=reason[:MAX_MESSAGE],
                file=location.file,
                line=location.line,
            )
        )

    def _add_defect(self, defect: FoundDefect, file: str) -> None:
        """Note a document that does not parse, with its kind where its text still says so."""
        kinds = _KIND.findall(defect.text)
        versions = _API_VERSION.findall(defect.text)
        kind = None
        if len(kinds) == len(versions) == 1:
            kind = kind_of(versions[0].rpartition("/")[0], kinds[0])
        else:
            self.is_doubtful |= "kind" in defect.text
        self.malformed.append(
            Unread(
                kind=kind,
                reason=UnreadReason.MALFORMED,
                message=defect.reason[:MAX_MESSAGE],
                file=file,
                line=defect.line,
            )
        )


def _settle_namespace(raw: dict[str, Any], namespace: str) -> None:
    """Give an object the namespace that applying it would give it; "" is for none at all."""
    metadata = raw.get("metadata")
    if not isinstance(metadata, dict):
        return
    if not namespace:
        metadata.pop("namespace", None)
    elif metadata.get("namespace") in (None, ""):
        metadata["namespace"] = namespace


def _is_template(raw: Mapping[str, Any]) -> bool:
    metadata = raw.get("metadata")
    if not isinstance(metadata, dict):
        return False
    names = (metadata.get("name"), metadata.get("namespace"))
    return any(isinstance(name, str) and "{{" in name for name in names)


def _redacted(key: tuple[str, str], reason: str, location: Location) -> Unread:
    return Unread(
        kind=Kind.SECRET,
        namespace=key[0],
        name=key[1],
        reason=UnreadReason.REDACTED,
        message=reason[:MAX_MESSAGE],
        file=location.file,
        line=location.line,
    )


def _amount(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def _named(names: list[str]) -> str:
    more = len(names) - MAX_NAMED
    return ", ".join(names[:MAX_NAMED]) + (f" and {more:,} more" if more > 0 else "")

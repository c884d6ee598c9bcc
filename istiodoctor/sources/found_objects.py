"""The objects found in files, each with its place, and those that cannot be decoded."""

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePath, PurePosixPath
from typing import Any

import msgspec

from istiodoctor.model.credential import Credential
from istiodoctor.model.decode import Decoded, Undecodable, decode_json, decode_object
from istiodoctor.model.document import Document
from istiodoctor.model.kind import Kind, kind_of
from istiodoctor.model.metadata import Resource
from istiodoctor.model.names import is_label
from istiodoctor.model.ref import UNKNOWN_NAMESPACE, Ref
from istiodoctor.model.snapshot import Location, Unread, UnreadReason
from istiodoctor.sources.file_documents import (
    Found,
    FoundDefect,
    FoundEnd,
    FoundObject,
    Language,
)
from istiodoctor.sources.kustomize import KUSTOMIZATION, UNTOUCHED, Change, Treatment, changes_of
from istiodoctor.sources.placeholders import MARKED, placeholder
from istiodoctor.sources.possibilities import Version, in_namespace
from istiodoctor.sources.rendering import UNKNOWN_RELEASE_NAMESPACE
from istiodoctor.sources.stand_ins import StandInSecret, stand_in_secret

MAX_NAMED = 10
"""How many files or objects one note names."""
MAX_MESSAGE = 300
MOST_SHOWN = 60
"""Characters of a placeholder that are told."""
NO_OBJECTS = "no Kubernetes objects"
TEMPLATES = {
    Language.HELM: "Helm templates (render them first: `helm template`)",
    Language.YTT: "ytt templates (render them first: `ytt -f`)",
    Language.OTHER: "templates (render them first)",
}
PATCHES = "patches of a kustomization (render it first: `kubectl kustomize`)"
UNSAID = (None, "", UNKNOWN_NAMESPACE, UNKNOWN_RELEASE_NAMESPACE)
"""What stands where nobody says the namespace."""
FLUX_KUSTOMIZE = "kustomize.toolkit.fluxcd.io"
ARGO = "argoproj.io"
DELIVERY = frozenset({FLUX_KUSTOMIZE, "helm.toolkit.fluxcd.io", ARGO})
"""API groups of what applies objects."""
SECRET = Kind.SECRET.value.kind
KUSTOMIZE = "kustomize.config.k8s.io"

_KIND = re.compile(r"^kind: *[\"']?([A-Za-z]+)", re.MULTILINE)
_API_VERSION = re.compile(r"^apiVersion: *[\"']?([a-z0-9./-]+)", re.MULTILINE)


class FoundObjects:
    """What the files read so far hold, for the kinds asked for."""

    def __init__(self, kinds: frozenset[Kind], assumed_namespace: str = "") -> None:
        """Start with nothing; objects that name no namespace are in an unknown one, or this."""
        self.kinds = kinds
        self.assumed_namespace = assumed_namespace
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
        self.hinted_namespaces: set[str] = set()
        """Namespaces into which something says that objects are put."""
        self._deliveries: list[tuple[tuple[str, ...], str]] = []
        self.can_be_built = True
        """Whether kustomizations were not even tried to be built."""
        self._delivered_changes: list[tuple[tuple[str, ...], Change]] = []
        """What is changed on its way into a cluster, each with the folder it is about."""
        self.charts: dict[str, None] = {}
        """Helm charts whose templates were passed over."""
        self._stand_ins: dict[tuple[str, str], Unread] = {}
        self._passed_over: dict[str, dict[str, None]] = {}
        self._versions: dict[Ref, list[Version]] = {}
        self._repeated: list[str] = []
        self._uncertain: dict[Ref, Unread] = {}

    def add(self, found: Found, file: str, treatment: Treatment = UNTOUCHED) -> None:
        """Take in one value of a file, and what a kustomization makes of it."""
        match found:
            case FoundObject():
                self._repeated += [f"{key} ({file}:{line})" for key, line in found.repeated]
                self._add_object(found, Location(file=file, line=found.line), treatment)
            case FoundDefect(template=Language() as language):
                self._add_template(language, _kind_in(found.text), file, found.line)
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

    def pass_over_template(self, language: Language, file: str) -> None:
        """Note a file that is a template: objects of any kind may come of it."""
        self._add_template(language, (), file, None)

    def complete(self, facts: Iterable[Credential]) -> None:
        """Put recorded facts in the place of what redacted Secrets still tell."""
        for credential in facts:
            self.seen.add(Kind.SECRET)
            self.credentials[credential.ref] = credential

    @property
    def unread(self) -> tuple[Unread, ...]:
        """What is there and could not be read; a stand-in only where nothing else was found."""
        known = {(each.namespace, each.name) for each in self.credentials.values()}
        known |= {
            (ref.namespace, ref.name)
            for ref, several in self.versions.items()
            if ref.kind == Kind.SECRET.value.kind and any(each.credential for each in several)
        }
        hidden = (unread for key, unread in self._stand_ins.items() if key not in known)
        return (*self.malformed, *hidden, *self._uncertain.values())

    @property
    def versions(self) -> Mapping[Ref, tuple[Version, ...]]:
        """Objects that are given differently, each with its versions."""
        return {
            ref: tuple(several)
            for ref, several in self._versions.items()
            if ref not in self._uncertain
        }

    @property
    def unplaced(self) -> tuple[Ref, ...]:
        """The objects whose namespace nobody says."""
        return tuple(ref for ref in self.locations if ref.namespace == UNKNOWN_NAMESPACE)

    def give_up(self, refs: Iterable[Ref], why: str) -> None:
        """Leave objects unread: what they are is not known."""
        for ref in tuple(refs):
            kind = kind_of(ref.group, ref.kind)
            if kind is not None and ref in self.locations:
                self._doubt(kind, ref, why, self.locations[ref])

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each reason to pass over files, and one for what is not certain."""
        notes = [
            f"passed over {_amount(len(files), 'file')} with {reason}: {_named(list(files))}"
            for reason, files in self._passed_over.items()
        ]
        if self._repeated:
            notes.append(
                f"given twice in one mapping, where the last one counts: {_named(self._repeated)}"
            )
        if self.versions:
            several = [f"{ref} ({_places(versions)})" for ref, versions in self.versions.items()]
            notes.append(
                "given differently in several places, so that only what holds with each of them is"
                f" said: {_named(several)}"
            )
        if unplaced := self.unplaced:
            notes.append(
                f"{_amount(len(unplaced), 'object')} without a namespace, so that only what holds"
                " in any is said (--assume-namespace says which it is):"
                f" {_named([str(ref) for ref in unplaced])}"
            )
        if self._uncertain:
            doubts = [f"{ref} ({why.message})" for ref, why in self._uncertain.items()]
            by = (why.message for why in self._uncertain.values())
            can_be_built = self.can_be_built and any(each.startswith(KUSTOMIZATION) for each in by)
            advice = "; --render builds kustomizations first" if can_be_built else ""
            notes.append(
                f"not judged, since what they will be is not known: {_named(doubts)}{advice}"
            )
        return tuple(notes)

    def _add_object(self, found: FoundObject, location: Location, treatment: Treatment) -> None:
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
        self._hear_of_deliveries(group, kind_name, raw)
        kind = kind_of(group, kind_name)
        if language := found.template or _language_of_names(raw):
            self._add_template(language, (kind,), location.file, location.line)
            return
        self.count += 1
        if kind is not None:
            self.seen.add(kind)
            if kind in self.kinds:
                self._settle_namespace(raw, treatment, is_namespaced=kind.namespaced)
                self._take_in(found, kind, location, treatment)
        elif Kind.SECRET in self.kinds:
            self._settle_namespace(raw, treatment)
            if secret := stand_in_secret(group, raw):
                self._add_stand_in(secret, location)

    def _hear_of_deliveries(self, group: str, kind: str, raw: Mapping[str, Any]) -> None:
        """Note where Flux and Argo CD put what they apply, and what they change in it.

        Sources: fluxcd/kustomize-controller `api/v1/kustomization_types.go` (KustomizationSpec);
        argoproj/argo-cd `pkg/apis/application/v1alpha1/types.go` (ApplicationSourceKustomize).
        """
        spec = raw.get("spec")
        if group not in DELIVERY or not isinstance(spec, dict):
            return
        if kind == "ApplicationSet":
            spec = _mapping(_mapping(spec, "template"), "spec")
        name = str(_mapping(raw, "metadata").get("name", ""))[:MOST_SHOWN]
        if group == FLUX_KUSTOMIZE:
            self._hear_of_changes(spec.get("path"), spec, f"the Kustomization {name} of Flux")
        elif group == ARGO:
            sources = spec.get("sources")
            for each in (spec.get("source"), *(sources if isinstance(sources, list) else ())):
                if isinstance(each, dict):
                    own = _mapping(each, "kustomize")
                    self._hear_of_changes(each.get("path"), own, f"the {kind} {name} of Argo CD")
        namespace = spec.get("targetNamespace") or _mapping(spec, "destination").get("namespace")
        if not isinstance(namespace, str) or not is_label(namespace):
            return
        self.hinted_namespaces.add(namespace)
        if group == FLUX_KUSTOMIZE and (folder := _folder(spec.get("path"))) is not None:
            self._deliveries.append((folder, namespace))

    def _hear_of_changes(self, path: Any, content: Mapping[str, Any], by: str) -> None:
        folder = _folder(path)
        # A path that is to be filled in may lead anywhere.
        folder = () if folder is None or MARKED.search("/".join(folder)) else folder
        self._delivered_changes += ((folder, each) for each in changes_of(content, by))

    def place(self) -> None:
        """Do to the objects what Flux and Argo CD do to everything in their folders."""
        self._change()
        self._put()

    def _change(self) -> None:
        """Leave objects unread that are changed before they are applied.

        One that a change names is taken for its object wherever it is: a kustomization in the
        folder may take it in from elsewhere.
        """
        for ref, location in tuple(self.locations.items()) if self._delivered_changes else ():
            parts = PurePath(location.file).parts[:-1]
            for folder, each in self._delivered_changes:
                if each.hits(ref.kind, ref.name) and (each.name or _is_below(parts, folder)):
                    self.give_up([ref], f"{each.by} changes it")
                    break

    def _put(self) -> None:
        """Put objects where a Kustomization of Flux puts everything in their folder.

        Its targetNamespace takes the place of what they say (fluxcd.io, Kustomization API).
        """
        for ref, location in tuple(self.locations.items()) if self._deliveries else ():
            parts = PurePath(location.file).parts[:-1]
            said = {name for path, name in self._deliveries if _is_below(parts, path)}
            if ref.namespace and said and ref not in self._versions:
                self._move(ref, min(said) if len(said) == 1 else UNKNOWN_NAMESPACE)

    def _move(self, ref: Ref, namespace: str) -> None:
        moved = ref._replace(namespace=namespace)
        if moved == ref:
            return
        if moved in self.locations:
            self.give_up([ref, moved], f"two objects with this name are put into {namespace}")
            return
        self.locations[moved] = self.locations.pop(ref)
        self.documents[moved] = self.documents.pop(ref)
        if ref in self.resources:
            self.resources[moved] = in_namespace(self.resources.pop(ref), namespace)
        if ref in self.credentials:
            credential = self.credentials.pop(ref)
            self.credentials[moved] = msgspec.structs.replace(credential, namespace=namespace)
        if (ref.namespace, ref.name) in self.secret_names and ref.kind == SECRET:
            self.secret_names.discard((ref.namespace, ref.name))
            self.secret_names.add((namespace, ref.name))

    def _add_template(
        self, language: Language, kinds: tuple[Kind | None, ...], file: str, line: int | None
    ) -> None:
        """Note a template: what it will be is unread, where any question might ask about it."""
        self.pass_over(TEMPLATES[language], file)
        if kinds and kinds[0] is None:
            return
        kind = kinds[0] if kinds else None
        if kind is not None and kind not in self.kinds:
            return
        self.is_doubtful |= kind is None
        message = f"it is one of the {TEMPLATES[language]}"
        self.malformed.append(
            Unread(kind=kind, reason=UnreadReason.UNCERTAIN, message=message, file=file, line=line)
        )

    def _settle_namespace(
        self, raw: dict[str, Any], treatment: Treatment, *, is_namespaced: bool = True
    ) -> None:
        """Give an object the namespace that applying it would give it, as far as is known."""
        metadata = raw.get("metadata")
        if not isinstance(metadata, dict):
            return
        if not is_namespaced:
            metadata.pop("namespace", None)
        elif treatment.overrides or metadata.get("namespace") in UNSAID:
            assumed = self.assumed_namespace or UNKNOWN_NAMESPACE
            metadata["namespace"] = treatment.namespace or assumed

    def _take_in(
        self, found: FoundObject, kind: Kind, location: Location, treatment: Treatment
    ) -> None:
        raw = found.raw
        metadata = raw.get("metadata")
        name = metadata.get("name") if isinstance(metadata, dict) else None
        if isinstance(metadata, dict) and isinstance(name, str):
            namespace = metadata.get("namespace") if kind.namespaced else ""
            why = treatment.change(kind.value.kind, name)
            if not why and found.may_have_placeholders and (value := placeholder(kind, raw)):
                why = f"{value[:MOST_SHOWN]} is still to be filled in"
            if why:
                ref = Ref(kind.group, kind.value.kind, str(namespace or ""), name)
                self._doubt(kind, ref, why, location)
                return
        self._decode(raw, kind, location)

    def _doubt(self, kind: Kind, ref: Ref, why: str, location: Location) -> None:
        """Leave an object unread, as what it will be is not known."""
        known = ref.namespace if ref.namespace != UNKNOWN_NAMESPACE else ""
        self._uncertain[ref] = Unread(
            kind=kind,
            namespace="" if MARKED.search(known) else known,
            name="" if MARKED.search(ref.name) else ref.name,
            reason=UnreadReason.UNCERTAIN,
            message=why[:MAX_MESSAGE],
            file=location.file,
            line=location.line,
        )
        self._forget(ref)
        if kind is Kind.SECRET and known and not MARKED.search(ref.name):
            self.secret_names.add((known, ref.name))

    def _forget(self, ref: Ref) -> None:
        for kept in (self.resources, self.credentials, self.locations, self.documents):
            kept.pop(ref, None)
        if ref.kind == Kind.SECRET.value.kind:
            self.secret_names.discard((ref.namespace, ref.name))

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
        if ref in self._uncertain:
            return
        if ref in self.locations and not self._is_another(decoded, location):
            return
        self.locations[ref] = location
        self.documents[ref] = decoded.document
        if decoded.resource is not None:
            self.resources[ref] = decoded.resource
        if decoded.kind is Kind.SECRET:
            self._keep_secret(decoded, location)

    def _is_another(self, decoded: Decoded, location: Location) -> bool:
        """Note one more version of an object; False where it is given the same way again."""
        ref = decoded.ref
        if ref not in self._versions:
            key = (ref.namespace, ref.name)
            self._versions[ref] = [
                Version(
                    self.locations[ref],
                    self.documents[ref],
                    self.resources.get(ref),
                    self.credentials.get(ref),
                    None if ref in self.credentials else self._stand_ins.get(key),
                )
            ]
        versions = self._versions[ref]
        if any(_is_same(each, decoded) for each in versions):
            if len(versions) == 1:
                del self._versions[ref]
            return False
        stand_in = None
        if decoded.kind is Kind.SECRET and decoded.credential is None:
            stand_in = _redacted((ref.namespace, ref.name), decoded.stand_in, location)
        versions.append(
            Version(location, decoded.document, decoded.resource, decoded.credential, stand_in)
        )
        return True

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
                namespace=_known(ref.namespace) if ref else "",
                name=ref.name if ref else "",
                reason=UnreadReason.MALFORMED,
                message=reason[:MAX_MESSAGE],
                file=location.file,
                line=location.line,
            )
        )

    def _add_defect(self, defect: FoundDefect, file: str) -> None:
        """Note a document that does not parse, with its kind where its text still says so."""
        kinds = _kind_in(defect.text)
        if not kinds:
            self.is_doubtful |= "kind" in defect.text
        self.malformed.append(
            Unread(
                kind=kinds[0] if kinds else None,
                reason=UnreadReason.MALFORMED,
                message=defect.reason[:MAX_MESSAGE],
                file=file,
                line=defect.line,
            )
        )


def _kind_in(text: str) -> tuple[Kind | None, ...]:
    """Return the kind of the one object that a text speaks of; nothing where it may be any."""
    kinds = _KIND.findall(text)
    versions = _API_VERSION.findall(text)
    if len(kinds) == len(versions) == 1:
        return (kind_of(versions[0].rpartition("/")[0], kinds[0]),)
    return ()


def _folder(path: Any) -> tuple[str, ...] | None:
    """Return the parts of a path within a repository; None for what is none."""
    path = "./" if path is None else path
    return PurePosixPath(path.lstrip("/")).parts if isinstance(path, str) else None


def _mapping(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _is_below(folder: tuple[str, ...], path: tuple[str, ...]) -> bool:
    """Whether a path within a repository may lead to a folder or above it."""
    starts = range(len(folder) - len(path) + 1)
    return any(folder[start : start + len(path)] == path for start in starts)


def _language_of_names(raw: Mapping[str, Any]) -> Language | None:
    """Return the language of the template that an object's name is from, if it is from one."""
    metadata = raw.get("metadata")
    if not isinstance(metadata, dict):
        return None
    names = (metadata.get("name"), metadata.get("namespace"))
    is_template = any(isinstance(name, str) and "{{" in name for name in names)
    return Language.HELM if is_template else None


def _is_same(version: Version, decoded: Decoded) -> bool:
    """Whether a version says what another object says, in whatever order."""
    if version.credential != decoded.credential:
        return False
    one, other = version.document.json, decoded.document.json
    return one == other or decode_json(one) == decode_json(other)


def _places(versions: Iterable[Version]) -> str:
    return _named([f"{each.location.file}:{each.location.line}" for each in versions])


def _known(namespace: str) -> str:
    """Return a namespace for what is unread; one that is not known may be any."""
    return "" if namespace == UNKNOWN_NAMESPACE else namespace


def _redacted(key: tuple[str, str], reason: str, location: Location) -> Unread:
    return Unread(
        kind=Kind.SECRET,
        namespace=_known(key[0]),
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

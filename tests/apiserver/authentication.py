"""Who a request comes from: a bearer token, a client certificate, or nobody."""

from collections.abc import Iterable
from dataclasses import dataclass

from aiohttp import web

from tests.apiserver.answers import RefusedError


@dataclass(frozen=True, slots=True)
class User:
    """A name and the groups that rights are granted to."""

    name: str
    groups: frozenset[str]


ANONYMOUS = User("system:anonymous", frozenset({"system:unauthenticated"}))


def user_named(name: str, groups: Iterable[str] = ()) -> User:
    """A known user; a service account's groups follow from its name."""
    found = {*groups, "system:authenticated"}
    match name.split(":"):
        case ["system", "serviceaccount", namespace, _]:
            found |= {"system:serviceaccounts", f"system:serviceaccounts:{namespace}"}
    return User(name, frozenset(found))


class Authentication:
    """The tokens that are valid, and the users who no longer are."""

    def __init__(self) -> None:
        """Nobody is known yet."""
        self._tokens: dict[str, User] = {}
        self._rejected: set[str] = set()

    def accept(self, token: str, name: str, groups: Iterable[str]) -> None:
        """Make a token valid."""
        self._tokens[token] = user_named(name, groups)

    def reject(self, name: str) -> None:
        """Turn a user away from now on, as where a token or certificate has expired."""
        self._rejected.add(name)

    def user(self, request: web.Request) -> User:
        """The user of a request; a wrong credential is a 401, none at all is anonymous."""
        user = self._from_certificate(request) or self._from_token(request) or ANONYMOUS
        if user.name in self._rejected:
            raise RefusedError(401, "Unauthorized", "Unauthorized")
        return user

    def _from_token(self, request: web.Request) -> User | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if not scheme:
            return None
        if scheme.lower() != "bearer" or token not in self._tokens:
            raise RefusedError(401, "Unauthorized", "Unauthorized")
        return self._tokens[token]

    def _from_certificate(self, request: web.Request) -> User | None:
        certificate = request.transport and request.transport.get_extra_info("peercert")
        if not certificate:
            return None
        subject = [pair for relative_name in certificate["subject"] for pair in relative_name]
        groups = [value for key, value in subject if key == "organizationName"]
        return user_named(dict(subject)["commonName"], groups)

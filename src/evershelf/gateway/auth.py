"""Who may call: API keys, verified from memory, so that losing PostgreSQL neither opens nor closes the door."""

import hmac
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, cast

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.types import Scope as ASGIScope

from evershelf.contracts.keys import Scope, StoredKey
from evershelf.contracts.problems import ProblemType
from evershelf.gateway.parts import Parts, parts_of
from evershelf.gateway.problems import ANSWER_HEADERS, ProblemError
from evershelf.policy.keys import ParsedKey, key_digest, parse_key

_BEARER = HTTPBearer(
    auto_error=False,
    bearerFormat="evs_<key_id>_<secret>",
    scheme_name="ApiKey",
    description="An API key of this installation. `admin` implies all other scopes.",
)
_Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
# In the ASGI scope of a request: the scope and the key that it was admitted with.
ADMITTED = "evershelf.admitted"
_BEARER_TOKEN = re.compile(r"bearer[ \t]+(\S+)[ \t]*", re.IGNORECASE)
_CHALLENGE = 'Bearer realm="evershelf"'
# Compared with where there is no such key: an unknown key and a wrong one take the same time.
_NO_DIGEST = "0" * 64


@cache
def require(scope: Scope) -> Callable[[Request, _Credentials], Awaitable[StoredKey]]:
    """A FastAPI dependency: the caller's key, which allows `scope`; fails as `admit` does.

    One function a scope, so that FastAPI asks it once a request however many times it is declared. The front has
    admitted what it hands on.
    """

    # async although it waits for nothing: FastAPI would send a plain function through its thread pool
    async def admitted(request: Request, _: _Credentials) -> StoredKey:
        return admit(parts_of(request), request.scope, request.headers.get("authorization"), scope)

    return admitted


def admit(parts: Parts, http: ASGIScope, authorization: str | None, scope: Scope) -> StoredKey:
    """The caller's key, which allows `scope`, with one request taken off its quota, once for each request.

    Raises ProblemError: as `verify`, or quota-exceeded.
    """
    admitted_for, admitted = http.get(ADMITTED, (None, None))
    if admitted_for is scope:
        return cast("StoredKey", admitted)  # ASGI's scope is untyped
    key = verify(parts, authorization, scope)
    if admitted is None:
        taken = parts.quotas.take(key)
        http[ANSWER_HEADERS] = taken.headers
        if not taken.allowed:
            parts.telemetry.operation.quota_refused(scope, own=key.quota_per_s is not None)
            raise ProblemError(
                ProblemType.QUOTA_EXCEEDED,
                f"The key {key.name!r} has used up its quota.",
                headers={"Retry-After": str(taken.retry_after_s)},
            )
    http[ADMITTED] = scope, key
    return key


def verify(parts: Parts, authorization: str | None, scope: Scope) -> StoredKey:
    """The key in the header `Authorization`. Raises ProblemError: missing-key, wrong-key, missing-scope."""
    key = known(parts, authorization)
    if scope not in key.scopes and Scope.ADMIN not in key.scopes:
        raise ProblemError(
            ProblemType.MISSING_SCOPE,
            f"The key {key.name!r} lacks the scope {scope.value!r}.",
            headers={"WWW-Authenticate": f'{_CHALLENGE}, error="insufficient_scope", scope="{scope.value}"'},
        )
    return key


def known(parts: Parts, authorization: str | None) -> StoredKey:
    """The key in the header `Authorization`, whatever it allows. Raises ProblemError: missing-key, wrong-key."""
    bearer = _BEARER_TOKEN.fullmatch(authorization or "")
    if bearer is None:
        raise ProblemError(
            ProblemType.MISSING_KEY,
            "Send `Authorization: Bearer evs_...` with an API key of this installation.",
            headers={"WWW-Authenticate": _CHALLENGE},
        )
    parsed = parse_key(bearer[1])
    key = None if parsed is None else _find(parts, parsed)
    if key is None:
        raise ProblemError(
            ProblemType.WRONG_KEY,
            "This key is not known here, or was revoked.",
            headers={"WWW-Authenticate": f'{_CHALLENGE}, error="invalid_token"'},
        )
    return key


@dataclass(slots=True)
class Caller:
    """Who asks on one connection, always for one scope: verified anew when the keys have changed, or this one ends."""

    authorization: str | None
    _key: StoredKey | None = None
    _keys: Mapping[str, StoredKey] | None = None

    def verified(self, parts: Parts, scope: Scope) -> StoredKey:
        """As `verify`."""
        if self._key is None or self._keys is not parts.mirror.keys or self._key.revoked_at is not None:
            self._key, self._keys = verify(parts, self.authorization, scope), parts.mirror.keys
        return self._key


def key_secret(parts: Parts) -> bytes:
    """What the keys of this installation are hashed with."""
    return bytes.fromhex(parts.settings.key_secret.get_secret_value())


def _find(parts: Parts, parsed: ParsedKey) -> StoredKey | None:
    stored = parts.mirror.keys.get(parsed.key_id)
    digest = stored.digest if stored is not None else _NO_DIGEST
    right = hmac.compare_digest(key_digest(key_secret(parts), parsed.secret_part), digest)
    return stored if right and stored is not None and not _is_revoked(parts, stored) else None


def _is_revoked(parts: Parts, key: StoredKey) -> bool:
    return key.revoked_at is not None and key.revoked_at.timestamp() <= parts.outside.clock.unix_s()

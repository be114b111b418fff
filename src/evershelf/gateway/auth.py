"""Who may call: API keys, verified from memory, so that losing PostgreSQL neither opens nor closes the door."""

import hmac
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from evershelf.contracts.keys import Scope, StoredKey
from evershelf.contracts.problems import ProblemType
from evershelf.gateway.parts import parts_of
from evershelf.gateway.problems import ProblemError
from evershelf.policy.keys import ParsedKey, key_digest, parse_key

_BEARER = HTTPBearer(
    auto_error=False,
    bearerFormat="evs_<key_id>_<secret>",
    scheme_name="ApiKey",
    description="An API key of this installation. `admin` implies all other scopes.",
)
_Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
_CHALLENGE = 'Bearer realm="evershelf"'
# Compared with where there is no such key: an unknown key and a wrong one take the same time.
_NO_DIGEST = "0" * 64


@cache
def require(scope: Scope) -> Callable[[Request, _Credentials], Awaitable[StoredKey]]:
    """A FastAPI dependency: the caller's key, which allows `scope`. Fails with missing-key, wrong-key, missing-scope.

    One function a scope, so that FastAPI asks it once a request however many times it is declared.
    """

    # async although it waits for nothing: FastAPI would send a plain function through its thread pool
    async def verified(request: Request, credentials: _Credentials) -> StoredKey:
        key = _verify(request, credentials)
        if scope not in key.scopes and Scope.ADMIN not in key.scopes:
            raise ProblemError(
                ProblemType.MISSING_SCOPE,
                f"The key {key.name!r} lacks the scope {scope.value!r}.",
                headers={"WWW-Authenticate": f'{_CHALLENGE}, error="insufficient_scope", scope="{scope.value}"'},
            )
        return key

    return verified


def _verify(request: Request, credentials: HTTPAuthorizationCredentials | None) -> StoredKey:
    if credentials is None:
        raise ProblemError(
            ProblemType.MISSING_KEY,
            "Send `Authorization: Bearer evs_...` with an API key of this installation.",
            headers={"WWW-Authenticate": _CHALLENGE},
        )
    parsed = parse_key(credentials.credentials)
    key = None if parsed is None else _find(request, parsed)
    if key is None:
        raise ProblemError(
            ProblemType.WRONG_KEY,
            "This key is not known here, or was revoked.",
            headers={"WWW-Authenticate": f'{_CHALLENGE}, error="invalid_token"'},
        )
    return key


def _find(request: Request, parsed: ParsedKey) -> StoredKey | None:
    parts = parts_of(request)
    secret = bytes.fromhex(parts.settings.key_secret.get_secret_value())
    stored = parts.mirror.keys.get(parsed.key_id)
    digest = stored.digest if stored is not None else _NO_DIGEST
    right = hmac.compare_digest(key_digest(secret, parsed.secret_part), digest)
    return stored if right and stored is not None and stored.revoked_at is None else None

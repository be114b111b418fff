"""Asks the running gateway of an installation, with the installation's own key."""

import json
import urllib.error
import urllib.request
from typing import Any

from evershelf.supervision.installation import LOOPBACK, Installation, InstallationError

TIMEOUT_S = 10.0
BODY_SIZE_MAX_BYTES = 8 * 2**20


class GatewayRefusedError(Exception):
    """The gateway answered with a problem, or not in its own form."""


def ask(home: Installation, path: str, body: dict[str, object] | None = None) -> dict[str, Any]:  # Any: JSON
    """POST `body` to the gateway of `home`, or GET where there is none, and return its answer.

    Raises InstallationError if no gateway runs or no key is kept, GatewayRefusedError if it refuses.
    """
    from evershelf.supervision.launch import open_local

    request = urllib.request.Request(  # noqa: S310 - an http URL on this machine
        gateway_url(home) + path,
        None if body is None else json.dumps(body).encode(),
        headers=_headers(home),
        method="GET" if body is None else "POST",
    )
    try:
        with open_local(request, timeout_s=TIMEOUT_S) as reply:
            content = reply.read(BODY_SIZE_MAX_BYTES)
    except urllib.error.HTTPError as error:
        raise GatewayRefusedError(_told(error)) from error
    except OSError as error:
        raise InstallationError(
            f"no gateway answers at {gateway_url(home)}: start it with `evershelf up --data-dir {home.data_dir}`"
        ) from error
    answer = json.loads(content)
    if not isinstance(answer, dict):
        raise GatewayRefusedError("the gateway's answer is not an object: is something else listening on its port?")
    return answer


def gateway_url(home: Installation) -> str:
    """Where the gateway of `home` listens. Raises InstallationError if it never ran."""
    port = home.ports().get("gateway")
    if port is None:
        raise InstallationError(f"nothing runs in {home.data_dir}: start it with `evershelf up`, or name --data-dir")
    return f"http://{LOOPBACK}:{port}"


def _headers(home: Installation) -> dict[str, str]:
    key = home.secret("api_key")
    if key is None:
        raise InstallationError(f"{home.data_dir} has no API key yet: start it once with `evershelf up`")
    return {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}


def _told(error: urllib.error.HTTPError) -> str:
    try:
        problem = json.loads(error.read(BODY_SIZE_MAX_BYTES))
        return f"the gateway refused ({error.code} {problem['title']}): {problem['detail']}"
    except (ValueError, KeyError, TypeError):
        return f"the gateway refused ({error.code})"

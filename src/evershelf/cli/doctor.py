"""`doctor`: looks an installation over; each red line says how to mend it."""

import asyncio
import json
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from evershelf.cli.context import installation, registry, settings
from evershelf.cli.options import AsJson, DataDir
from evershelf.cli.output import print_json, print_table
from evershelf.supervision.installation import LOOPBACK, Installation

if TYPE_CHECKING:
    from evershelf.registry.store import Registry

DISK_FREE_MIN_BYTES = 500_000_000


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `remedy` says what to do where it is not in order."""

    name: str
    in_order: bool
    detail: str
    remedy: str = ""


class NotInOrderError(Exception):
    """At least one finding is red."""


def doctor(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Look the installation over and say what to mend."""
    home = installation(data_dir)
    findings = [finding for look in (_folder, _database, _processes, _registry) for finding in look(home)]
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        rows = [("ok" if f.in_order else "RED", f.name, f.detail, "" if f.in_order else f.remedy) for f in findings]
        print_table(f"Installation in {home.data_dir}", ("", "what", "found", "what to do"), rows)
    red = [finding for finding in findings if not finding.in_order]
    if red:
        raise NotInOrderError(f"{len(red)} of {len(findings)} findings are red; first: {red[0].name}: {red[0].remedy}")


def _folder(home: Installation) -> Iterator[Finding]:
    yield Finding("python", sys.version_info >= (3, 11), sys.version.split()[0], "use Python 3.11 or newer")
    known = home.data_dir.exists()
    yield Finding("data folder", known, str(home.data_dir), "run `evershelf up` once, or name it with --data-dir")
    if not known:
        return
    mode = stat.S_IMODE(home.secrets_dir.stat().st_mode) if home.secrets_dir.exists() else 0
    yield Finding("secrets", mode == 0o700, f"{home.secrets_dir} mode {mode:o}", f"chmod 700 {home.secrets_dir}")
    free_bytes = shutil.disk_usage(home.data_dir).free
    enough = free_bytes >= DISK_FREE_MIN_BYTES
    yield Finding("disk", enough, f"{free_bytes / 1e9:.1f} GB free", "make room: the spool and PostgreSQL need it")


def _database(home: Installation) -> Iterator[Finding]:
    configured = settings().database_url
    url = configured.get_secret_value() if configured else home.secret("database_url") if home.is_running() else None
    if url is None:
        yield Finding("database", True, "embedded, not running now")
        return
    # A database that cannot be asked is a finding, whatever the reason.
    try:
        version = asyncio.run(_schema_version(url))
    except Exception as error:  # noqa: BLE001 - the doctor reports what it meets and goes on
        yield Finding("database", False, str(error).splitlines()[0], "start it, or correct EVERSHELF_DATABASE_URL")
        return
    yield Finding("database", True, "reachable")
    found, expected = version
    yield Finding("schema", found == expected, f"{found} of {expected}", "run `evershelf migrate`")


async def _schema_version(url: str) -> tuple[str | None, str]:
    from evershelf.storage.migrate import current_version, expected_version

    return await current_version(url), expected_version()


def _processes(home: Installation) -> Iterator[Finding]:
    from evershelf.supervision.launch import answers

    if not home.is_running():
        yield Finding("processes", True, "not running now")
        return
    for service in json.loads(home.status_path.read_text())["services"]:
        alive = service["state"] == "running" and _is_alive(service["pid"])
        detail = f"{service['state']}, pid {service['pid']}, {service['restarts']} restarts"
        yield Finding(service["name"], alive, detail, f"read {home.logs_dir / (service['name'] + '.log')}")
        if alive and service["name"] in {"gateway", "inference"}:
            ready = answers(f"http://{LOOPBACK}:{service['port']}/readyz")
            yield Finding(
                f"{service['name']} ready",
                ready,
                f"port {service['port']}",
                "ask again if it has just been started; else run `evershelf train` and `evershelf refresh`",
            )


def _registry(home: Installation) -> Iterator[Finding]:
    versions = registry(home.data_dir)
    for kind, alias, verb in (("models", "champion", "train"), ("snapshots", "current", "refresh")):
        yield _alias(versions, (kind, alias), verb)


def _alias(versions: "Registry", named: tuple[str, str], verb: str) -> Finding:
    kind, alias = named
    read: Callable[..., object] = versions.read_alias
    try:
        pointer = read(kind, alias)
    except Exception as error:  # noqa: BLE001 - the doctor reports what it meets and goes on
        return Finding(f"{kind} {alias}", False, str(error).splitlines()[0], f"run `evershelf {verb}`")
    version = getattr(pointer, "version", None)
    return Finding(f"{kind} {alias}", version is not None, version or "none", f"run `evershelf {verb}`")


def _is_alive(pid: int | None) -> bool:
    if pid is None:
        return False
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except ProcessLookupError:
        return False
    return True

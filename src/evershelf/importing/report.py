"""What an import tells: its progress while it runs, its report at the end, and why it could not go on.

ImportProblem               the import stopped and the tables are as they were; the message says what to do
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


class ImportProblem(Exception):  # noqa: N818 - a problem is what the caller is told about (glossary)
    """The file or the request cannot be imported. Nothing was stored; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one step is. `done` and `total` count bytes, rows or pages of the step: only their ratio matters."""

    step: str
    done: int
    total: int
    rows: int


ProgressListener = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class TableReport:
    """One table: rows ready for it, and what became of them. `duplicates` were there already or came twice."""

    ready: int = 0
    inserted: int = 0
    updated: int = 0
    duplicates: int = 0


@dataclass(frozen=True, slots=True)
class ImportReport:
    """A finished import: `read` equals inserted + updated + duplicates + rejected, over all files together."""

    read: int
    inserted: int
    updated: int
    duplicates: int
    rejected: dict[str, int]
    rejects_path: Path | None
    seconds: float
    tables: dict[str, TableReport]
    steps_s: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def rows_per_s(self) -> float:
        """Rows read per second, end to end."""
        return self.read / self.seconds if self.seconds > 0 else 0.0

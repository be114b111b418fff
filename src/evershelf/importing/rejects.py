"""The rejects file: every row that was not imported, with its line, the reason and the row itself."""

import os
from collections import Counter
from pathlib import Path
from typing import BinaryIO

import orjson

from evershelf.importing.report import ImportProblem
from evershelf.importing.rows import RowBatch, Verdict

SUFFIX = ".rejects.jsonl"


class RejectsFile:
    """Counts rejects by reason and writes them down. The file appears with the first reject."""

    def __init__(self, path: Path) -> None:
        """Nothing is opened yet."""
        self._wanted = path
        self._file: BinaryIO | None = None
        self.counts: Counter[str] = Counter()

    @property
    def path(self) -> Path | None:
        """Where the rejects are, None if there are none."""
        return self._wanted if self.counts else None

    def add(self, file_name: str, batch: RowBatch, verdict: Verdict) -> None:
        """Writes down what `verdict` rejected and the lines that gave no row."""
        for reject in batch.unreadable:
            self._write(file_name, reject.line, reject.reason, reject.text)
        found = verdict.rejected()
        rows = batch.rows.take([index for index, _ in found]).to_pylist() if found else []
        for (index, reason), row in zip(found, rows, strict=True):
            self._write(file_name, int(batch.lines[index]), reason, row)

    def close(self) -> None:
        """Ends writing; the file stays."""
        if self._file is not None:
            self._file.close()

    def discard(self) -> None:
        """The import came to nothing: its rejects go too."""
        self.close()
        if self._file is not None:
            self._wanted.unlink(missing_ok=True)

    def _write(self, file_name: str, line: int, reason: str, row: object) -> None:
        if self._file is None:
            self._file = self._open()
        self.counts[reason] += 1
        entry = {"file": file_name, "line": line, "reason": reason, "row": row}
        self._file.write(orjson.dumps(entry, default=str, option=orjson.OPT_APPEND_NEWLINE))

    def _open(self) -> BinaryIO:
        try:
            return self._wanted.open("wb")
        except OSError as error:
            raise ImportProblem(
                f"cannot write the rejects to {self._wanted} ({error.strerror}): name another place with --rejects"
            ) from error


def rejects_path(source: Path, wanted: Path | None) -> Path:
    """The wanted place; else beside the input; else, where that folder is read-only, in the working directory."""
    if wanted is not None:
        return wanted.resolve()
    beside = source.resolve().with_name(source.name + SUFFIX)
    return beside if _is_writable(beside.parent) else Path.cwd() / beside.name


def _is_writable(folder: Path) -> bool:
    """For root everything is; a folder that nobody may write to is nevertheless meant to stay as it is."""
    return os.access(folder, os.W_OK) and bool(folder.stat().st_mode & 0o222)

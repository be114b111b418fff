"""The model versions on the model server's own disk, and which of them served last."""

from pathlib import Path

from evershelf.registry.artifact import write_durably
from evershelf.registry.store import checked_version, discard, discard_abandoned

LAST_GOOD_NAME = "last_good.json"


class ModelCache:
    """`folder` holds verified copies; the last good version is named in a file beside them."""

    def __init__(self, folder: Path, versions_kept: int) -> None:
        self.folder = folder
        self._versions_kept = versions_kept
        self._pointer = folder / LAST_GOOD_NAME

    def remember(self, version: str) -> str | None:
        """Names the version as the last good one and lets older copies go.

        Returns what went wrong, if anything: the version serves all the same, only a restart without the registry would
        miss it.
        """
        try:
            incoming = self._pointer.with_suffix(".incoming")
            write_durably(incoming, version.encode())
            incoming.rename(self._pointer)
            folders = sorted((path for path in self.folder.iterdir() if path.is_dir()), key=_modified_at)
            for folder in folders[: -self._versions_kept]:
                if folder.name != version and not folder.name.startswith("."):
                    discard(folder)
            discard_abandoned(self.folder)
        except OSError as error:
            return type(error).__name__
        return None

    def last_good(self) -> Path | None:
        """The folder of the version that served last, or None. Raises ArtifactRefused if its name is none."""
        try:
            return self.folder / checked_version(self._pointer.read_text(errors="replace"))
        except FileNotFoundError:
            return None

    def forget_last_good(self) -> None:
        """The last good version turned out not to be good."""
        self._pointer.unlink(missing_ok=True)


def _modified_at(path: Path) -> float:
    return path.stat().st_mtime

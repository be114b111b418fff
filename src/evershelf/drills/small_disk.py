"""A disk of a few MB for the time of a block: a loop-mounted ext4, which only root can have."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from evershelf.drills.injection import CannotInjectError

COMMAND_TIMEOUT_S = 30.0
BALLAST = "ballast"
CHUNKS_BYTES = (64 * 1_024, 512, 1)  # coarse first, then whatever is left


@contextmanager
def small_disk(at: Path, *, megabytes: int) -> Iterator[Path]:
    """A mounted file system of that size. Raises CannotInjectError where the machine does not allow it."""
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None or not Path("/dev/loop-control").exists():
        raise CannotInjectError("a small disk needs root, mkfs.ext4 and loop devices")
    image = at.with_suffix(".img")
    at.mkdir(exist_ok=True)
    with image.open("wb") as file:
        file.truncate(megabytes * 2**20)
    try:
        _run("mkfs.ext4", "-q", "-m", "0", str(image))
        _run("mount", "-o", "loop", str(image), str(at))
    except CannotInjectError:
        image.unlink()
        raise
    at.chmod(0o755)
    try:
        yield at
    finally:
        _run("umount", "-l", str(at))  # a killed process may hold it a moment longer
        image.unlink()


def fill(disk: Path, *, leave_bytes: int = 0) -> int:
    """Writes until the disk is full but for `leave_bytes`; returns how much was written."""
    written = 0
    with (disk / BALLAST).open("wb", buffering=0) as file:
        for chunk_bytes in CHUNKS_BYTES:
            with suppress(OSError):
                while True:
                    written += file.write(bytes(chunk_bytes)) or 0
        os.fsync(file.fileno())
        file.truncate(max(0, written - leave_bytes))
    return written


def relieve(disk: Path) -> None:
    """Gives the room back."""
    (disk / BALLAST).unlink(missing_ok=True)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, check=False, timeout=COMMAND_TIMEOUT_S)  # noqa: S603
    if done.returncode != 0:
        raise CannotInjectError(f"{command[0]}: {done.stderr.decode(errors='replace').strip()}")

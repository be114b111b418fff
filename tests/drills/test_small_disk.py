"""A small disk is small, can be filled to the last byte and relieved, and is gone afterwards."""

import shutil

import pytest

from evershelf.drills.injection import CannotInjectError
from evershelf.drills.small_disk import fill, relieve, small_disk

MB = 2**20


def test_a_small_disk_fills_and_is_relieved(tmp_path):
    # Promise: not a byte fits once it is full, room is back once relieved, and nothing is left of it at the end.
    at = tmp_path / "disk"
    try:
        with small_disk(at, megabytes=8) as disk:
            assert shutil.disk_usage(disk).total <= 8 * MB
            assert fill(disk) > 4 * MB
            with pytest.raises(OSError, match="No space left"):
                (disk / "more").write_bytes(b"x" * 4_096)
            relieve(disk)
            (disk / "more").write_bytes(b"x" * 4_096)
    except CannotInjectError as error:
        pytest.skip(str(error))
    assert list(at.iterdir()) == []
    assert not at.with_suffix(".img").exists()

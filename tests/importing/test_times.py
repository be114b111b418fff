"""When things happened: every common notation, one unit a file, zones and clocks set back."""

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from evershelf.importing.times import TimeReader, TimeUnit

NOON = datetime(2024, 7, 1, 12, tzinfo=UTC)
EPOCH_S = 1_719_835_200


@pytest.mark.parametrize(
    "cell",
    [
        "2024-07-01T12:00:00Z", "2024-07-01 12:00:00", "2024-07-01 12:00:00 UTC", "2024-07-01T14:00:00+02:00",
        "2024-07-01T14:00+0200", "20240701T120000Z", "2024-07-01 12:00", EPOCH_S, EPOCH_S * 10**3, EPOCH_S * 10**6,
        EPOCH_S * 10**9, str(EPOCH_S), f"{EPOCH_S}.0", NOON, NOON.replace(tzinfo=None),
    ],
)  # fmt: skip
def test_every_notation_of_an_instant_is_read(cell):
    # Promise: ISO with or without zone, epoch in any unit, typed timestamps.
    assert TimeReader().read(pa.array([cell])).to_pylist() == [NOON]


def test_a_date_is_its_midnight():
    # Promise: text and typed dates alike.
    midnight = [datetime(2024, 7, 1, tzinfo=UTC)]
    assert TimeReader().read(pa.array(["2024-07-01"])).to_pylist() == midnight
    assert TimeReader().read(pa.array([date(2024, 7, 1)])).to_pylist() == midnight


def test_unreadable_cells_do_not_spoil_their_neighbours():
    # Promise: null for the bad ones only.
    cells = ["2024-07-01T12:00:00Z", "2024-02-30", "yesterday", None, "2024-07-01 12:00:00"]
    assert TimeReader().read(pa.array(cells)).to_pylist() == [NOON, None, None, None, NOON]
    assert TimeReader().read(pa.array([str(EPOCH_S), str(EPOCH_S), "x", None])).to_pylist() == [NOON, NOON, None, None]


def test_the_first_batch_settles_the_unit():
    # Promise: one file has one unit; a later small number is an early time, not another unit.
    reader = TimeReader()
    reader.read(pa.array([EPOCH_S * 1000]))
    assert reader.unit is TimeUnit.MILLISECONDS
    assert reader.read(pa.array([1000])).to_pylist() == [datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)]


def test_local_times_become_utc_also_when_clocks_change():
    # Promise: the first of two equal hours is taken; a skipped hour moves on.
    cells = ["2024-07-01 13:00:00", "2024-10-27 01:30:00", "2024-03-31 01:30:00"]
    expected = [NOON, datetime(2024, 10, 27, 0, 30, tzinfo=UTC), datetime(2024, 3, 31, 1, 0, tzinfo=UTC)]
    assert TimeReader(zone="Europe/London").read(pa.array(cells)).to_pylist() == expected

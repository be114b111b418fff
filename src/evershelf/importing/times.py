"""When something happened: ISO dates and datetimes, or epoch numbers whose unit the file's first rows give away."""

from datetime import UTC, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pyarrow as pa

from evershelf.importing.arrow import Array, pc
from evershelf.importing.cells import numbers_of, text_of
from evershelf.importing.report import ImportProblem

INSTANT = pa.timestamp("us", "UTC")
_NUMERIC = r"^-?\d+(\.\d+)?$"
_ZONED = r"(Z|z|[+-]\d\d:?(\d\d)?)$"
_DATE = r"^\d{4}-\d\d-\d\d$"


class TimeUnit(StrEnum):
    """What an epoch number counts."""

    SECONDS = "s"
    MILLISECONDS = "ms"
    MICROSECONDS = "us"
    NANOSECONDS = "ns"


_MICROSECONDS_IN = {
    TimeUnit.SECONDS: 1e6,
    TimeUnit.MILLISECONDS: 1e3,
    TimeUnit.MICROSECONDS: 1.0,
    TimeUnit.NANOSECONDS: 1e-3,
}
# Between two neighbours lies a factor of 1000; any time from 1974 to the year 5138 falls on the right side.
_BELOW = ((1e11, TimeUnit.SECONDS), (1e14, TimeUnit.MILLISECONDS), (1e17, TimeUnit.MICROSECONDS))


class TimeReader:
    """Reads one file's times. What the numbers count is settled by the first batch and holds for the whole file."""

    def __init__(self, unit: TimeUnit | None = None, zone: str = "UTC") -> None:
        """`unit`: of numbers, None to find out; `zone`: of times that carry none. Raises ImportProblem."""
        try:
            self._zone = ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ImportProblem(f"there is no time zone {zone!r}: give a name like Europe/London") from error
        self.unit = unit
        self._is_numeric: bool | None = None

    def read(self, values: Array) -> Array:
        """The column as instants (timestamp[us, UTC]); null where empty or unreadable."""
        if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
            return self._from_timestamps(values)
        if pa.types.is_integer(values.type) or pa.types.is_floating(values.type):
            return self._from_numbers(values)
        text = text_of(values)
        if self._is_numeric is None:
            numeric = pc.sum(pc.match_substring_regex(text, _NUMERIC)).as_py() or 0
            self._is_numeric = numeric * 2 > len(text) - text.null_count
        return self._from_numbers(text) if self._is_numeric else self._from_text(text)

    def _from_numbers(self, values: Array) -> Array:
        numbers, wrong = numbers_of(values)
        numbers = pc.if_else(pa.array(wrong), pa.scalar(None, pa.float64()), numbers)
        if self.unit is None and numbers.null_count < len(numbers):
            self.unit = unit_of(float(np.median(np.abs(numbers.drop_null().to_numpy()))))
        microseconds = pc.round(pc.multiply(numbers, _MICROSECONDS_IN[self.unit or TimeUnit.SECONDS]))
        fits = pc.less(pc.abs(microseconds), 9e18)
        return pc.if_else(fits, microseconds, None).cast(pa.int64()).cast(INSTANT)

    def _from_timestamps(self, values: Array) -> Array:
        if pa.types.is_timestamp(values.type) and values.type.tz is not None:
            return values.cast(INSTANT, safe=False)
        return self._zoned(values.cast(pa.timestamp("us"), safe=False))

    def _zoned(self, naive: Array) -> Array:
        """A clock set back shows an hour twice: the first one is taken. A time skipped moves to the hour after."""
        if self._zone.key == "UTC":
            return naive.cast(INSTANT)
        local = pc.assume_timezone(naive, self._zone.key, ambiguous="earliest", nonexistent="latest")
        return local.cast(INSTANT)

    def _from_text(self, text: Array) -> Array:
        text = pc.replace_substring_regex(text, r"\s*UTC$", "Z")
        zoned = pc.match_substring_regex(text, _ZONED)
        is_date = pc.match_substring_regex(text, _DATE)
        zoned = pc.and_(zoned, pc.invert(is_date))
        try:
            if pc.all(zoned).as_py():
                return text.cast(INSTANT)
            if not pc.any(zoned).as_py():
                return self._zoned(text.cast(pa.timestamp("us")))
        except pa.ArrowInvalid:
            pass  # some cell of this batch is none of the common forms: read it cell by cell
        return pa.array([self._from_cell(cell) for cell in text.to_pylist()], INSTANT)

    def _from_cell(self, cell: str | None) -> datetime | None:
        if cell is None:
            return None
        try:
            read = datetime.fromisoformat(cell)
            return (read if read.tzinfo else read.replace(tzinfo=self._zone)).astimezone(UTC)
        except (ValueError, OverflowError):
            return None


def unit_of(magnitude: float) -> TimeUnit:
    """The unit in which a present-day time has this magnitude."""
    return next((unit for limit, unit in _BELOW if magnitude < limit), TimeUnit.NANOSECONDS)

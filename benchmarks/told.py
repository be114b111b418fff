"""What every benchmark tells in one form: rows of figures, targets met or not, whether the machine was quiet."""

import argparse
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

Figures = Mapping[str, Any]  # numbers, and the names of variants
NOISY_SPREAD = 0.25


def parser(doc: str | None, *, rounds: int = 3) -> argparse.ArgumentParser:
    """The options that all benchmarks share. `smoke` is tiny: it proves that the program runs, and measures nothing."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--form", choices=("smoke", "short", "long"), default="long")
    made.add_argument("--json", action="store_true")
    made.add_argument("--rounds", type=int, default=rounds)
    return made


class Verdict(StrEnum):
    """What a run says of a target."""

    MET = "met"
    MISSED = "missed"
    NOISY = "too noisy to tell"
    UNMEASURED = "not measured"


@dataclass(frozen=True)
class Target:
    """One promise of the targets table. `measured` None: not measured in this run, and `note` says why.

    `rounds` are the values of the single rounds. Where some keep the promise and others do not, and they differ by more
    than a quarter, the machine was too noisy to tell.
    """

    what: str
    limit: float
    unit: str
    measured: float | None
    at_least: bool = False
    note: str = ""
    rounds: Sequence[float] = ()

    @property
    def verdict(self) -> Verdict:
        """Whether it is kept, as far as can be told."""
        if self.measured is None:
            return Verdict.UNMEASURED
        if len({self._kept(each) for each in self.rounds}) == 2 and spread(self.rounds) > NOISY_SPREAD:
            return Verdict.NOISY
        return Verdict.MET if self._kept(self.measured) else Verdict.MISSED

    def _kept(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit


@dataclass
class Told:
    """A benchmark's outcome. `noisy` names what varied too much between rounds to be believed."""

    bench: str
    rows: list[Figures] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    noisy: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _rounds: dict[int, Sequence[Figures]] = field(default_factory=dict)  # of each row, by its id()

    def add_rounds(self, variant: Figures, rounds: Sequence[Mapping[str, float]], by: str) -> Figures:
        """Adds the medians of a variant's rounds as one row and returns it; `by` is the figure whose spread counts."""
        medians = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
        if spread([each[by] for each in rounds]) > NOISY_SPREAD:
            self.noisy.append(", ".join(str(value) for value in variant.values()))
        row = {**variant, **medians}
        self.rows.append(row)
        self._rounds[id(row)] = rounds
        return row

    def judge(
        self,
        what: str,
        limit: float,
        unit: str,
        measure: Callable[..., float],
        *rows: Figures,
        at_least: bool = False,
        note: str = "",
    ) -> None:
        """Adds a target: the median of `measure(figures of each row)` over the rounds, which these rows shared."""
        values = [measure(*figures) for figures in zip(*(self._rounds[id(row)] for row in rows), strict=True)]
        self.targets.append(Target(what, limit, unit, statistics.median(values), at_least, note, values))

    def tell(self, *, as_json: bool) -> None:
        """Prints all of it."""
        if as_json:
            told = {name: getattr(self, name) for name in ("bench", "rows", "noisy", "notes")}
            told["targets"] = [asdict(each) | {"verdict": each.verdict} for each in self.targets]
            print(json.dumps(told, indent=2))
            return
        for row in self.rows:
            print("  ".join(f"{name} {_short(value)}" for name, value in row.items()))
        for each in self.targets:
            measured = "" if each.measured is None else f"{each.measured:.4g} {each.unit}, "
            bound = "at least" if each.at_least else "at most"
            print(f"{each.verdict}: {each.what}: {measured}{bound} {each.limit:g} {each.unit} {each.note}".rstrip())
        for line in (*self.notes, *(f"too noisy to tell: {name}" for name in self.noisy)):
            print(line)


def spread(values: Sequence[float]) -> float:
    """The middle half of the values, or all of few, as a share of their median."""
    if len(values) < 2 or statistics.median(values) == 0:
        return 0.0
    low, high = (min(values), max(values)) if len(values) < 4 else statistics.quantiles(values, n=4)[::2]
    return (high - low) / statistics.median(values)


def _short(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"

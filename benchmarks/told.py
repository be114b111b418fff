"""What every benchmark tells in one form: rows of figures, targets met or not, whether the machine was quiet."""

import argparse
import json
import os
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

Figures = Mapping[str, float | str]
NOISY_SPREAD = 0.25
# Above this many runnable processes a core somebody else is at work, and times say little.
LOAD_A_CORE_MAX = 1.5


def parser(doc: str | None, *, rounds: int = 3) -> argparse.ArgumentParser:
    """The options that all benchmarks share. `smoke` is tiny: it proves that the program runs, and measures nothing."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--form", choices=("smoke", "short", "long"), default="long")
    made.add_argument("--json", action="store_true")
    made.add_argument("--rounds", type=int, default=rounds)
    return made


@dataclass(frozen=True)
class Target:
    """One promise of the targets table. `measured` None: not measured in this run, and `note` says why."""

    what: str
    limit: float
    unit: str
    measured: float | None
    at_least: bool = False
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether it is kept; None where nothing was measured."""
        if self.measured is None:
            return None
        return self.measured >= self.limit if self.at_least else self.measured <= self.limit


@dataclass
class Told:
    """A benchmark's outcome. `noisy` names what varied too much between rounds to be believed."""

    bench: str
    rows: list[Figures] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    noisy: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add_rounds(self, variant: Mapping[str, float | str], rounds: Sequence[Mapping[str, float]], by: str) -> Figures:
        """Adds the medians of a variant's rounds as one row and returns it; `by` is the figure whose spread counts."""
        medians = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
        if spread([each[by] for each in rounds]) > NOISY_SPREAD:
            self.noisy.append(", ".join(str(value) for value in variant.values()))
        row = {**variant, **medians}
        self.rows.append(row)
        return row

    def tell(self, *, as_json: bool) -> None:
        """Prints all of it."""
        load = os.getloadavg()[0]
        if load > LOAD_A_CORE_MAX * (os.cpu_count() or 1):
            self.notes.append(f"load average {load:.1f}: others were at work, so times and rates say little")
        if as_json:
            told = asdict(self) | {"targets": [asdict(each) | {"met": each.met} for each in self.targets]}
            print(json.dumps(told, indent=2))
            return
        for row in self.rows:
            print("  ".join(f"{name} {_short(value)}" for name, value in row.items()))
        for each in self.targets:
            measured = "not measured" if each.measured is None else f"{each.measured:.4g}"
            bound = "at least" if each.at_least else "at most"
            verdict = {True: "met", False: "MISSED", None: "?"}[each.met]
            print(f"{verdict:6} {each.what}: {measured} {each.unit}, {bound} {each.limit:g} {each.note}")
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

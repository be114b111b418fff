"""A campaign that takes several sittings: a JSON file for each scenario; what has passed is not run again."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from evershelf.drills.matrix import pairs, rows
from evershelf.drills.report import Fields, Skipped, as_fields
from evershelf.drills.row import Row
from evershelf.drills.run import Options, RowReport


class MixedCampaignError(Exception):
    """The folder holds nothing, or scenarios that were run under another load: they make no report together."""


@dataclass(frozen=True, slots=True)
class Campaign:
    """The scenarios of one load, kept in a folder as each of them ends. `command` is what was typed."""

    folder: Path
    options: Options
    command: str

    def left(self, wanted: Sequence[Row]) -> list[Row]:
        """What is still to be run: everything that has not passed. Raises MixedCampaignError."""
        return [row for row in wanted if not self._has_passed(row.name)]

    def keep(self, outcome: RowReport | Skipped) -> None:
        """Writes the scenario's file. What an earlier run of it broke stays told, also when this one has passed."""
        before = self._kept(outcome.name)
        reports, skipped = ([outcome], []) if isinstance(outcome, RowReport) else ([], [outcome])
        fields = as_fields(self.options, reports, skipped, {}, command=self.command)
        if before is not None:
            fields["earlier"] = [*before.get("earlier", []), *_breakages(before)]
        self.folder.mkdir(parents=True, exist_ok=True)
        self._path(outcome.name).write_text(json.dumps(fields, indent=1) + "\n")

    def _has_passed(self, name: str) -> bool:
        kept = self._kept(name)
        return kept is not None and any(row["passed"] for row in kept["rows"])

    def _kept(self, name: str) -> Fields | None:
        path = self._path(name)
        if not path.exists():
            return None
        kept: Fields = json.loads(path.read_text())
        if kept["options"] != asdict(self.options):
            raise MixedCampaignError(f"{path} was run with {kept['options']}: give this load a folder of its own")
        return kept

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def share(wanted: Sequence[Row], part: str) -> Sequence[Row]:
    """The rows of `part`: "2/4" are the second, sixth, tenth ... Raises ValueError where it tells no share."""
    number, _, shares = part.partition("/")
    if not (number.isdecimal() and shares.isdecimal() and 1 <= int(number) <= int(shares)):
        raise ValueError(f"{part!r} is no share: 2/4 is the second of four")
    return wanted[int(number) - 1 :: int(shares)]


def gathered(folder: Path) -> dict[str, Any]:  # Any: JSON
    """A campaign as one report, in the order of the matrix. Raises MixedCampaignError."""
    order = [row.name for row in (*rows(), *pairs(every=True))]
    kept = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    runs = [kept[name] for name in sorted(kept, key=lambda name: order.index(name) if name in order else len(order))]
    loads = {json.dumps(run["options"], sort_keys=True) for run in runs}
    if len(loads) != 1:
        raise MixedCampaignError(f"{folder} holds scenarios of {len(loads)} different loads")
    return {
        **max(runs, key=lambda run: str(run["at"])),
        "command": "; ".join(dict.fromkeys(run["command"] for run in runs)),
        "commit": ", ".join(dict.fromkeys(run["commit"] for run in runs)),
        **{part: [each for run in runs for each in run.get(part, [])] for part in ("rows", "skipped", "earlier")},
    }


def _breakages(run: Fields) -> list[dict[str, Any]]:  # Any: JSON
    told = {"at": run["at"], "commit": run["commit"]}
    return [told | {"name": row["name"], "broken": row["broken"]} for row in run["rows"] if row["broken"]]

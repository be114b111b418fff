"""The gate's checks of a packaged version, by its own answers: sound, inside its budgets, not degenerate.

Lists are ten items long, overlaps are shares of those ten. Thresholds were calibrated on healthy and spoilt models:
with the champion, shuffled ids had an overlap of .04, retrains on a week more of data .86 to .96.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from evershelf.contracts.inference import RankQuery
from evershelf.contracts.manifest import GateCheck
from evershelf.contracts.probation import ProbationReport
from evershelf.registry.artifact import Refusal
from evershelf.training.probation import CRASH, DEAREST_TIMES, LIST_LENGTH, TIMEOUT, golden_queries, try_out
from evershelf.training.settings import TrainingSettings

# Below this, lists are so few or so alike by necessity that shares of them say nothing.
LISTS_MIN = 30
ITEMS_MIN = 100
DISTINCT_SHARE_MIN = 0.8
OVERLAP_BETWEEN_USERS_MAX = 0.25
OVERLAP_WITH_POPULARITY_MAX = 0.5
OVERLAP_WITH_CHAMPION_MIN = 0.5
COVERAGE_OF_CHAMPION_MIN = 0.7
# A share may also be this many times the champion's: some catalogs leave little choice.
TIMES_CHAMPION_MAX = 2.0
KNOWN_ITEMS_SHARE_MIN = 0.9

# Why a version was not loaded -> the check that stopped it.
CHECK_OF_REFUSAL: Mapping[str, str] = {
    Refusal.MISSING: "integrity",
    Refusal.MANIFEST: "integrity",
    Refusal.FILES: "integrity",
    Refusal.HASH: "integrity",
    Refusal.SIZE: "size",
    Refusal.SIGNATURE: "signature",
    Refusal.CONTAINER: "arrays",
    Refusal.TENSORS: "arrays",
    Refusal.ITEMS: "items",
    Refusal.WARM_UP: "ranks",
    Refusal.CRASH: "survives",
    CRASH: "survives",
    TIMEOUT: "latency",
    "memory": "memory",
}
LOADING_CHECKS = tuple(dict.fromkeys(name for name in CHECK_OF_REFUSAL.values() if name != "latency"))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a version is held against: histories to answer, the most popular items, the items that can be offered."""

    histories: tuple[RankQuery, ...]
    popular: tuple[str, ...]
    catalog: frozenset[str] | None  # None: not known here


@dataclass(frozen=True, slots=True)
class Shape:
    """What the lists of one model look like as a whole."""

    lists: int
    distinct: float
    between_users: float
    with_popularity: float
    shown: int


def inspect(
    folder: Path,
    champion: Path | None,
    around: Surroundings,
    settings: TrainingSettings,
    *,
    item_ids: Sequence[str],
    public_keys: tuple[str, ...] = (),
) -> tuple[GateCheck, ...]:
    """Every check of the version in `folder`, beside the champion's answers to the same histories if there is one.

    Without `public_keys` nobody asks who signed, and the checklist claims nothing about it.
    """
    golden = golden_queries(item_ids)
    report = try_out(folder, [*around.histories, *golden], settings, public_keys=public_keys)
    loading = _loading(report, settings, signed=bool(public_keys))
    if report.refusal is not None:
        return loading
    reigning = None if champion is None else try_out(champion, around.histories, settings, public_keys=public_keys)
    count = len(around.histories)
    lists = report.lists[:count]
    theirs = reigning.lists if reigning is not None and reigning.refusal is None else None
    return (
        *loading,
        *(() if reigning is None else (comparable(reigning.detail if reigning.refusal is not None else ""),)),
        GateCheck(
            name="golden_requests",
            passed=not report.violations,
            detail="; ".join(report.violations)
            or f"{count + len(golden)} requests, none answered against the contract",
        ),
        _latency(report, settings),
        _known_items(lists, around.catalog),
        *degeneracy(lists, theirs, around, items=len(item_ids)),
    )


def comparable(trouble: str) -> GateCheck:
    """Whether the champion could answer beside the candidate: a gate that cannot compare does not pass anybody."""
    detail = f"the champion cannot be held against it: {trouble}" if trouble else "the champion answered the same"
    return GateCheck(name="comparable", passed=not trouble, detail=detail)


def _loading(report: ProbationReport, settings: TrainingSettings, *, signed: bool) -> tuple[GateCheck, ...]:
    stopped = CHECK_OF_REFUSAL[report.refusal] if report.refusal is not None else None
    if stopped is None and report.memory_bytes > settings.training_gate_memory_bytes_max:
        stopped = "memory"
    taken = f"{report.memory_bytes / 2**20:.0f} MiB of {settings.training_gate_memory_bytes_max / 2**20:.0f}"
    told = {"memory": taken} | ({stopped: report.detail or taken} if stopped else {})
    # What stopped it is told; what was not reached then is not claimed to have passed.
    claimed = tuple(name for name in LOADING_CHECKS if signed or name != CHECK_OF_REFUSAL[Refusal.SIGNATURE])
    names = claimed if report.refusal is None or stopped is None else (stopped,)
    return tuple(GateCheck(name=name, passed=name != stopped, detail=told.get(name, "as it must be")) for name in names)


def _latency(report: ProbationReport, settings: TrainingSettings) -> GateCheck:
    dearest_ms = min(report.cpu_ms[-DEAREST_TIMES:])
    return GateCheck(
        name="latency",
        passed=dearest_ms <= settings.training_gate_cpu_ms_max,
        detail=f"{dearest_ms:.2f} ms of CPU for the dearest request, at most {settings.training_gate_cpu_ms_max:g}",
    )


def _known_items(lists: Sequence[tuple[str, ...]], catalog: frozenset[str] | None) -> GateCheck:
    shown = [item_id for each in lists for item_id in each]
    if catalog is None or not shown:
        return GateCheck(name="known_items", passed=True, detail="there is no catalog to compare with yet")
    known = sum(item_id in catalog for item_id in shown) / len(shown)
    return GateCheck(
        name="known_items",
        passed=known >= KNOWN_ITEMS_SHARE_MIN,
        detail=f"{known:.1%} of what it recommends is in the catalog, at least {KNOWN_ITEMS_SHARE_MIN:.0%} must be",
    )


def degeneracy(
    lists: Sequence[tuple[str, ...]],
    champion: Sequence[tuple[str, ...]] | None,
    around: Surroundings,
    *,
    items: int,
) -> tuple[GateCheck, ...]:
    """Whether the lists are as varied as lists for different people must be, and near enough to the champion's."""
    if len(lists) < LISTS_MIN or items < ITEMS_MIN:
        detail = f"{len(lists)} lists over {items} items are too few to judge"
        return (GateCheck(name="not_degenerate", passed=True, detail=detail),)
    mine, reigning = shape(lists, around), shape(champion, around) if champion else None
    return (
        GateCheck(
            name="distinct_lists",
            passed=mine.distinct >= DISTINCT_SHARE_MIN,
            detail=f"{mine.distinct:.1%} of {mine.lists} lists differ, at least {DISTINCT_SHARE_MIN:.0%} must",
        ),
        _at_most("overlap_between_users", mine, reigning, OVERLAP_BETWEEN_USERS_MAX),
        _at_most("overlap_with_popularity", mine, reigning, OVERLAP_WITH_POPULARITY_MAX),
        *(_beside_champion(lists, champion, mine, reigning) if champion and reigning else ()),
    )


def _at_most(name: str, mine: Shape, reigning: Shape | None, limit: float) -> GateCheck:
    field = name.removeprefix("overlap_")
    value, theirs = getattr(mine, field), getattr(reigning, field) if reigning else 0.0
    allowed = max(limit, TIMES_CHAMPION_MAX * theirs)
    return GateCheck(name=name, passed=value <= allowed, detail=f"{value:.1%}, at most {allowed:.1%} is allowed")


def _beside_champion(
    lists: Sequence[tuple[str, ...]], champion: Sequence[tuple[str, ...]], mine: Shape, reigning: Shape
) -> tuple[GateCheck, ...]:
    common = _mean([overlap(left, right) for left, right in zip(lists, champion, strict=True)])
    share = mine.shown / max(reigning.shown, 1)
    return (
        GateCheck(
            name="coverage_of_champion",
            passed=share >= COVERAGE_OF_CHAMPION_MIN,
            detail=f"it shows {mine.shown} items where the champion shows {reigning.shown}: {share:.1%}, "
            f"at least {COVERAGE_OF_CHAMPION_MIN:.0%} are asked for",
        ),
        GateCheck(
            name="overlap_with_champion",
            passed=common >= OVERLAP_WITH_CHAMPION_MIN,
            detail=f"{common:.1%}, at least {OVERLAP_WITH_CHAMPION_MIN:.0%} is asked for",
        ),
    )


def shape(lists: Sequence[tuple[str, ...]], around: Surroundings) -> Shape:
    """The figures of a set of lists; each is compared with its neighbour in the sample, which is drawn at random."""
    filled = [each for each in lists if each]
    popular = [
        overlap(each, _popular_for(query, around.popular))
        for each, query in zip(lists, around.histories, strict=True)
        if each
    ]
    return Shape(
        len(lists),
        len(set(lists)) / max(len(lists), 1),
        _mean([overlap(left, right) for left, right in pairwise(filled)]),
        _mean(popular),
        len({item_id for each in lists for item_id in each}),
    )


def overlap(left: Sequence[str], right: Sequence[str]) -> float:
    """The share of the longer list that both have."""
    return len(set(left) & set(right)) / max(len(left), len(right), 1)


def _popular_for(query: RankQuery, popular: Sequence[str]) -> list[str]:
    hidden = set(query.exclude)
    return [item_id for item_id in popular if item_id not in hidden][:LIST_LENGTH]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0

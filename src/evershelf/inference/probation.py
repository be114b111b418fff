"""Loads one version in a process of its own, under limits, and reports what it does.

Run as `python -m evershelf.inference.probation`: the order (contracts.probation.ProbationOrder) comes on standard
input, the report goes to standard output. The same code loads and ranks as in service, so what holds here holds there;
what a bad version breaks is this process only.
"""

import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from evershelf.contracts.inference import Ranking, RankQuery
from evershelf.contracts.manifest import ServingComponent, ServingConfig
from evershelf.contracts.probation import VIOLATIONS_MAX, ProbationOrder, ProbationReport
from evershelf.inference.artifact_loader import LoadedModel, load_model
from evershelf.inference.ranking import rank
from evershelf.models.recommender import ItemItemRecommender
from evershelf.models.sparse_rows import SparseRows
from evershelf.policy.compose import is_sound
from evershelf.registry.artifact import ArtifactRefused
from evershelf.registry.signatures import KeyRing

ORDER_BYTES_MAX = 64 * 2**20
# A version may take this many times its budget before it is stopped: the gate tells how far it went, the machine lives.
MEMORY_SLACK = 2
MEMORY = "memory"


def main() -> None:
    """Reads the order, does as it says, and prints the report; a version that kills the process leaves none."""
    order = ProbationOrder.model_validate_json(sys.stdin.buffer.read(ORDER_BYTES_MAX))
    sys.stdout.write(try_out(order).model_dump_json())


def try_out(order: ProbationOrder) -> ProbationReport:
    """The report on the version of `order`. Limits the memory of this process from now on."""
    _ready_the_code()
    Path("/proc/self/clear_refs").write_text("5")  # the peak (VmHWM) is counted from here
    before_bytes = _memory_bytes("VmRSS")
    limit_bytes = _memory_bytes("VmData") + MEMORY_SLACK * order.memory_bytes_max
    resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, limit_bytes))
    try:
        model = load_model(Path(order.folder), order.model_bytes_max, KeyRing(order.public_keys))
        return _tried(model, order.queries, before_bytes)
    except ArtifactRefused as refusal:
        return ProbationReport(refusal=refusal.reason, detail=refusal.detail)
    except MemoryError:
        return ProbationReport(
            refusal=MEMORY, detail=f"it wants more than {limit_bytes} bytes", memory_bytes=limit_bytes
        )


def _ready_the_code() -> None:
    """Ranks once with two items, so that compiling the kernels is nobody's memory and time."""
    component = ServingComponent(name="rows", weight=1.0)
    serving = ServingConfig(components=(component,), event_weights={})
    rows = SparseRows(np.array([0, 1, 1], np.int64), np.array([1], np.int32), np.array([1.0], np.float32))
    ItemItemRecommender({"rows": rows}, serving, 2).rank(np.zeros(1, np.int64), np.ones(1), np.zeros(1), k=1)


def _tried(model: LoadedModel, queries: tuple[RankQuery, ...], before_bytes: int) -> ProbationReport:
    lists, cpu_ms = [], []
    violations: list[str] = []
    for number, query in enumerate(queries):
        began_s = time.process_time()
        text = rank(model, query)
        cpu_ms.append(round((time.process_time() - began_s) * 1_000, 4))
        ranking = Ranking.model_validate_json(text, strict=True)
        lists.append(tuple(item.item_id for item in ranking.items))
        if len(violations) < VIOLATIONS_MAX:
            violations.extend(f"query {number}: {what}" for what in _violations(query, ranking))
    return ProbationReport(
        violations=tuple(violations[:VIOLATIONS_MAX]),
        lists=tuple(lists),
        cpu_ms=tuple(cpu_ms),
        memory_bytes=max(0, _memory_bytes("VmHWM") - before_bytes),
    )


def _violations(query: RankQuery, ranking: Ranking) -> Iterator[str]:
    told = {interaction.item_id for interaction in query.history}
    found = [item.item_id for item in ranking.items]
    if len(found) > query.k:
        yield f"{len(found)} items where {query.k} were asked for"
    if set(found) & set(query.exclude):
        yield "an excluded item"
    if not is_sound(ranking):
        yield "items twice, or scores that are not finite or not in order"
    if any(piece.item_id not in told for item in ranking.items for piece in item.evidence):
        yield "evidence that is not in the history"


def _memory_bytes(name: str) -> int:
    """A figure of /proc/self/status: VmRSS now, VmHWM at most, VmData what could be written to."""
    for line in Path("/proc/self/status").read_text().splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0]) * 1_024
    raise LookupError(name)


if __name__ == "__main__":
    main()

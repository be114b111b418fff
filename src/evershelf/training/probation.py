"""Puts a version on probation: a process of its own loads it as inference would, and answers golden requests."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from evershelf.contracts.events import EventType
from evershelf.contracts.inference import CANDIDATES_MAX, HISTORY_MAX, Interaction, RankQuery
from evershelf.contracts.probation import ProbationOrder, ProbationReport
from evershelf.training.settings import TrainingSettings

CRASH = "crash"
TIMEOUT = "timeout"
ERROR_TEXT_MAX = 300
GOLDEN_ITEMS = 40
LIST_LENGTH = 10
DEAREST_TIMES = 3
# The most that a gateway asks for: a full list, and room for what eligibility removes.
DEAREST_K = 120


def try_out(
    folder: Path, queries: Sequence[RankQuery], settings: TrainingSettings, *, public_keys: tuple[str, ...] = ()
) -> ProbationReport:
    """What the version in `folder` does with the queries; a crash or a time-out is a report, too."""
    order = ProbationOrder(
        folder=str(folder),
        public_keys=public_keys,
        model_bytes_max=settings.training_gate_model_bytes_max,
        memory_bytes_max=settings.training_gate_memory_bytes_max,
        queries=tuple(queries),
    )
    command = (sys.executable, "-m", "evershelf.inference.probation")  # a process boundary: no import crosses it
    try:
        ended = subprocess.run(  # noqa: S603 - our own module
            command,
            input=order.model_dump_json().encode(),
            capture_output=True,
            timeout=settings.training_gate_probation_s_max,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ProbationReport(refusal=TIMEOUT, detail=f"no end within {settings.training_gate_probation_s_max:g} s")
    try:
        return ProbationReport.model_validate_json(ended.stdout)
    except ValidationError:
        last = ended.stderr.decode(errors="replace").strip().rpartition("\n")[2][-ERROR_TEXT_MAX:]
        return ProbationReport(refusal=CRASH, detail=f"exit code {ended.returncode}: {last}")


def golden_queries(item_ids: Sequence[str]) -> list[RankQuery]:
    """Requests at the edges of the contract, the same for the same catalog; the dearest stands last, DEAREST_TIMES."""
    known = list(item_ids[:: max(1, len(item_ids) // GOLDEN_ITEMS)][:GOLDEN_ITEMS])
    kinds = tuple(EventType)
    one_by_one = [
        RankQuery(history=(_looked(item_id, kinds[place % len(kinds)], place),), k=LIST_LENGTH)
        for place, item_id in enumerate(known)
    ]
    mixed = tuple(_looked(item_id, EventType.VIEW_ITEM, place) for place, item_id in enumerate(known))
    repeated = (known * (HISTORY_MAX // len(known) + 1))[:HISTORY_MAX] if known else []
    spread = list(item_ids[:: max(1, len(item_ids) // HISTORY_MAX)][:HISTORY_MAX])
    dearest = RankQuery(
        history=tuple(_looked(item, EventType.VIEW_ITEM, place) for place, item in enumerate(spread)), k=DEAREST_K
    )
    return [
        RankQuery(history=(), k=LIST_LENGTH),
        RankQuery(history=(_looked("no-such-item", EventType.VIEW_ITEM, 1),), k=LIST_LENGTH),
        *one_by_one,
        RankQuery(history=mixed, k=1),
        RankQuery(history=mixed, k=CANDIDATES_MAX, exclude=tuple(known[::2])),
        RankQuery(history=tuple(_looked(i, EventType.PURCHASE, n) for n, i in enumerate(repeated)), k=LIST_LENGTH),
        *(DEAREST_TIMES * (dearest,)),
    ]


def _looked(item_id: str, kind: EventType, place: int) -> Interaction:
    return Interaction(item_id=item_id, event_type=kind, age_s=3_600.0 * place)

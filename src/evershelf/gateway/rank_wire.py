"""The wire to inference as bytes: questions encoded one by one, a batch joined from them, a reply read with distrust.

The reply's types of contracts.inference once more, for speed: msgspec reads a reply in a third of pydantic's time; a
test holds both to the same judgement. Each ranking of a batch is judged by itself, so that a bad one spoils no other.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, NamedTuple, TypeAlias

import msgspec
import orjson
from msgspec import Meta, Struct

from evershelf.contracts.events import EventType
from evershelf.contracts.identifiers import ID_LENGTH_MAX
from evershelf.contracts.inference import BATCH_MAX, CANDIDATES_MAX, EVIDENCE_MAX, EXCLUDED_MAX, HISTORY_MAX
from evershelf.contracts.recommendations import Reason
from evershelf.gateway.hop import HopReply
from evershelf.policy.compose import is_sound

RANK_PATH = "/v1/rank"
ItemId: TypeAlias = Annotated[str, Meta(max_length=ID_LENGTH_MAX)]  # characters, as pydantic counts them


class Evidence(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """See contracts.inference."""

    item_id: ItemId
    share: Annotated[float, Meta(ge=0, le=1)]


class RankedItem(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """See contracts.inference."""

    item_id: ItemId
    score: float
    evidence: Annotated[tuple[Evidence, ...], Meta(max_length=EVIDENCE_MAX)]


class Ranking(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """See contracts.inference."""

    items: Annotated[tuple[RankedItem, ...], Meta(max_length=CANDIDATES_MAX)]
    confidence: Annotated[float, Meta(ge=0, le=1)]
    confident: bool


class _Reply(Struct, forbid_unknown_fields=True):
    model_version: Annotated[str, Meta(min_length=1, max_length=128)]
    rankings: Annotated[list[msgspec.Raw], Meta(max_length=BATCH_MAX)]


_read_reply = msgspec.json.Decoder(_Reply).decode
_read_ranking = msgspec.json.Decoder(Ranking).decode


def encode_question(history: Iterable[tuple[str, EventType, float]], *, k: int, exclude: Sequence[str]) -> bytes:
    """A contracts.inference.RankQuery; `history` is (item, event type, age in s), newest first."""
    told = [{"item_id": item_id, "event_type": kind, "age_s": age_s} for item_id, kind, age_s in history]
    return orjson.dumps({"history": told[:HISTORY_MAX], "k": min(k, CANDIDATES_MAX), "exclude": exclude[:EXCLUDED_MAX]})


def join_questions(questions: Iterable[bytes]) -> bytes:
    """A contracts.inference.RankRequest."""
    return b'{"queries":[%b]}' % b",".join(questions)


class Answer(NamedTuple):
    """What came of one question: a ranking and its model version, or the trouble that there was."""

    trouble: Reason | None
    ranking: Ranking | None = None
    model_version: str | None = None
    status: int = 200
    untouched: bool = False  # not one byte of an answer came: asking another replica is safe


Told: TypeAlias = frozenset[str] | None


def read_answers(reply: HopReply, told: Sequence[Told]) -> list[Answer]:
    """One answer a question. `told` are the items that each named: a ranking blames no others (None: any)."""
    if reply.status != 200:
        return [Answer(_refusal(reply), status=reply.status)] * len(told)
    try:
        whole = _read_reply(reply.body)
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return [_INVALID] * len(told)
    if len(whole.rankings) != len(told):
        return [_INVALID] * len(told)
    return [_answer(raw, items, whole.model_version) for raw, items in zip(whole.rankings, told, strict=True)]


def _answer(raw: msgspec.Raw, told: Told, version: str) -> Answer:
    try:
        ranking = _read_ranking(raw)
    except (ValueError, RecursionError):
        return _INVALID
    blamed_truly = told is None or {piece.item_id for item in ranking.items for piece in item.evidence} <= told
    return Answer(None, ranking, version) if blamed_truly and is_sound(ranking) else _INVALID


def _refusal(reply: HopReply) -> Reason:
    if reply.status == 504:
        return Reason.DEADLINE_EXCEEDED
    if reply.status == 503 and b"not-ready" in reply.body:
        return Reason.NO_MODEL
    return Reason.INFERENCE_ERROR


_INVALID = Answer(Reason.INFERENCE_INVALID)

"""Refusals of the model server as application/problem+json: expected ends of a request, raised as RankRefused."""

from dataclasses import dataclass

import orjson

from evershelf.contracts.problems import ProblemType
from evershelf.inference.telemetry import Outcome

PROBLEM_MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Refused:
    """How one kind of refusal is counted and sent."""

    outcome: Outcome
    status: int
    title: str


REFUSALS: dict[ProblemType, Refused] = {
    ProblemType.MALFORMED_JSON: Refused(Outcome.MALFORMED, 400, "The body is not JSON"),
    ProblemType.INVALID_REQUEST: Refused(Outcome.INVALID, 422, "The request is not valid"),
    ProblemType.BODY_TOO_LARGE: Refused(Outcome.TOO_LARGE, 413, "The body is too large"),
    ProblemType.OVERLOADED: Refused(Outcome.OVERLOADED, 503, "Too many requests are in hand"),
    ProblemType.NOT_READY: Refused(Outcome.NO_MODEL, 503, "No model version is loaded"),
    ProblemType.DEADLINE_EXCEEDED: Refused(Outcome.DEADLINE_EXCEEDED, 504, "The budget was spent before the answer"),
    ProblemType.INTERNAL_ERROR: Refused(Outcome.ERROR, 500, "Something went wrong inside"),
}


class RankRefused(Exception):  # noqa: N818 - an expected end, not an error of ours
    """A rank request ends without a ranking; `problem_type` is a key of REFUSALS."""

    def __init__(self, problem_type: ProblemType, detail: str) -> None:
        super().__init__(detail)
        self.problem_type = problem_type
        self.detail = detail


def problem_bytes(problem_type: ProblemType, *, status: int, title: str, detail: str) -> bytes:
    """The body of a problem, shaped as contracts.problems.Problem."""
    return orjson.dumps({
        "type": f"/problems/{problem_type}",
        "title": title,
        "status": status,
        "detail": detail,
        "invalid_parameters": [],
    })  # fmt: skip

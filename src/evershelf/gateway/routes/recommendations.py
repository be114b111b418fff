"""Recommendations over HTTP, as FastAPI describes and validates them; the front answers the busiest address itself."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from evershelf.contracts.identifiers import CategoryPath
from evershelf.contracts.keys import Scope
from evershelf.contracts.placements import DEADLINE_MS_MAX, DEADLINE_MS_MIN
from evershelf.contracts.problems import ProblemType
from evershelf.contracts.recommendations import K_MAX, Recommendation, RecommendationRequest
from evershelf.gateway.auth import require
from evershelf.gateway.parts import parts_of
from evershelf.gateway.problems import ProblemError
from evershelf.gateway.recommend import answered
from evershelf.gateway.routes.addresses import AnItemId
from evershelf.policy.shedding import Priority

router = APIRouter(tags=["recommendations"], dependencies=[Depends(require(Scope.RECOMMEND))])
Wanted = Annotated[int | None, Query(ge=1, le=K_MAX)]
_ANSWERS: dict[int | str, dict[str, Any]] = {  # Any: FastAPI's own type for free-form OpenAPI
    200: {"model": Recommendation, "description": "A valid, explained list. Never late, never an error."}
}
_HEADERS = {
    "X-Request-Deadline-Ms": f"Milliseconds that the caller waits, {DEADLINE_MS_MIN} to {DEADLINE_MS_MAX}; without it "
    "`grpc-timeout`, then `x-envoy-expected-rq-timeout-ms`, then the placement decides.",
    "X-Request-Priority": f"How urgent it is: {', '.join(Priority)}; without it {Priority.INTERACTIVE}.",
    "traceparent": "W3C Trace Context: this trace goes on here.",
}
# Headers that say nothing readable are as good as none, so that no type is promised.
_SPOKEN: dict[str, Any] = {  # Any: FastAPI's own type for free-form OpenAPI
    "parameters": [
        {"name": name, "in": "header", "required": False, "description": text, "schema": {"type": "string"}}
        for name, text in _HEADERS.items()
    ]
}


@router.get("/v1/recommendations", responses=_ANSWERS, response_class=Response, openapi_extra=_SPOKEN)
async def get_recommendations(http: Request, request: Annotated[RecommendationRequest, Query()]) -> Response:
    """What to show here, for this user, now."""
    return await _answered(http, request)


@router.post("/v1/recommendations", responses=_ANSWERS, response_class=Response, openapi_extra=_SPOKEN)
async def post_recommendations(http: Request, request: RecommendationRequest) -> Response:
    """The same question as GET, for long lists of context or excluded items."""
    return await _answered(http, request)


@router.get("/v1/items/{item_id:id}/related", responses=_ANSWERS, response_class=Response, openapi_extra=_SPOKEN)
async def get_related(http: Request, item_id: AnItemId, k: Wanted = None) -> Response:
    """Items that go with this one: the placement `item-page` without a user."""
    if not parts_of(http).snapshots.current.knows(item_id):
        raise ProblemError(ProblemType.UNKNOWN_ITEM, f"The catalog has no item {item_id!r}.")
    return await _answered(http, RecommendationRequest(placement="item-page", context_items=(item_id,), k=k))


@router.get("/v1/popular", responses=_ANSWERS, response_class=Response, openapi_extra=_SPOKEN)
async def get_popular(http: Request, category: CategoryPath | None = None, k: Wanted = None) -> Response:
    """What is popular now: the placement `popular`, the same list for everybody."""
    placement = "popular" if category is None else "popular-in-category"
    return await _answered(http, RecommendationRequest(placement=placement, category=category, k=k))


async def _answered(http: Request, request: RecommendationRequest) -> Response:
    parts = parts_of(http)
    answer = await answered(parts, request, http.headers, began_s=parts.outside.clock.monotonic_s())
    headers = {name.decode(): value.decode() for name, value in answer.headers}
    return Response(answer.body, headers=headers, media_type="application/json")

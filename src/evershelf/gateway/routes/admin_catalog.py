"""Items and users for the operator: search, neighbours, who gets an item, what a user would see now, suppression."""

from collections.abc import Iterable
from typing import Annotated

from fastapi import APIRouter, Query, Request

from evershelf.contracts.admin_catalog import (
    CATALOG_PAGE_MAX,
    NEIGHBOURS_MAX,
    QUERY_LENGTH_MAX,
    AdminItemPage,
    ItemAction,
    ItemDetail,
    ItemStatus,
    Neighbour,
    UserDetail,
    UserPage,
    UserRow,
)
from evershelf.contracts.catalog import ItemState, User
from evershelf.contracts.identifiers import CategoryPath, ItemId
from evershelf.contracts.problems import ProblemType
from evershelf.contracts.recommendations import RecommendationRequest
from evershelf.gateway.catalog_pages import page
from evershelf.gateway.catalog_words import title_of
from evershelf.gateway.explain import history_items, item_of, row_of
from evershelf.gateway.history import HistoryUnavailable
from evershelf.gateway.parts import Parts, parts_of
from evershelf.gateway.preview import preview
from evershelf.gateway.problems import ProblemError
from evershelf.gateway.routes.addresses import AnItemId, AUserId
from evershelf.gateway.routes.operator import AWAY, Limit, Operator, stored, stored_if_up
from evershelf.gateway.trace import hidden_reason
from evershelf.storage import catalog
from evershelf.storage.postgres import Pool

router = APIRouter()
DECISIONS_MAX = 20
NEW_ITEMS_MAX = 200
SearchText = Annotated[str, Query(max_length=QUERY_LENGTH_MAX, description="Words of the title, or how the id begins.")]


@router.get("/items")
async def search_items(
    http: Request,
    q: SearchText = "",
    category: CategoryPath | None = None,
    after: ItemId | None = None,
    limit: Annotated[int, Query(ge=1, le=CATALOG_PAGE_MAX)] = 50,
) -> AdminItemPage:
    """Items whose id begins with `q` first, then those whose title holds its words; hidden ones too. From memory."""
    parts = parts_of(http)
    by_id = [] if after is not None or category is not None else _with_id(parts, q, limit)
    item_ids, next_after, note = page(parts, q, category, after=after, limit=limit, hidden=True)
    found = list(dict.fromkeys([*by_id, *item_ids]))[: 2 * limit]
    return AdminItemPage(
        items=[_status(parts, item_id) for item_id in found],
        next_after=next_after,
        complete=note is None and (next_after is None or len(item_ids) == limit),
        note=note,
    )


@router.get("/items/{item_id:id}")
async def get_item(http: Request, item_id: AnItemId) -> ItemDetail:
    """One item: whether it may be shown and why not, what it goes with, and the newest answers that held it."""
    parts = parts_of(http)
    shelf = parts.snapshots.current
    if not shelf.knows(item_id):
        raise ProblemError(ProblemType.UNKNOWN_ITEM, f"The catalog in memory has no item {item_id!r}.")
    related = list(shelf.related(item_id).items())[:NEIGHBOURS_MAX]
    mutual = [(other, score) for other, _ in related if (score := shelf.related(other).get(item_id)) is not None]
    shown_in = parts.decisions.matching(lambda each: item_id in each.item_ids, DECISIONS_MAX)
    return ItemDetail(
        status=_status(parts, item_id),
        categories=list(shelf.categories_of(item_id)),
        neighbours=[_neighbour(parts, *each) for each in related],
        neighbour_of=[_neighbour(parts, *each) for each in mutual],
        shown_in=[row_of(each) for each in shown_in],
        searched_decisions=len(parts.decisions),
        note="`neighbour_of` lists those of its neighbours that name it in turn.",
    )


@router.post("/items/{item_id:id}/suppress")
async def suppress(http: Request, operator: Operator, item_id: AnItemId, action: ItemAction) -> ItemStatus:
    """Take an item off every shelf within seconds, whatever its owner writes meanwhile; audited."""
    return await _suppressed(parts_of(http), item_id, suppressed=True, actor=operator.name, reason=action.reason)


@router.post("/items/{item_id:id}/unsuppress")
async def unsuppress(http: Request, operator: Operator, item_id: AnItemId, action: ItemAction) -> ItemStatus:
    """Let an item back on the shelves; audited."""
    return await _suppressed(parts_of(http), item_id, suppressed=False, actor=operator.name, reason=action.reason)


@router.get("/users")
async def search_users(
    http: Request,
    prefix: Annotated[str, Query(max_length=QUERY_LENGTH_MAX)] = "",
    after: str = "",
    limit: Limit = 50,
) -> UserPage:
    """Users whose id begins with `prefix`, in order of id; without PostgreSQL, those of the answers in memory."""
    parts = parts_of(http)
    found = await stored_if_up(parts, lambda pool: catalog.search_users(pool, prefix, after=after, limit=limit + 1))
    if found is not None:
        rows = [UserRow(user_id=user.user_id, attributes=user.attributes) for user in found]
    else:
        known = sorted(_users_in_memory(parts, prefix, after))
        rows = [UserRow(user_id=user_id, attributes={}) for user_id in known[: limit + 1]]
    return UserPage(
        users=rows[:limit],
        next_after=rows[limit - 1].user_id if len(rows) > limit else None,
        from_database=found is not None,
        note=None if found is not None else AWAY,
    )


@router.get("/users/{user_id:id}")
async def get_user(http: Request, user_id: AUserId, placement: str = "home") -> UserDetail:
    """One user: attributes, history, the newest answers, and what `placement` would show now."""
    parts = parts_of(http)
    definition = parts.mirror.placements.get(placement)
    if definition is None:
        raise ProblemError(ProblemType.UNKNOWN_PLACEMENT, f"There is no placement {placement!r}.")
    users = await stored_if_up(parts, lambda pool: _users(pool, user_id))
    try:
        within_ms = parts.settings.gateway_database_timeout_ms
        entries, complete = await parts.history.load(user_id, None, within_ms=within_ms), True
    except HistoryUnavailable:
        entries, complete = parts.history.cached(user_id, None), False
    now_s = parts.outside.clock.unix_s()
    decisions = parts.decisions.latest(DECISIONS_MAX, user_id=user_id)
    return UserDetail(
        user_id=user_id,
        known=None if users is None else bool(users),
        attributes=users[0].attributes if users else {},
        history=history_items(
            parts, [(each.item_id, each.event_type, max(0.0, now_s - each.occurred_at_s)) for each in entries]
        ),
        history_complete=complete,
        decisions=[row_of(each) for each in decisions],
        now=await preview(parts, RecommendationRequest(placement=placement, user_id=user_id), definition),
        note=None if users is not None else AWAY,
    )


async def _users(pool: Pool, user_id: str) -> list[User]:
    found = await catalog.get_user(pool, user_id)
    return [] if found is None else [found]


def _with_id(parts: Parts, prefix: str, limit: int) -> list[str]:
    """Ids that begin with `prefix`: those of items that came since the snapshot, then the snapshot's."""
    if not prefix:
        return []
    shelf, words = parts.snapshots.current, parts.catalog.words
    since = [item_id for item_id in shelf.changes if item_id.startswith(prefix)][:NEW_ITEMS_MAX]
    return [*sorted(since), *(words.with_prefix(prefix, after="", limit=limit) if words is not None else ())][:limit]


def _status(parts: Parts, item_id: str) -> ItemStatus:
    shelf, words = parts.snapshots.current, parts.catalog.words
    state, now_s = parts.mirror.known(item_id), parts.outside.clock.unix_s()
    why_not = hidden_reason(parts, item_id, now_s)
    rank = words.rank(item_id) if words is not None else None
    return ItemStatus(
        item_id=item_id,
        item=state.item if isinstance(state, ItemState) else item_of(shelf, item_id),
        eligible=why_not is None,
        suppressed=state is not None and state.suppressed,
        why_not=why_not,
        changed_since_snapshot=state is not None,
        popularity_rank=None if rank is None else rank + 1,
    )


def _neighbour(parts: Parts, item_id: str, score: float) -> Neighbour:
    shelf = parts.snapshots.current
    return Neighbour(
        item_id=item_id,
        score=score,
        title=title_of(shelf, item_id) if shelf.has_body(item_id) else None,
        eligible=shelf.eligible(item_id, parts.outside.clock.unix_s()),
    )


async def _suppressed(parts: Parts, item_id: str, *, suppressed: bool, actor: str, reason: str) -> ItemStatus:
    change = catalog.suppress_item if suppressed else catalog.unsuppress_item
    await stored(parts, lambda pool: change(pool, item_id, actor=actor, reason=reason))
    state = await stored(parts, lambda pool: catalog.get_item(pool, item_id))
    if state is None:
        raise ProblemError(ProblemType.UNKNOWN_ITEM, f"There is no item {item_id!r}.")
    # Told as stored: this gateway's shelf follows within a moment.
    return _status(parts, item_id).model_copy(update={"item": state.item, "suppressed": state.suppressed})


def _users_in_memory(parts: Parts, prefix: str, after: str) -> Iterable[str]:
    decided = parts.decisions.matching(lambda each: each.user_id is not None, len(parts.decisions))
    ids = {each.user_id for each in decided if each.user_id is not None}
    return (user_id for user_id in ids if user_id.startswith(prefix) and user_id > after)

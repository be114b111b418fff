"""The catalog as a shop page shows it, from the snapshot in memory: it stands while PostgreSQL is down."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from evershelf.contracts.admin_catalog import (
    CATALOG_PAGE_MAX,
    QUERY_LENGTH_MAX,
    CatalogCategories,
    CatalogCategory,
    CatalogItem,
    CatalogPage,
)
from evershelf.contracts.identifiers import CategoryPath, ItemId
from evershelf.contracts.keys import Scope
from evershelf.contracts.problems import ProblemType
from evershelf.gateway.auth import require
from evershelf.gateway.catalog_pages import items_of, page
from evershelf.gateway.explain import item_of
from evershelf.gateway.parts import parts_of
from evershelf.gateway.problems import ProblemError
from evershelf.gateway.routes.addresses import AnItemId

router = APIRouter(prefix="/v1/catalog", tags=["catalog"], dependencies=[Depends(require(Scope.RECOMMEND))])
CATEGORIES_MAX = 5_000


@router.get("/categories")
async def get_categories(http: Request) -> CatalogCategories:
    """All categories of the snapshot in order of path, with the number of available items in or below each."""
    parts = parts_of(http)
    sizes = parts.catalog.words.categories if parts.catalog.words is not None else []
    return CatalogCategories(
        snapshot_version=parts.snapshots.current.version,
        categories=[
            CatalogCategory(
                path=each.path, name=each.path.rpartition("/")[2], depth=each.path.count("/") + 1, items=each.items
            )
            for each in sizes[:CATEGORIES_MAX]
        ],
    )


@router.get("/items")
async def get_items(
    http: Request,
    category: CategoryPath | None = None,
    q: Annotated[
        str, Query(max_length=QUERY_LENGTH_MAX, description="Words of the title; the last may be cut short.")
    ] = "",
    after: ItemId | None = None,
    limit: Annotated[int, Query(ge=1, le=CATALOG_PAGE_MAX)] = 24,
) -> CatalogPage:
    """Items that may be shown, the most popular first; of a category, with all words of `q` in the title."""
    parts = parts_of(http)
    item_ids, next_after, note = page(parts, q, category, after=after, limit=limit)
    shelf = parts.snapshots.current
    return CatalogPage(
        snapshot_version=shelf.version,
        items=items_of(shelf, item_ids),
        next_after=next_after,
        complete=note is None and (next_after is None or len(item_ids) == limit),
        note=note,
    )


@router.get("/items/{item_id:id}")
async def get_catalog_item(http: Request, item_id: AnItemId) -> CatalogItem:
    """One item and whether it may be shown on a shelf now; what an operator or its owner took away is not found."""
    parts = parts_of(http)
    shelf, now_s = parts.snapshots.current, parts.outside.clock.unix_s()
    item = item_of(shelf, item_id) if shelf.open(item_id) else None
    if item is None:
        raise ProblemError(ProblemType.UNKNOWN_ITEM, f"The catalog has no item {item_id!r} that may be shown.")
    return CatalogItem(snapshot_version=shelf.version, item=item, available=shelf.eligible(item_id, now_s))

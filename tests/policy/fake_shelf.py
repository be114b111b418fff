"""A shelf small enough to read in a test: the fake of what the ladder asks a snapshot."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from evershelf.contracts.recommendations import Source
from evershelf.policy.ladder import Query

Scored = tuple[str, float]


@dataclass
class FakeShelf:
    """Everything is eligible unless it is named in `gone`."""

    catalog: Mapping[str, Sequence[str]]
    popular_list: Sequence[Scored] = ()
    related_table: Mapping[str, Sequence[Scored]] = field(default_factory=dict)
    category_table: Mapping[str, Sequence[Scored]] = field(default_factory=dict)
    static_list: Sequence[Scored] = ()
    gone: frozenset[str] = frozenset()
    made: dict[Hashable, list[Scored]] = field(default_factory=dict)

    def related(self, item_id: str) -> Mapping[str, float]:
        return dict(self.related_table.get(item_id, ()))

    def kept(self, key: Hashable, make: Callable[[], list[Scored]]) -> list[Scored]:
        if key not in self.made:
            self.made[key] = make()
        return self.made[key]

    def popular(self) -> Sequence[Scored]:
        return self.popular_list

    def popular_in(self, category: str) -> Sequence[Scored]:
        return self.category_table.get(category, ())

    def static(self) -> Sequence[Scored]:
        return self.static_list

    def everything(self, category: str | None, now_s: float) -> Iterable[str]:
        del now_s  # the same
        return (item for item, categories in sorted(self.catalog.items()) if category is None or category in categories)

    def categories_of(self, item_id: str) -> Sequence[str]:
        return self.catalog.get(item_id, ())

    def eligible(self, item_id: str, now_s: float) -> bool:
        del now_s  # nothing expires here
        return item_id in self.catalog and item_id not in self.gone


def ask(k: int = 3, **changes: object) -> Query:
    """A query of an unknown visitor for `k` items, with `changes`."""
    unknown = {"ladder": tuple(Source), "history": (), "context_items": (), "category": None, "hidden": frozenset()}
    return Query(k=k, now_s=0.0, **(unknown | changes))  # type: ignore[arg-type]  # keyword by name

"""Turns what catalogs and item files say of items into descriptions that content neighbours are found by."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from evershelf.contracts.catalog import Item
from evershelf.models.content import Described, Features, features_of

TITLES = frozenset({"title", "name", "description", "item_name", "product_name"})
CATEGORIES = frozenset({"category", "categories", "category_code", "genre", "genres", "category_path"})
PRICES = frozenset({"price", "median_price", "unit_price"})
# A longer text is prose, and what has as many values as rows is an identifier: neither makes a label.
LABEL_LENGTH_MAX = 64
TITLE_LENGTH_MAX = 500
_SEPARATORS = str.maketrans({"|": "\n", ";": "\n"})


def described_by(table: pa.Table, item_ids: Sequence[str | None]) -> Features:
    """The features of `item_ids`, from the rows of a table with the column item; items without a row have none.

    Columns named like titles give words, like categories paths, like prices a price band; every other column of texts
    gives labels. Numbers, times and addresses are passed over. Of several rows of one item the last counts.
    """
    rows = {str(row["item"]): _of_row(row) for row in table.to_pylist()}
    return features_of(rows.get(str(item_id), Described()) for item_id in item_ids)


def described_items(items: Iterable[Item]) -> Iterator[Described]:
    """The same, of items of the catalog."""
    for item in items:
        labels = [f"tag={tag}" for tag in item.tags]
        labels += [label for name, value in item.attributes.items() for label in _labels(name, value)]
        yield Described(item.title, item.categories, tuple(labels), item.price)


def _of_row(row: dict[str, Any]) -> Described:  # Any: a file's cells are whatever they are
    titles, paths, labels, price = [], [], [], None
    for name, value in row.items():
        key = name.lower()
        if key == "item" or value is None:
            continue
        if key in TITLES:
            titles.append(str(value)[:TITLE_LENGTH_MAX])
        elif key in CATEGORIES:
            paths += [part.strip().replace(".", "/") for text in _texts(value) for part in _parts(text)]
        elif key in PRICES and isinstance(value, int | float):
            price = float(value)
        else:
            labels += _labels(key, value)
    return Described(" ".join(titles), tuple(filter(None, paths)), tuple(labels), price)


def _labels(name: str, value: object) -> list[str]:
    parts = [part.strip() for text in _texts(value) for part in _parts(text)]
    return [f"{name}={part}" for part in parts if 0 < len(part) <= LABEL_LENGTH_MAX and "://" not in part]


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [text for text in value if isinstance(text, str)] if isinstance(value, list | tuple) else []


def _parts(text: str) -> list[str]:
    return text.translate(_SEPARATORS).split("\n")

"""The room's SQL by name: `sql("events.store")` is the query `store` of `queries/events.sql`."""

import re
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: *([a-z_]+)[ \t]*$", re.MULTILINE)


@cache
def sql(name: str) -> str:
    """The text of a named query; raises KeyError if there is none of that name."""
    group, _, query = name.partition(".")
    try:
        return _load(group)[query]
    except FileNotFoundError as error:
        raise KeyError(name) from error


@cache
def _load(group: str) -> dict[str, str]:
    text = (files("evershelf.storage") / "queries" / f"{group}.sql").read_text(encoding="utf-8")
    parts = _NAME.split(text)[1:]
    return {name: body.strip() for name, body in zip(parts[::2], parts[1::2], strict=True)}

"""Hands a migration's SQL file to Alembic, letter by letter."""

from importlib.resources import files

from alembic import op


def apply(name: str) -> None:
    """Adds the file to the script that Alembic is writing.

    `static_output` and not `op.execute`: the latter takes `:word` and `%` for placeholders.
    """
    text = (files("evershelf.storage") / "migrations" / name).read_text(encoding="utf-8")
    op.get_context().impl.static_output(text)

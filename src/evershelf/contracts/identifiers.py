"""The shapes of names that callers choose: ids of items, users and sessions, category paths, placement names."""

from typing import Annotated

from pydantic import StringConstraints

ID_LENGTH_MAX = 128
CATEGORY_LENGTH_MAX = 200

# Printable, no control characters, no surrounding space: safe in logs, URLs and PostgreSQL text.
_ID_PATTERN = r"^[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?$"

ItemId = Annotated[str, StringConstraints(min_length=1, max_length=ID_LENGTH_MAX, pattern=_ID_PATTERN)]
UserId = Annotated[str, StringConstraints(min_length=1, max_length=ID_LENGTH_MAX, pattern=_ID_PATTERN)]
SessionId = Annotated[str, StringConstraints(min_length=1, max_length=ID_LENGTH_MAX, pattern=_ID_PATTERN)]
# A path from the general to the special, parts joined by "/": "home/kitchen/mugs".
CategoryPath = Annotated[str, StringConstraints(min_length=1, max_length=CATEGORY_LENGTH_MAX, pattern=_ID_PATTERN)]
PlacementName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,63}$")]

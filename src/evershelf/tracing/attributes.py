"""What a span carries besides its times: closed sets and figures, never the id of a user or an item."""

from collections.abc import Mapping
from typing import TypeAlias

Attributes: TypeAlias = Mapping[str, str | bool | int | float]

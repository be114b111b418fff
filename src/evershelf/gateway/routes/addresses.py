"""Ids in addresses: every item and user has its own, whatever its id is made of.

The server tells addresses decoded, so that `%2F` and `/` are one. Therefore an id takes all up to the end of its
address, or up to the operation that is the last part; of one method, routes with an operation stand before those
without. One pair cannot be told apart: `GET /v1/items/a/related` is what goes with `a`; an item whose id is `a/related`
is shown at `/v1/catalog/items/a/related` and `/v1/admin/items/a/related`.
"""

from typing import Annotated

from fastapi import Path
from starlette.convertors import Convertor, register_url_convertor

from evershelf.contracts.identifiers import ItemId, UserId

# A bare "/" is understood as well; but a client or proxy may shorten what has a part "." or "..".
_ENCODED = "Percent-encoded, each `/` as `%2F`."

AnItemId = Annotated[ItemId, Path(description=_ENCODED)]
AUserId = Annotated[UserId, Path(description=_ENCODED)]


class IdConvertor(Convertor[str]):
    """`{item_id:id}` in a route. As Starlette's `path`, but an id is never empty, and may be judged whole.

    Without line breaks in it, the route's `$` would drop one at the end, and the address of `mug` and a line break
    would be that of `mug`.
    """

    regex = r"[\s\S]+"

    def convert(self, value: str) -> str:
        """The id."""
        return value

    def to_string(self, value: str) -> str:
        """The id."""
        return value


register_url_convertor("id", IdConvertor())  # here, for it has to be known before a route names it

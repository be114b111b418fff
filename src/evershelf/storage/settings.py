"""How long what grows is kept."""

from typing import Annotated

from pydantic import Field

from evershelf.contracts.settings import Settings

Months = Annotated[int, Field(ge=1, le=1_200)]


class RetentionSettings(Settings):
    """In whole calendar months (UTC) before the one that runs. None: for ever."""

    retention_events_months: Months | None = None
    retention_decisions_months: Months | None = 3
    retention_dead_letters_months: Months | None = 12

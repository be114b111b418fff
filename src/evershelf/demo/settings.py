"""Settings of the simulated shoppers."""

from typing import Annotated

from pydantic import Field

from evershelf.contracts.settings import Settings


class DemoSettings(Settings):
    """How busy the demo shop is."""

    demo_requests_per_s: Annotated[float, Field(gt=0, le=1_000)] = 3.0
    demo_shoppers_max: Annotated[int, Field(ge=1, le=1_000)] = 12

"""Where traces go, and how many requests are traced."""

from typing import Annotated

from pydantic import AfterValidator, Field

from evershelf.contracts.settings import Settings


def _collector(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("an OTLP collector is named as http://host:4318 or https://host")
    return url.rstrip("/")


class TracingSettings(Settings):
    """Settings of every part that can be traced. Without `otlp_url` there are no traces, and no cost of any."""

    otlp_url: Annotated[str, AfterValidator(_collector)] | None = None
    # Of the requests whose caller does not say whether to trace them.
    trace_share: Annotated[float, Field(ge=0, le=1)] = 0.01
    # Whatever callers ask for, so many requests a second are traced in one process at most.
    traces_per_s_max: Annotated[int, Field(ge=1)] = 50
    otlp_timeout_s: Annotated[float, Field(gt=0, le=60)] = 5.0

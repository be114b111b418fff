"""Load shedding: how much work a request gets, from its priority and the load that the gateway carries.

Each priority keeps its service up to a share of the limits. The shares are chosen so that whoever waits behind a page
(interactive) loses nothing before those who fetch ahead (prefetch) or in masses (bulk) have lost everything.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

PRIORITY_HEADER = "x-request-priority"


class Priority(StrEnum):
    """How urgent a request is, as its sender says."""

    INTERACTIVE = "interactive"  # somebody waits for this page; the default
    PREFETCH = "prefetch"  # may be wanted soon
    BULK = "bulk"  # e-mails, feeds, caches: later is as good as now


class Service(StrEnum):
    """How much work a request gets, most first.

    Nothing lies between: an answer without the model costs the gateway nearly as much as one with it, so that leaving
    out the model alone relieves nobody.
    """

    FULL = "full"
    SHED = "shed"  # bytes that were made before


class Load(NamedTuple):
    """What the gateway carries: full answers that are being made, and how late its event loop runs what is due."""

    in_hand: int
    loop_lag_ms: float


class Limits(NamedTuple):
    """The load at which interactive requests are shed, too."""

    in_hand_max: float
    loop_lag_ms_max: float


# Of the lag at which everybody is shed: from here on there is more in hand than can be made in time.
CONGESTED_SHARE = 0.4
# From here on the loop is busy: what it makes for little is missing elsewhere.
BUSY_SHARE = 0.05
# While there is more than can be made in time, who asks in masses is read again after at most so long, by chance.
PAUSE_S_MAX = 1.0
# By priority: the pressure from which a request is shed.
_SHED_FROM: Mapping[Priority, float] = {Priority.BULK: 0.3, Priority.PREFETCH: 0.5, Priority.INTERACTIVE: 1.0}


def priority(header: str | None) -> Priority:
    """What the header asks for; interactive where it is missing or says nothing known."""
    try:
        return Priority(header.lower()) if header else Priority.INTERACTIVE
    except ValueError:
        return Priority.INTERACTIVE


def pressure(load: Load, limits: Limits) -> float:
    """The load as a share of its limits, of whichever is nearer."""
    return max(load.in_hand / limits.in_hand_max, load.loop_lag_ms / limits.loop_lag_ms_max)


def service(urgency: Priority, pressure: float) -> Service:
    """The service that a request of this priority gets under this pressure."""
    return Service.SHED if pressure >= _SHED_FROM[urgency] else Service.FULL


def is_congested(lag_ms: float, lag_ms_max: float, *, refused: bool) -> bool:
    """Whether an answer that was just made says that too many are in hand.

    `refused`: there was no room to ask the model for it. On a busy loop that is too many, for such an answer costs
    nearly what one of the model does, and its place in hand was the next one's chance. While the loop has time it is
    not: then inference is slow, and an answer without it is better than bytes made for nobody.
    """
    return lag_ms >= (BUSY_SHARE if refused else CONGESTED_SHARE) * lag_ms_max


def pause_s(urgency: Priority, lag_ms: float, lag_ms_max: float, *, chance: float) -> float:
    """How long the caller's next question may wait unread, in seconds; `chance` (0..1) spreads the returns evenly.

    Even the cheapest answer costs something: masses of them would make everybody late. Nobody waits whose page waits.
    """
    paused = urgency is not Priority.INTERACTIVE and is_congested(lag_ms, lag_ms_max, refused=False)
    return chance * PAUSE_S_MAX if paused else 0.0

"""What recommendations are worth: click-through and conversion by group, and the uplift over a standing holdout."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from evershelf.policy.rollout import wilson

# Who is held out gets the baseline on purpose; answers that never ask the model are no part of the comparison.
HOLDOUT = "holdout"
NOT_IN_LADDER = "not_in_ladder"


class Dimension(StrEnum):
    """What answers are grouped by."""

    PLACEMENT = "placement"
    SOURCE = "source"
    REASON = "reason"
    MODEL_VERSION = "model_version"


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Answers of one kind, and on how many of them something was shown, clicked, put into the cart, bought.

    `known`: asked for a user or a session; only those can be held out.
    """

    placement: str = ""
    source: str = ""
    reason: str = ""
    model_version: str = ""
    known: bool = True
    answers: int = 0
    impressions: int = 0
    clicks: int = 0
    carts: int = 0
    purchases: int = 0


@dataclass(frozen=True, slots=True)
class Rate:
    """A share with its 95 % interval."""

    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Uplift:
    """Everybody else against the holdout: the difference of the two shares, with its 95 % interval."""

    treated: Outcomes
    held_out: Outcomes
    click_through: Rate
    conversion: Rate


def rate(count: int, total: int) -> Rate:
    """The share with Wilson's interval."""
    return Rate(count / total if total else 0.0, *wilson(count, total))


def grouped(found: Sequence[Outcomes], dimension: Dimension) -> dict[str, Outcomes]:
    """The outcomes added up by one dimension, the busiest first."""
    groups: dict[str, Outcomes] = {}
    for each in found:
        name = getattr(each, dimension)
        groups[name] = added(groups.get(name, Outcomes()), each)
    return dict(sorted(groups.items(), key=lambda item: (-item[1].answers, item[0])))


def added(left: Outcomes, right: Outcomes) -> Outcomes:
    """The counts of both."""
    return replace(
        left,
        answers=left.answers + right.answers,
        impressions=left.impressions + right.impressions,
        clicks=left.clicks + right.clicks,
        carts=left.carts + right.carts,
        purchases=left.purchases + right.purchases,
    )


def uplift(found: Sequence[Outcomes]) -> Uplift | None:
    """What the model adds, by intention: whoever is not held out counts as treated, also where the model had no part.

    None where nobody was held out.
    """
    treated, held_out = Outcomes(), Outcomes()
    for each in found:
        if each.known and each.reason == HOLDOUT:
            held_out = added(held_out, each)
        elif each.known and each.reason != NOT_IN_LADDER:
            treated = added(treated, each)
    if not held_out.answers:
        return None
    return Uplift(
        treated,
        held_out,
        _difference(rate(treated.clicks, treated.answers), rate(held_out.clicks, held_out.answers)),
        _difference(rate(treated.purchases, treated.answers), rate(held_out.purchases, held_out.answers)),
    )


def _difference(left: Rate, right: Rate) -> Rate:
    """Source: Newcombe (1998), "Interval estimation for the difference between independent proportions", method 10."""
    difference = left.share - right.share
    below = ((left.share - left.low) ** 2 + (right.high - right.share) ** 2) ** 0.5
    above = ((left.high - left.share) ** 2 + (right.share - right.low) ** 2) ** 0.5
    return Rate(difference, difference - below, difference + above)


def told(found: Sequence[Outcomes]) -> dict[str, object]:
    """The whole report in plain values: every group with its counts, its rates and their intervals; then the uplift."""
    gain = uplift(found)
    return {
        "groups": [
            {"dimension": dimension.value, "name": name, **_figures(each)}
            for dimension in Dimension
            for name, each in grouped(found, dimension).items()
        ],
        "uplift": None
        if gain is None
        else {
            "treated": _figures(gain.treated),
            "held_out": _figures(gain.held_out),
            "click_through": asdict(gain.click_through),
            "conversion": asdict(gain.conversion),
        },
    }


def _figures(each: Outcomes) -> dict[str, object]:
    return {
        "answers": each.answers,
        "impressions": each.impressions,
        "clicks": each.clicks,
        "carts": each.carts,
        "purchases": each.purchases,
        "click_through": asdict(rate(each.clicks, each.answers)),
        "conversion": asdict(rate(each.purchases, each.answers)),
    }

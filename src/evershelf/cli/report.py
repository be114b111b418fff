"""The verb `report attribution`: what recommendations brought."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evershelf.cli.context import open_database
from evershelf.cli.options import AsJson, DataDir
from evershelf.cli.output import print_json, print_line, print_table

if TYPE_CHECKING:
    from evershelf.policy.attribution import Outcomes
    from evershelf.storage.attribution import AttributionQuestion

report_app = typer.Typer(help="Reports.", no_args_is_help=True)


@report_app.command("attribution")
def attribution(
    days: Annotated[float, typer.Option("--days", min=0.01, help="Answers of so many last days.")] = 7.0,
    window_days: Annotated[float, typer.Option("--window-days", min=0.01, help="An event counts so long after.")] = 7.0,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Click-through and conversion per placement, source, reason and model version, and the uplift over the holdout."""
    from evershelf.policy.attribution import told
    from evershelf.storage.attribution import AttributionQuestion

    until = datetime.now(UTC)
    question = AttributionQuestion(until - timedelta(days=days), until, timedelta(days=window_days))
    with open_database(data_dir) as url:
        report = told(asyncio.run(_outcomes(url, question)))
    if as_json:
        print_json({"since": question.since, "until": until, "window_days": window_days, **report})
    else:
        _print(report)


async def _outcomes(url: str, question: "AttributionQuestion") -> "list[Outcomes]":
    from evershelf.storage.attribution import outcomes
    from evershelf.storage.postgres import open_pool

    pool = await open_pool(url, size_max=1)
    try:
        return await outcomes(pool, question)
    finally:
        await pool.close()


def _print(report: dict[str, Any]) -> None:  # Any: plain values, as they are printed
    columns = ("by", "name", "answers", "impressions", "clicks", "carts", "purchases", "click-through", "conversion")
    rows = [
        (
            *(group[name] for name in ("dimension", "name", "answers", "impressions", "clicks", "carts", "purchases")),
            _interval(group["click_through"]),
            _interval(group["conversion"]),
        )
        for group in report["groups"]
    ]
    print_table("Attribution", columns, rows)
    gain = report["uplift"]
    if gain is None:
        print_line("uplift: nobody was held out")
    else:
        print_line(
            f"uplift over {gain['held_out']['answers']} held-out answers: "
            f"click-through {_interval(gain['click_through'])}, "
            f"conversion {_interval(gain['conversion'])}"
        )


def _interval(rate: dict[str, float]) -> str:
    return f"{rate['share']:.2%} ({rate['low']:.2%} to {rate['high']:.2%})"

"""The verb `demo traffic`: simulated shoppers visit the demo shop through the public API until they are stopped."""

from random import SystemRandom
from typing import Annotated

import typer

from evershelf.cli.options import AsJson, DataDir

REPORT_EVERY_REQUESTS = 500


def demo_traffic(
    data_dir: DataDir = None,
    requests_per_s: Annotated[
        float | None, typer.Option(min=0.01, max=1_000, help="Bound of the rate.", show_default=False)
    ] = None,
    requests: Annotated[int | None, typer.Option(min=1, help="Stop after so many.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Let shoppers view, click, cart and buy what they like, at a bounded rate; until Ctrl-C."""
    from evershelf.cli.context import settings
    from evershelf.cli.gateway_client import gateway_url
    from evershelf.cli.output import print_json, print_line, print_progress
    from evershelf.demo.settings import DemoSettings
    from evershelf.demo.tastes import read_tastes
    from evershelf.demo.traffic import HttpShop, Traffic
    from evershelf.supervision.installation import Installation, InstallationError, default_data_dir

    home = Installation((data_dir or settings().data_dir or default_data_dir("demo")).resolve())
    key = home.secret("api_key")
    if key is None:
        raise InstallationError(f"{home.data_dir} has no API key yet: start the shop with `evershelf demo`")
    busy = DemoSettings()
    shop = HttpShop(gateway_url(home), key)
    traffic = Traffic(
        shop,
        read_tastes(home.data_dir / "shop"),
        requests_per_s=requests_per_s or busy.demo_requests_per_s,
        shoppers_max=busy.demo_shoppers_max,
        chance=SystemRandom(),
    )
    try:
        while requests is None or traffic.counts["requests"] < requests:
            more = traffic.counts["requests"] + REPORT_EVERY_REQUESTS
            traffic.run(requests_max=more if requests is None else min(more, requests))
            print_progress(", ".join(f"{count} {name}" for name, count in traffic.counts.items()))
    finally:
        shop.close()
    if as_json:
        print_json(dict(traffic.counts))
    else:
        print_line(", ".join(f"{count} {name}" for name, count in traffic.counts.items()))

"""A campaign of several sittings: what has passed is not run again, what broke stays told, and all is one report."""

import json
from dataclasses import replace

import pytest

from evershelf.drills.assess import Broken
from evershelf.drills.campaign import chosen
from evershelf.drills.report import Skipped, markdown
from evershelf.drills.run import Options
from evershelf.drills.sittings import Campaign, MixedCampaignError, gathered, share
from tests.drills.test_report import report

COMMAND = "evershelf drill campaign core --rate 400 --requests 100000"
NAMES = ("inference-dead", "postgres-stopped", "snapshot-bit-flip")


def named(name, *broken):
    return replace(report(), name=name, passed=not broken, broken=[Broken("G2", each) for each in broken])


@pytest.fixture
def campaign(tmp_path):
    return Campaign(tmp_path / "campaign", Options(), COMMAND)


def left(campaign):
    return [row.name for row in campaign.left(chosen(NAMES))]


def test_what_has_passed_is_not_run_again(campaign):
    # Promise: a sitting goes on where the one before ended; what broke or could not be injected is tried again.
    assert left(campaign) == list(NAMES)
    campaign.keep(named("inference-dead"))
    campaign.keep(named("postgres-stopped", "3 late"))
    campaign.keep(Skipped("snapshot-bit-flip", "no disk"))
    assert left(campaign) == ["postgres-stopped", "snapshot-bit-flip"]


def test_what_broke_stays_told_when_it_passes_later(campaign):
    # Promise: nobody can run a scenario until it passes and keep quiet about it.
    for broken in (("3 late",), ("2 late", "1 lost"), ()):
        campaign.keep(named("inference-dead", *broken))
    assert left(campaign) == list(NAMES[1:])
    whole = gathered(campaign.folder)
    assert [run["broken"] for run in whole["earlier"]] == [["G2: 3 late"], ["G2: 2 late", "G2: 1 lost"]]
    assert "G2: 2 late; G2: 1 lost" in markdown(whole)


def test_a_campaign_is_one_report_in_the_order_of_the_matrix(campaign):
    # Promise: the sittings add up, and the report names the commands and the load.
    for name in ("snapshot-bit-flip", "inference-dead+postgres-stopped", "inference-dead"):
        campaign.keep(named(name))
    whole = gathered(campaign.folder)
    assert [row["name"] for row in whole["rows"]] == [
        "inference-dead", "snapshot-bit-flip", "inference-dead+postgres-stopped",
    ]  # fmt: skip
    assert whole["command"] == COMMAND
    assert json.loads(json.dumps(whole)) == whole


def test_another_load_is_another_campaign(campaign):
    # Promise: a quick try cannot pass for the long run, nor take its place.
    campaign.keep(named("inference-dead"))
    quick = replace(campaign, options=Options(fault_s=1.0))
    with pytest.raises(MixedCampaignError):
        quick.left(chosen(NAMES))
    (kept,) = campaign.folder.iterdir()
    (campaign.folder / "other.json").write_text(kept.read_text().replace('"fault_s": 8.0', '"fault_s": 1.0'))
    with pytest.raises(MixedCampaignError):
        gathered(campaign.folder)


def test_shares_are_the_whole_and_nothing_twice():
    # Promise: four campaigns side by side, each with its share, run every scenario once.
    wanted = chosen(["every-pair"])
    shares = [share(wanted, f"{number}/4") for number in (1, 2, 3, 4)]
    assert sorted(row.name for each in shares for row in each) == sorted(row.name for row in wanted)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("part", ["", "2", "0/4", "5/4", "-1/4", "a/b", "1/0", "1/4/4"])
def test_what_is_no_share_is_refused(part):
    with pytest.raises(ValueError, match="is no share"):
        share(chosen(NAMES), part)

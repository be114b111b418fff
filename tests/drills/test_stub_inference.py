"""The misbehaving server misbehaves as told: each play seen through a real client, against the contract it breaks."""

import gzip
import http.client
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pydantic import ValidationError

from evershelf.contracts.inference import RankReply
from evershelf.drills.stub_inference import BOMB_BYTES, FLOOD_ITEMS, Play

ITEMS = [f"item-{number}" for number in range(30)]
QUESTION = json.dumps({"queries": [{"history": [], "k": 5, "exclude": ["item-0"]}]})
TIMEOUT_S = 60
# What parses as the contract; whether its items exist and are unique is for the gateway to see.
SOUND_BY_TYPE = {Play.GOOD, Play.HUGE_SCORES, Play.DUPLICATES, Play.FOREIGN_IDS, Play.EMPTY, Play.BLOCKED}
ERRORS = {Play.ERROR_500: 500, Play.ERROR_503: 503, Play.ERROR_429: 429}


@contextmanager
def playing(play: Play, tmp_path) -> Iterator[http.client.HTTPConnection]:
    items = tmp_path / "items.txt"
    items.write_text("\n".join(ITEMS))
    command = [sys.executable, "-m", "evershelf.drills.stub_inference", play, str(items)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        connection = http.client.HTTPConnection("127.0.0.1", int(child.stdout.readline()), timeout=TIMEOUT_S)
        try:
            yield connection
        finally:
            connection.close()
            child.kill()


def ask(connection: http.client.HTTPConnection, question: str = QUESTION) -> tuple[int, bytes]:
    connection.request("POST", "/v1/rank", question)
    answer = connection.getresponse()
    return answer.status, answer.read()


@pytest.mark.parametrize("play", [play for play in Play if play not in {Play.ERRORS, *ERRORS}])
def test_a_play_keeps_or_breaks_the_contract(play, tmp_path):
    # Promise: what is called sound parses strictly, and everything else does not.
    with playing(play, tmp_path) as connection:
        status, body = ask(connection)
    assert status == 200
    if play in SOUND_BY_TYPE:
        (ranking,) = RankReply.model_validate_json(body, strict=True).rankings
        ids = [item.item_id for item in ranking.items]
        assert "item-0" not in ids
        assert len(ids) == (0 if play is Play.EMPTY else 5)
        assert (len(set(ids)) < len(ids)) == (play is Play.DUPLICATES)
        assert set(ids).isdisjoint(ITEMS) == (play in {Play.FOREIGN_IDS, Play.EMPTY})
    else:
        with pytest.raises(ValidationError):
            RankReply.model_validate_json(body, strict=True)


@pytest.mark.parametrize("play", sorted(SOUND_BY_TYPE))
def test_each_question_of_a_call_gets_its_ranking(play, tmp_path):
    # Promise: a busy gateway asks several at once; the play is what it is called, and no wrong number of rankings.
    three = json.dumps({"queries": [{"history": [], "k": k, "exclude": [f"item-{k}"]} for k in (2, 3, 4)]})
    with playing(play, tmp_path) as connection:
        rankings = RankReply.model_validate_json(ask(connection, three)[1], strict=True).rankings
    assert [len(ranking.items) for ranking in rankings] == ([0, 0, 0] if play is Play.EMPTY else [2, 3, 4])


def test_the_flood_and_the_bomb_have_their_size(tmp_path):
    # Promise: a million items, and a small body that inflates to 200 MB.
    with playing(Play.FLOOD, tmp_path) as connection:
        assert ask(connection)[1].count(b"item_id") == FLOOD_ITEMS
    with playing(Play.BOMB, tmp_path) as connection:
        body = ask(connection)[1]
    assert len(body) < 300_000
    assert len(gzip.decompress(body)) == BOMB_BYTES


@pytest.mark.parametrize(("play", "status"), ERRORS.items())
def test_an_error_is_an_error_every_time(play, status, tmp_path):
    # Promise: one status, on one connection, again and again.
    with playing(play, tmp_path) as connection:
        assert [ask(connection)[0] for _ in range(5)] == [status] * 5


def test_mixed_errors_are_a_third_of_the_answers(tmp_path):
    # Promise: about 30 % of 500, 503 and 429; the others are sound.
    with playing(Play.ERRORS, tmp_path) as connection:
        statuses = Counter(ask(connection)[0] for _ in range(400))
    assert set(statuses) == {200, 500, 503, 429}
    assert 200 <= statuses[200] <= 340

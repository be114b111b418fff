"""Evaluation of files: figures by hand, splits by rule, hostile files."""

import numpy as np
import pytest

from evershelf.contracts.inference import HISTORY_MAX
from evershelf.training.evaluate import Case
from evershelf.training.files import FileRefusedError, read_tables
from evershelf.training.metrics import judge, spread
from evershelf.training.offline import evaluate_offline
from evershelf.training.protocols import Asking, Protocol

RULES = ("leave-one-out", "last-20-percent", "last-9-days", "random-20-percent", "strong-30-percent")


def _case(*targets):
    nothing = np.empty(0, np.int64)
    return Case(nothing.astype(np.int32), nothing, nothing.astype(float), nothing, np.array(targets))


def test_figures_are_those_worked_out_by_hand():
    """Promise: hits at places 1 and 3 of three targets; a hit at place 11 of one; nothing of one."""
    lists = [np.arange(20), np.arange(20), np.arange(20)]
    found = judge(lists, [_case(0, 2, 99), _case(10), _case(50)]).means() | spread(lists, np.arange(100.0))
    assert found["recall@20"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert found["recall@10"] == found["hit_rate@10"] * 2 / 3 == pytest.approx(2 / 9)
    ideal = 1 + 1 / np.log2(3) + 0.5
    assert found["ndcg@10"] == pytest.approx(1.5 / ideal / 3)
    assert found["ndcg@20"] == pytest.approx((1.5 / ideal + 1 / np.log2(12)) / 3)
    assert found["mrr"] == pytest.approx((1 + 1 / 11 + 0) / 3)
    assert found["coverage"] == 0.2
    assert found["effective_items"] == pytest.approx(20)
    assert found["popularity_rank"] == pytest.approx(np.mean(99 - np.arange(20)) / 99)


def test_files_in_csv_are_measured_without_a_database(tmp_path, taste):
    """Promise: given train and test, or one file and a rule, the figures come, and beat chance clearly."""
    lines = [f"{user},{item},{day * 86_400},{kind}" for user, item, day, kind in taste.events()]
    whole, train, test = (tmp_path / name for name in ("whole.csv", "train.csv", "test.csv"))
    for path, part in ((whole, lines), (train, lines[::2]), (test, lines[1::2])):
        path.write_text("\n".join(["user,item,time,event_type", *part]))
    for protocol in (
        Protocol.given(read_tables(train, test)),
        Protocol.given(read_tables(train, test), asking=Asking.NEXT),
        *(Protocol.split(read_tables(whole), rule) for rule in RULES),
    ):
        found = evaluate_offline(protocol, time_limit_s=1).figures
        assert found["recall@20"] > 0.5, protocol.rule
        assert found["items"] == 90


def test_an_id_is_text_whatever_it_looks_like(tmp_path):
    """Promise: the same id in two files is one item, also where the other ids of one file are no numbers."""
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    train.write_text("user,item\n007,0439420890\n007,043942089X\n7,043942089X\n")
    test.write_text("user,item\n7,0439420890\n")
    tables = read_tables(train, test)
    assert (tables.train.user_count, tables.train.item_count) == (2, 2)


def test_leave_one_out_asks_for_the_last_row_where_there_is_no_time(tmp_path):
    """Promise: without times the order of rows is the order of events; one interaction stays in train."""
    path = tmp_path / "one.csv"
    path.write_text("user,item\na,3\nb,1\na,1\na,2\n")
    protocol = Protocol.split(read_tables(path), "leave-one-out")
    assert (protocol.wanted.users.tolist(), protocol.wanted.items.tolist()) == ([0], [1])
    assert protocol.known.items.tolist() == [2, 0, 0]


@pytest.mark.parametrize("text", ["user,thing\na,1\n", "user,item\n", "user,item,time\na,1,soon\n", ""])
def test_a_file_that_cannot_be_measured_is_refused_with_its_reason(tmp_path, text):
    """Promise: an expected failure says which file and why."""
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(FileRefusedError, match=r"bad\.csv"):
        read_tables(path)


def test_an_unknown_event_type_is_named_beside_those_there_are(tmp_path):
    """Promise: whoever exported `buy` reads what it is called here."""
    path = tmp_path / "bad.csv"
    path.write_text("user,item,event_type\na,1,buy\na,2,purchase\n")
    with pytest.raises(FileRefusedError, match=r"unknown event types: 'buy'; known: .*view_item, .*purchase"):
        read_tables(path)


@pytest.mark.parametrize("rule", ["first-3-percent", "last-0-percent", "last-100-percent", "random-3-days", "strong"])
def test_a_rule_that_is_none_is_refused(tmp_path, rule):
    """Promise: a misspelt rule is told, and no other is taken in its stead."""
    path = tmp_path / "one.csv"
    path.write_text("user,item\na,3\n")
    with pytest.raises(FileRefusedError, match="rule"):
        Protocol.split(read_tables(path), rule)


def test_strong_generalisation_learns_nothing_of_those_it_is_asked_about(tmp_path, taste):
    """Promise: the users asked about are in the histories told, and in nothing that is learned from."""
    path = tmp_path / "whole.csv"
    rows = [f"{user},{item},{day * 86_400}" for user, item, day, _ in taste.events()]
    path.write_text("\n".join(["user,item,time", *rows]))
    protocol = Protocol.split(read_tables(path), "strong-30-percent")
    asked = set(protocol.wanted.users.tolist())
    assert 20 < len(asked) < 60
    assert not asked & set(protocol.known.users.tolist())
    assert asked <= set(protocol.told.users.tolist())
    assert len(protocol.told) + len(protocol.wanted) == len(rows)


def test_next_cases_know_everything_before_and_nothing_of_the_same_instant(tmp_path):
    """Promise: each wanted interaction has its user's strictly earlier events as history, those of the test too."""
    path = tmp_path / "one.csv"
    path.write_text("user,item,time\na,1,1\na,2,2\na,3,30\na,4,30\na,5,31\nb,1,40\n")
    protocol = Protocol.split(read_tables(path), "last-66-percent", asking=Asking.NEXT_STRICT)
    found = {int(case.targets[0]): case.items.tolist() for case in protocol.cases()}
    assert found == {2: [1, 0], 3: [1, 0], 4: [3, 2, 1, 0], 0: []}
    loose = Protocol.split(read_tables(path), "last-66-percent", asking=Asking.NEXT).cases()
    assert {int(case.targets[0]): case.items.tolist() for case in loose} == found | {3: [2, 1, 0]}


@pytest.mark.parametrize("asking", [Asking.USERS, Asking.NEXT, Asking.NEXT_STRICT])
def test_a_case_tells_what_a_gateway_would_tell_and_masks_all_that_was_seen(tmp_path, asking):
    """Promise: the newest HISTORY_MAX interactions, newest first, as in service; everything seen is kept off."""
    train, test = tmp_path / "train.csv", tmp_path / "test.csv"
    train.write_text("\n".join(["user,item,time", *(f"u,i{n:03},{n}" for n in range(HISTORY_MAX + 50))]))
    test.write_text(f"user,item,time\nu,new,{HISTORY_MAX + 60}\n")
    [case] = Protocol.given(read_tables(train, test), asking=asking).cases()
    assert len(case.items) == len(case.kinds) == len(case.ages_days) == HISTORY_MAX
    assert case.items[0] == HISTORY_MAX + 49
    assert (np.diff(case.ages_days) > 0).all()
    assert len(case.seen) == HISTORY_MAX + 50


def test_items_without_events_are_found_by_what_is_said_of_them(tmp_path, taste):
    """Promise: with a file of items, wanted items that nobody had are found far better than by chance."""
    rows = [(user, item, day, kind) for user, item, day, kind in taste.events()]
    hidden = {f"i{number:03}" for number in range(3, 90, 7)}
    train, test, items = (tmp_path / name for name in ("train.csv", "test.csv", "items.csv"))
    head, early = "user,item,time,event_type", [row for row in rows if row[2] < 45 and row[1] not in hidden]
    for path, part in ((train, early), (test, [row for row in rows if row[2] >= 45])):
        path.write_text("\n".join([head, *(f"{u},{i},{day * 86_400},{kind}" for u, i, day, kind in part)]))
    described = [f"{item.item_id},{item.title},{item.categories[0]},9.5" for item in taste.catalog()]
    items.write_text("\n".join(["item,title,category,price", *described]))
    tables = read_tables(train, test, items)
    found = evaluate_offline(Protocol.given(tables), time_limit_s=4, features=tables.features).figures
    assert found["cold_items"] == len(hidden)
    assert found["cold_ndcg@10"] > 0.4
    assert found["cold_recall@10"] > found["cold_random_recall@10"] * 1.1

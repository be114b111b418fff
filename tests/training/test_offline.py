"""Evaluation of files: figures by hand, splits by rule, hostile files."""

import numpy as np
import pytest

from evershelf.training.evaluate import Case
from evershelf.training.files import FileRefusedError, read_tables
from evershelf.training.offline import _figures, evaluate_offline, given_split, split_by_rule


def _case(*targets):
    nothing = np.empty(0, np.int64)
    return Case(nothing.astype(np.int32), nothing, nothing.astype(float), nothing, np.array(targets))


def test_figures_are_those_worked_out_by_hand():
    """Promise: hits at places 1 and 3 of three targets; a hit at place 11 of one; nothing of one."""
    lists = [np.arange(20), np.arange(20), np.arange(20)]
    found = _figures(lists, [_case(0, 2, 99), _case(10), _case(50)], items=100)
    assert found["recall@20"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert found["recall@10"] == found["hit_rate@10"] * 2 / 3 == pytest.approx(2 / 9)
    ideal = 1 + 1 / np.log2(3) + 0.5
    assert found["ndcg@10"] == pytest.approx(1.5 / ideal / 3)
    assert found["ndcg@20"] == pytest.approx((1.5 / ideal + 1 / np.log2(12)) / 3)
    assert found["mrr"] == pytest.approx((1 + 1 / 11 + 0) / 3)
    assert (found["coverage"], found["users"], found["items"]) == (0.2, 3, 100)


def test_files_in_csv_are_measured_without_a_database(tmp_path, taste):
    """Promise: given train and test, or one file and a rule, the figures come, and beat chance clearly."""
    lines = [f"{user},{item},{day * 86_400},{kind}" for user, item, day, kind in taste.events()]
    whole, train, test = (tmp_path / name for name in ("whole.csv", "train.csv", "test.csv"))
    for path, part in ((whole, lines), (train, lines[::2]), (test, lines[1::2])):
        path.write_text("\n".join(["user,item,time,event_type", *part]))
    for protocol in (
        given_split(read_tables(train, test)),
        split_by_rule(read_tables(whole), "leave-one-out"),
        split_by_rule(read_tables(whole), "last-20-percent"),
    ):
        found = evaluate_offline(protocol, time_limit_s=1).figures
        assert found["recall@20"] > 0.5
        assert found["items"] == 90


def test_leave_one_out_asks_for_the_last_row_where_there_is_no_time(tmp_path):
    """Promise: without times the order of rows is the order of events; one interaction stays in train."""
    path = tmp_path / "one.csv"
    path.write_text("user,item\na,3\nb,1\na,1\na,2\n")
    protocol = split_by_rule(read_tables(path), "leave-one-out")
    assert (protocol.wanted.users.tolist(), protocol.wanted.items.tolist()) == ([0], [1])
    assert protocol.known.items.tolist() == [2, 0, 0]


@pytest.mark.parametrize("text", ["user,thing\na,1\n", "user,item\n", "user,item,time\na,1,soon\n", ""])
def test_a_file_that_cannot_be_measured_is_refused_with_its_reason(tmp_path, text):
    """Promise: an expected failure says which file and why."""
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(FileRefusedError, match=r"bad\.csv"):
        read_tables(path)

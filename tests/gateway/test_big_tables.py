"""Tables of a million entries: the same answers as a dict gives, and freed bit by bit once their owner is gone."""

import threading

import pytest

from evershelf.gateway.big_tables import PLAIN_UP_TO, let_go_with, positions


class Owner:
    """Somebody who can go."""


@pytest.mark.parametrize("count", [3, PLAIN_UP_TO + 1])
def test_each_id_is_where_it_stands_and_no_other_is_anywhere(count):
    # Promise: small or large, the table answers as a dict of the same ids does.
    ids = [f"item-{number}" for number in range(count)]
    found = positions(ids)
    assert len(found) == count
    assert sorted(found) == sorted(ids)
    assert all(found[item_id] == found.get(item_id) == place for place, item_id in enumerate(ids))
    assert "item-x" not in found
    assert found.get("item-x") is None
    with pytest.raises(KeyError):
        found["item-x"]


def test_tables_are_emptied_on_a_thread_once_their_owner_is_gone_and_not_before():
    # Promise: nothing is taken from an owner that lives; afterwards all of it goes.
    ids = [f"item-{number}" for number in range(PLAIN_UP_TO + 1)]
    found, more = positions(ids), {"a": [1], "b": [2]}
    owner = Owner()
    let_go_with(owner, found, more, ids)
    assert (len(ids), len(more), found["item-7"]) == (PLAIN_UP_TO + 1, 2, 7)
    del owner
    for thread in threading.enumerate():
        if thread.name == "let-go":
            thread.join(30)
    assert (ids, more, list(found)) == ([], {}, [])

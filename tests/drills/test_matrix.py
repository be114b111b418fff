"""The matrix names what it means: every set of rows exists, pairs strike two components, unknown names are refused."""

import pytest

from evershelf.drills.campaign import UnknownScenarioError, chosen
from evershelf.drills.matrix import CORE, REPRESENTATIVES, SHORT, core, pairs, rows
from evershelf.drills.row import Component


def test_every_named_set_is_made_of_rows_that_exist():
    # Promise: a row that is renamed cannot fall out of `short`, `core` or the representatives unseen.
    names = [row.name for row in rows()]
    assert len(names) == len(set(names))
    assert {*SHORT, *CORE, *REPRESENTATIVES} <= set(names)


def test_every_component_of_the_matrix_has_a_row_in_the_short_run():
    # Promise: `make chaos` leaves no kind of trouble out.
    components = {row.component for row in rows() if row.name in SHORT}
    assert components == set(Component) - {Component.NOTHING}


def test_the_core_is_three_rows_and_any_two_of_them():
    # Promise: what the issue asks of inference, PostgreSQL and snapshot, alone and in pairs.
    assert [row.name for row in core()] == [
        "inference-dead", "postgres-stopped", "snapshot-bit-flip",
        "inference-dead+postgres-stopped", "inference-dead+snapshot-bit-flip", "postgres-stopped+snapshot-bit-flip",
    ]  # fmt: skip


def test_a_pair_strikes_two_components_and_may_say_what_either_may():
    # Promise: no two faults of one component; each may be told of, neither must.
    by_name = {row.name: row for row in rows()}
    for row in pairs(every=True):
        first, second = (by_name[name] for name in row.name.split("+"))
        assert first.component is not second.component
        assert row.allowed == first.allowed | second.allowed
        assert not row.must_say


def test_names_mean_rows_once_each():
    # Promise: a row, a component and a set may overlap; an unknown name is refused before anything is started.
    assert len(chosen(["inference-dead", "inference", "all", "core"])) == len(rows()) + 3
    with pytest.raises(UnknownScenarioError):
        chosen(["inference-bored"])

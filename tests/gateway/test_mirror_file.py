"""The mirror's file: what was written before is read, what cannot be read is not put in place, little is made anew."""

import hashlib
import json
import math
from datetime import UTC, datetime

import pytest

from evershelf.contracts.catalog import Item, ItemState
from evershelf.contracts.erasures import Erasure
from evershelf.contracts.keys import StoredKey
from evershelf.gateway.item_changes import Hide, ItemChanges
from evershelf.gateway.mirror_file import ERASURES_A_PIECE, Mirrored, MirrorFile, opened

NOW = datetime(2024, 5, 1, tzinfo=UTC)


def state(item_id: str, change: int = 8, **fields) -> ItemState:
    return ItemState(item=Item(item_id=item_id, **fields), change_sequence=change, updated_at=NOW)


def tables(*changes: ItemState, **hides: Hide) -> tuple[ItemChanges[ItemState], ItemChanges[Hide]]:
    whole, little = ItemChanges(), ItemChanges()
    for change in changes:
        whole.put(change.item.item_id, change)
    for item_id, hide in hides.items():
        little.put(item_id, hide)
    return whole, little


def write(file: MirrorFile, rest: Mirrored, whole: ItemChanges, little: ItemChanges) -> None:
    file.write(rest, whole.held(), little.held())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "mirror.json"


def test_what_is_written_is_read(path):
    # Promise: all of it, however many pieces it is written in, and whatever stands in the texts.
    erasures = tuple(
        Erasure(sequence=each, digest=f"{each:064x}", erased_at=NOW) for each in range(2 * ERASURES_A_PIECE + 1)
    )
    rest = Mirrored(base=3, sequence=3, sequence_with_hides=9, erasure_salt="00ff", erasures=erasures)
    whole = [state(f"mug-{number}", title='"\\ \n é 杯 \u2028') for number in range(700)]
    write(
        MirrorFile(path), rest, *tables(*whole, gone=Hide(9, -math.inf, suppressed=True), soon=Hide(8, 1714521600.25))
    )
    found = MirrorFile(path).read()
    assert {each.item.item_id: each for each in found.changes} == {each.item.item_id: each for each in whole}
    assert sorted(found.hides) == [("gone", 9, None, True, False), ("soon", 8, 1714521600.25, False, False)]
    assert found.model_copy(update={"changes": (), "hides": ()}) == rest


def test_a_file_of_the_version_before_is_read(path):
    # Promise: an update of the gateway forgets nothing: keys, changes and how far they reach.
    key = StoredKey(key_id="k1", name="shop", digest="00" * 32, scopes=("recommend",), created_at=NOW)
    content = json.dumps({
        "base": 3, "sequence": 8, "keys": [key.model_dump(mode="json")], "placements": [], "erasure_salt": "00ff",
        "erasures": [], "changes": [state("mug", available=False).model_dump(mode="json")],
    })  # fmt: skip
    path.write_text(json.dumps({"sha256": hashlib.sha256(content.encode()).hexdigest(), "content": content}))
    found = MirrorFile(path).read()
    assert (found.base, found.sequence, found.sequence_with_hides) == (3, 8, 0)
    assert (found.keys, found.changes, found.hides) == ((key,), (state("mug", available=False),), ())


def test_what_could_not_be_read_again_is_not_put_in_place(path):
    # Promise: the good file stays where another would be damaged for every reader.
    file = MirrorFile(path)
    write(file, Mirrored(), *tables(state("mug")))
    good = path.read_bytes()
    attributes: object = "bottom"
    for _ in range(240):
        attributes = [attributes]
    deep = ItemState.model_construct(
        item=Item.model_construct(item_id="deep", attributes={"a": attributes}), change_sequence=9, updated_at=NOW
    )
    with pytest.raises(ValueError, match="recursion"):
        write(file, Mirrored(), *tables(state("mug"), deep))
    assert path.read_bytes() == good
    write(file, Mirrored(), *tables(state("cup")))
    assert [each.item.item_id for each in opened(path.read_bytes()).changes] == ["cup"]


def test_one_change_more_encodes_one_piece_more(path):
    # Promise: what a further change costs the interpreter does not grow with all that is known already.
    file = MirrorFile(path)
    whole, little = tables(*(state(f"mug-{number}") for number in range(600)))
    for number in range(5_000):
        little.put(f"item-{number}", Hide(number, -math.inf))
    write(file, Mirrored(), whole, little)
    before = dict(file._pieces)
    little.put("item-7", Hide(9_000, 5.0))
    write(file, Mirrored(), whole, little)
    assert sum(file._pieces[at] is not piece for at, piece in before.items()) == 1
    assert ("item-7", 9_000, 5.0, False, False) in MirrorFile(path).read().hides

"""Keys are kept as keyed hashes only; placements and decisions come back as written."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from evershelf.contracts.keys import Scope
from evershelf.contracts.placements import Placement
from evershelf.contracts.recommendations import Reason, Source
from evershelf.policy.keys import key_digest, parse_key
from evershelf.storage.audit import list_audit
from evershelf.storage.decisions import Decision, get_decision, store_decisions
from evershelf.storage.keys import (
    KeyTakenError,
    adopted_key,
    create_key,
    keep_key,
    list_keys,
    mint_key,
    revoke_key,
    rotate_key,
)
from evershelf.storage.placements import list_placements, put_placement
from evershelf.storage.postgres import Pool

SECRET = b"k" * 32


async def test_a_minted_key_verifies_and_is_not_kept(pool: Pool):
    # Promise: the plain key verifies against what is stored, and stands in no table.
    plain, stored = mint_key(SECRET, "shop", [Scope.RECOMMEND, Scope.EVENTS])
    await create_key(pool, stored, actor="ann")
    assert await list_keys(pool) == [stored]
    parsed = parse_key(plain)
    assert parsed is not None
    assert (parsed.key_id, key_digest(SECRET, parsed.secret_part)) == (stored.key_id, stored.digest)
    assert key_digest(b"another secret", parsed.secret_part) != stored.digest
    assert parsed.secret_part not in repr([parsed, stored, await list_keys(pool), await list_audit(pool)])


async def test_a_revoked_key_stays_listed_as_revoked(pool: Pool):
    # Promise: revoking works once, is audited, and leaves the row as evidence.
    _, stored = mint_key(SECRET, "shop", [Scope.ADMIN])
    await create_key(pool, stored, actor="ann")
    assert await revoke_key(pool, stored.key_id, actor="bob")
    assert not await revoke_key(pool, stored.key_id, actor="bob")
    assert (await list_keys(pool))[0].revoked_at is not None
    assert [entry.action for entry in await list_audit(pool)] == ["key.revoke", "key.create"]


async def test_a_rotated_key_has_a_successor_and_an_end(pool: Pool):
    # Promise: the new key may what the old one may; the old one ends after the overlap, or at once when revoked; once.
    plain, stored = mint_key(SECRET, "shop", [Scope.RECOMMEND], quota_per_s=5.0)
    await create_key(pool, stored, actor="ann")
    made = await rotate_key(pool, SECRET, stored.key_id, overlap=timedelta(hours=1), actor="bob")
    assert made is not None
    new_plain, new = made
    old, kept = await list_keys(pool)
    assert new_plain != plain
    assert kept == new
    assert (new.name, new.scopes, new.quota_per_s) == (stored.name, stored.scopes, stored.quota_per_s)
    assert old.revoked_at == new.created_at + timedelta(hours=1)
    assert (await list_audit(pool))[0].action == "key.rotate"
    assert await rotate_key(pool, SECRET, stored.key_id, overlap=timedelta(0), actor="bob") is None
    assert await revoke_key(pool, stored.key_id, actor="bob")
    assert (await list_keys(pool))[0].revoked_at < datetime.now(UTC) + timedelta(minutes=1)


async def test_a_key_made_elsewhere_is_kept_once(pool: Pool):
    # Promise: adopting a key twice changes nothing; the same id with another secret or scope, or ended, is refused.
    plain = "evs_store1_" + "x" * 32
    key = adopted_key(SECRET, plain, "shop", [Scope.RECOMMEND])
    assert [await keep_key(pool, key, actor="ann"), await keep_key(pool, key, actor="ann")] == [True, False]
    assert [stored.digest for stored in await list_keys(pool)] == [key.digest]
    for other in (adopted_key(SECRET, plain[:-1] + "y", "shop", [Scope.RECOMMEND]), adopted_key(SECRET, plain, "", [])):
        with pytest.raises(KeyTakenError):
            await keep_key(pool, other, actor="ann")
    assert await rotate_key(pool, SECRET, key.key_id, overlap=timedelta(hours=1), actor="bob")
    assert not await keep_key(pool, key, actor="ann")  # it holds until then
    await revoke_key(pool, key.key_id, actor="bob")
    with pytest.raises(KeyTakenError, match="ended"):
        await keep_key(pool, key, actor="ann")
    with pytest.raises(ValueError, match="shape"):
        adopted_key(SECRET, "changeme", "shop", [Scope.RECOMMEND])


async def test_a_key_adopted_by_many_at_once_is_kept_once(pool: Pool):
    # Promise: first starts that meet agree on one row and one audit entry, and none of them fails.
    key = adopted_key(SECRET, "evs_store1_" + "x" * 32, "shop", [Scope.RECOMMEND])
    kept = await asyncio.gather(*(keep_key(pool, key, actor="ann") for _ in range(8)))
    assert sorted(kept) == [False] * 7 + [True]
    assert len(await list_keys(pool)) == len(await list_audit(pool)) == 1
    with pytest.raises(KeyTakenError):
        await create_key(pool, key, actor="bob")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "evs",
        "evs__" + "x" * 43,
        "evs_ABC_" + "x" * 43,
        "evs_abc_short",
        "evs_abc_" + "x" * 500,
        "evs_abc_" + "é" * 43,
    ],
)
def test_text_of_another_shape_is_no_key(text):
    # Promise: parse_key answers None and never raises.
    assert parse_key(text) is None


@pytest.mark.parametrize("secret", [b"", b"k" * 65])
def test_a_secret_of_the_wrong_length_is_an_error(secret):
    # Promise: no silent truncation, and never an unkeyed hash.
    with pytest.raises(ValueError, match=r"1\.\.64"):
        key_digest(secret, "x")


async def test_a_placement_is_replaced_and_audited(pool: Pool):
    # Promise: writing a placement replaces it whole.
    wanted = Placement(name="home", k=3, deadline_ms=50)
    await put_placement(pool, wanted, actor="ann")
    assert wanted in await list_placements(pool)
    assert [(entry.action, entry.subject) for entry in await list_audit(pool)] == [("placement.put", "home")]


async def test_decisions_are_stored_once_and_come_back(pool: Pool):
    # Promise: storing is idempotent, across months; a decision reads back as it was.
    decisions = [decision(month) for month in (1, 2, 3)]
    assert await store_decisions(pool, decisions) == 3
    assert await store_decisions(pool, decisions) == 0
    assert await get_decision(pool, decisions[1].recommendation_id) == decisions[1]
    assert await get_decision(pool, uuid4()) is None


def decision(month: int) -> Decision:
    return Decision(
        recommendation_id=uuid4(),
        decided_at=datetime(2026, month, 28, 23, 59, 59, 999999, tzinfo=UTC),
        placement="home",
        user_id="u",
        session_id=None,
        source=Source.MODEL,
        reason=Reason.PERSONALIZED,
        degraded=False,
        model_version="m-1",
        snapshot_version="s-1",
        item_ids=("a", 'b"', "c,d"),
        record={"attempts": [{"source": "model"}], "elapsed_ms": 1.25},
    )

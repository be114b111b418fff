"""Items and users from files: what is mapped is written, what is not stays."""

import json

import asyncpg

from evershelf.importing.files import FileOptions, ItemOptions, import_items, import_users
from evershelf.importing.items import PriceUnit
from evershelf.importing.mapping import items_map, users_map
from evershelf.importing.times import TimeUnit

MAP = items_map("item_id=sku,title=name,categories=cats,price=cost,currency=money,available=stock,tags=labels")
CSV = """sku,name,cats,cost,money,stock,labels,colour
1,"Mug, blue",home/kitchen|sale,12.34,eur,yes,new|hot,blue
2,Yen mug,,500,JPY,0,,
1,Mug,home/kitchen,12.35,EUR,true,new,red
"""


async def _one(url: str, query: str) -> dict[str, object]:
    connection = await asyncpg.connect(url)
    try:
        row = await connection.fetchrow(query)
        assert row is not None
        return dict(row)
    finally:
        await connection.close()


async def test_items_are_upserted_and_the_last_row_wins(database_url, tmp_path):
    # Promise: lists, prices in minor units, flags and free attributes arrive; importing again changes nothing.
    path = tmp_path / "items.csv"
    path.write_text(CSV)
    report = await import_items(database_url, path, MAP)
    assert (report.inserted, report.updated, report.duplicates) == (2, 0, 1)
    mug = await _one(database_url, "SELECT * FROM items WHERE item_id = '1'")
    assert (mug["title"], mug["categories"], mug["tags"]) == ("Mug", ["home/kitchen"], ["new"])
    assert (mug["price"], mug["currency"], json.loads(str(mug["attributes"]))) == (1235, "EUR", {"colour": "red"})
    yen = await _one(database_url, "SELECT * FROM items WHERE item_id = '2'")
    assert (yen["price"], yen["available"], yen["categories"]) == (500, False, [])
    again = await import_items(database_url, path, MAP)
    assert (again.inserted, again.updated, again.duplicates) == (0, 0, 3)
    after = await _one(database_url, "SELECT change_sequence FROM items WHERE item_id = '1'")
    assert after["change_sequence"] == mug["change_sequence"]


async def test_columns_that_are_not_mapped_keep_what_is_stored(database_url, tmp_path):
    # Promise: a price list does not wipe titles; a deleted item that is imported is back.
    (tmp_path / "items.csv").write_text(CSV)
    await import_items(database_url, tmp_path / "items.csv", MAP)
    await _one(database_url, "UPDATE items SET deleted = true WHERE item_id = '1' RETURNING item_id")
    (tmp_path / "prices.jsonl").write_text('{"sku": 1, "cost": 999}\n')
    options = ItemOptions(price_unit=PriceUnit.MINOR, attributes=())
    report = await import_items(
        database_url, tmp_path / "prices.jsonl", items_map("item_id=sku,price=cost"), items=options
    )
    assert (report.inserted, report.updated) == (0, 1)
    mug = await _one(database_url, "SELECT title, price, deleted, attributes FROM items WHERE item_id = '1'")
    assert mug == {"title": "Mug", "price": 999, "deleted": False, "attributes": '{"colour": "red"}'}


async def test_items_that_the_api_would_refuse_are_rejected(database_url, tmp_path):
    # Promise: an import lets nothing in that the contract forbids.
    lines = [f"1,{'x' * 501},,,,,,", "2,a,,-1,,,,", "3,a,,cheap,,,,", "4,a,,1,EURO,,,", "5,a,,,,maybe,,"]
    lines += [f"6,a,{'|'.join(map(str, range(21)))},,,,,", f"7,a,,,,,{'t' * 65},", ",a,,,,,,"]
    path = tmp_path / "items.csv"
    path.write_text(CSV.partition("\n")[0] + "\n" + "\n".join(lines) + "\n")
    report = await import_items(database_url, path, MAP, options=FileOptions(rejects=tmp_path / "r"))
    assert report.inserted == 0
    assert set(report.rejected) == {
        "title_too_long",
        "negative_price",
        "invalid_price",
        "invalid_currency",
        "invalid_available",
        "too_many_categories",
        "invalid_tags",
        "missing_item_id",
    }


async def test_users_carry_their_attributes(database_url, tmp_path):
    # Promise: columns that are not mapped become attributes, typed as JSONL types them.
    path = tmp_path / "users.jsonl"
    path.write_text('{"id": 5, "age": 33, "likes": ["a"]}\n{"id": " ", "age": 1}\n')
    report = await import_users(database_url, path, users_map("user_id=id"))
    assert (report.inserted, report.rejected) == (1, {"missing_user_id": 1})
    user = await _one(database_url, "SELECT * FROM users")
    assert (user["user_id"], json.loads(str(user["attributes"]))) == ("5", {"age": 33, "likes": ["a"]})


async def test_what_the_catalog_could_not_give_back_is_rejected(database_url, tmp_path):
    # Promise: an item beyond the contract (a year that no clock tells, too many or too deep attributes) never gets in,
    # for the snapshot reads all items and one unreadable one would stop it.
    deepest, deeper = (json.loads("[" * depth + "]" * depth) for depth in (31, 32))  # in `attributes`, the first level
    rows = [
        {"id": "far", "gone": 400_000_000_000},
        {"id": "wide", **{f"a{n}": n for n in range(51)}},
        {"id": "deep", "nest": deeper},
        {"id": "good", "nest": deepest},
    ]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = await import_items(
        database_url,
        tmp_path / "items.jsonl",
        items_map("item_id=id,expires_at=gone"),
        options=FileOptions(time_unit=TimeUnit.SECONDS),
    )
    assert report.rejected == {"invalid_expires_at": 1, "too_many_attributes": 1, "attributes_too_deep": 1}
    assert report.inserted == 1

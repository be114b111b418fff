"""The public data sets as they lie on disk: every trap that their descriptions name, with exact counts."""

import json

import asyncpg
import pytest

from evershelf.importing.datasets import import_dataset
from evershelf.importing.report import ImportProblem

FOLDERS = {
    "movielens-100k": "movielens-100k",
    "movielens-1m": "movielens-1m",
    "online-retail": "uci-online-retail",
    "retailrocket": "multi-behavior",
    "tmall": "multi-behavior",
    "rees46": "rees46-sample",
}


async def _import(url, shared_data, name, tmp_path):
    folder = shared_data / FOLDERS[name]
    if not folder.is_dir():
        pytest.skip(f"no data set at {folder}")
    report = await import_dataset(url, name, folder, rejects=tmp_path / "rejects.jsonl")
    assert report.read == report.inserted + report.duplicates + sum(report.rejected.values()) - _made(report)
    return report


def _made(report):
    """Items made of the events' ids were not read anywhere."""
    items = report.tables.get("items")
    return items.inserted if items and not items.ready else 0


async def _rows(url, query):
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def _types(url):
    return dict(await _rows(url, "SELECT event_type, count(*) FROM events GROUP BY 1"))


async def test_movielens_100k(database_url, shared_data, tmp_path):
    # Promise: ratings with value and time, full titles with their year, genres as categories.
    report = await _import(database_url, shared_data, "movielens-100k", tmp_path)
    assert {name: table.inserted for name, table in report.tables.items()} == {
        "users": 943,
        "items": 1_682,
        "events": 100_000,
    }
    assert report.rejected == {}
    assert await _rows(database_url, "SELECT min(occurred_at)::text, max(occurred_at)::text FROM events") == [
        ("1997-09-20 03:05:10+00", "1998-04-22 23:10:38+00")
    ]
    values = await _rows(database_url, "SELECT value::int, count(*) FROM events GROUP BY 1 ORDER BY 1")
    assert values == [(1, 6_110), (2, 11_370), (3, 27_145), (4, 34_174), (5, 21_201)]
    film = await _rows(database_url, "SELECT title, categories FROM items WHERE item_id = '1'")
    assert film == [("Toy Story (1995)", ["Animation", "Children's", "Comedy"])]
    again = await _import(database_url, shared_data, "movielens-100k", tmp_path)
    assert (again.inserted, again.updated) == (0, 0)


async def test_movielens_1m_has_made_up_times_in_the_real_order(database_url, shared_data, tmp_path):
    # Promise: each user's order is the file's, pairs of unknown place are set aside, and the summary says so.
    report = await _import(database_url, shared_data, "movielens-1m", tmp_path)
    assert report.rejected == {"no_position": 598}
    assert report.tables["events"].inserted == 999_611
    assert (report.tables["users"].inserted, report.tables["items"].inserted) == (6_040, 3_883)
    assert "has no times" in report.notes[0]
    first = "SELECT item_id FROM events WHERE user_id = '1' ORDER BY occurred_at LIMIT 2"
    assert await _rows(database_url, first) == [("3186",), ("1270",)]
    span = "SELECT min(occurred_at) >= '2000-05-01Z', max(occurred_at) < '2001-05-01Z' FROM events"
    assert await _rows(database_url, span) == [(True, True)]
    ties = "SELECT count(*) - count(DISTINCT occurred_at) FROM events WHERE user_id = '4169'"
    assert await _rows(database_url, ties) == [(0,)]


async def test_online_retail_is_cleaned_as_described(database_url, shared_data, tmp_path):
    # Promise: 396,337 clean lines; every other line is a reject with its reason; exact duplicates count once.
    report = await _import(database_url, shared_data, "online-retail", tmp_path)
    events = report.tables["events"]
    assert (events.ready, events.inserted, events.duplicates) == (396_337, 391_150, 5_187)
    assert report.rejected == {
        "no_customer": 135_080,
        "cancellation": 8_905,
        "code_is_no_goods": 1_547,
        "price_not_positive": 40,
    }
    assert sum(report.rejected.values()) == 541_909 - 396_337
    with report.rejects_path.open() as file:
        assert sum(1 for _ in file) == sum(report.rejected.values())
    counts = "SELECT count(DISTINCT user_id), count(DISTINCT item_id), count(DISTINCT (user_id, item_id)) FROM events"
    assert await _rows(database_url, counts) == [(4_334, 3_659, 266_221)]
    price = "SELECT title, price, currency FROM items WHERE item_id = '10002'"
    assert await _rows(database_url, price) == [("INFLATABLE POLITICAL GLOBE", 85, "GBP")]
    # UK local time: winter is UTC, summer an hour ahead of it (products.csv has 2011-06-07 10:44:00 for this product).
    assert await _rows(database_url, "SELECT min(occurred_at)::text FROM events") == [("2010-12-01 08:26:00+00",)]
    summer = "SELECT min(occurred_at)::text FROM events WHERE item_id = '16043'"
    assert await _rows(database_url, summer) == [("2011-06-07 09:44:00+00",)]


async def test_retailrocket_leaves_out_rows_without_time(database_url, shared_data, tmp_path):
    # Promise: the funnel as counted, the test rows rejected, an item for every id.
    report = await _import(database_url, shared_data, "retailrocket", tmp_path)
    assert report.rejected == {"no_time": 2_174}
    assert await _types(database_url) == {"view_item": 75_374, "add_to_cart": 12_456, "purchase": 9_551}
    assert report.tables["items"].inserted == 29_905
    with report.rejects_path.open() as file:
        assert json.loads(file.readline())["row"]["split"] == "test"


async def test_tmall_knows_favourites(database_url, shared_data, tmp_path):
    # Promise: favourites become wishlist events.
    report = await _import(database_url, shared_data, "tmall", tmp_path)
    assert report.rejected == {"no_time": 10_000}
    assert await _types(database_url) == {
        "purchase": 167_862,
        "add_to_cart": 140_068,
        "add_to_wishlist": 49_482,
        "view_item": 113_925,
    }


async def test_rees46_has_categories_brands_prices_and_duplicates(database_url, shared_data, tmp_path):
    # Promise: dotted codes become paths, dollars become cents, five exact duplicates count as such.
    report = await _import(database_url, shared_data, "rees46", tmp_path)
    events = report.tables["events"]
    assert (events.ready, events.inserted, events.duplicates) == (17_435, 17_430, 5)
    types = await _types(database_url)
    assert sum(types.values()) == 17_430
    assert (types["add_to_cart"], types["purchase"]) == (164, 214)  # one of the duplicates is a cart
    people = "SELECT count(DISTINCT user_id), count(DISTINCT item_id), count(DISTINCT session_id) FROM events"
    assert await _rows(database_url, people) == [(4_505, 6_493, 5_066)]
    item = "SELECT categories, price, currency, attributes->>'brand' FROM items WHERE item_id = '3900821'"
    assert await _rows(database_url, item) == [(["appliances/environment/water_heater"], 3320, "USD", "aqua")]


async def test_an_unknown_name_or_a_wrong_folder_is_told(database_url, tmp_path):
    # Promise: the message names what exists, or what is missing.
    with pytest.raises(ImportProblem, match="there are: movielens-100k"):
        await import_dataset(database_url, "netflix", tmp_path)
    with pytest.raises(ImportProblem, match=r"ml-100k\.user"):
        await import_dataset(database_url, "movielens-100k", tmp_path)

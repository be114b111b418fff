"""The catalog's index finds items by words and categories, in order of popularity, page by page."""

import random
from array import array

import orjson
import pytest

from evershelf.gateway.catalog_words import LOOKS_MAX, CatalogWords, words_of

TITLES = {
    "mug-1": "Nordvik Enamel Travel Mug",
    "mug-2": "Tea Mug, Porcelain",
    "pan-1": "Crêpe Pan",
    "pan-2": "Copper Frying Pan",
    "vase": "Porcelain Vase",
    "gone": "Porcelain Teapot",
}
POPULAR = ["pan-2", "mug-2", "vase"]


class FakeShelf:
    """What the index asks of a shelf."""

    def __init__(self, titles, popular, hidden=()):
        self.version = "s1"
        self.ids = list(titles)
        self._titles = titles
        self.popular_positions = [self.ids.index(item_id) for item_id in popular]
        self.hidden = set(hidden)

    def __len__(self):
        return len(self.ids)

    def body(self, item_id):
        return orjson.dumps({"item_id": item_id, "title": self._titles[item_id]})

    def categories_of(self, item_id):
        group = item_id.partition("-")[0]
        return (f"home/{group}", "home")

    def open(self, item_id):
        return item_id not in self.hidden

    def eligible(self, item_id, _now_s):
        return self.open(item_id)


@pytest.fixture
def shelf():
    return FakeShelf(TITLES, POPULAR, hidden=["gone"])


@pytest.fixture
def words(shelf):
    return CatalogWords(shelf)


def found(words, shelf, text, category=None, **given):
    given = {"start": 0, "now_s": 0.0, "limit": 10} | given
    return words.search(text, category, shelf=shelf, **given).item_ids


def test_words_lose_case_and_accents():
    assert words_of("Crêpe-Pan, 24 CM") == ["crepe", "pan", "24", "cm"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["pan-2", "mug-2", "vase", "mug-1", "pan-1"]),
        ("porcelain", ["mug-2", "vase"]),
        ("porcelain mug", ["mug-2"]),
        ("porc", ["mug-2", "vase"]),
        ("CREPE p", ["pan-1"]),
        ("mug porc", ["mug-2"]),
        ("porc mug", []),  # only the last word may be cut short
        ("nothing", []),
        ("teapot", []),  # hidden
        ("...", ["pan-2", "mug-2", "vase", "mug-1", "pan-1"]),
    ],
)
def test_all_words_must_stand_in_the_title_the_last_as_a_prefix(words, shelf, text, expected):
    # Promise: what is found holds every word, may be shown, and comes the most popular first.
    assert found(words, shelf, text) == expected


def test_a_category_holds_what_lies_in_or_below_it(words, shelf):
    # Promise: a category narrows the search, and an unknown one finds nothing.
    assert found(words, shelf, "", "home/pan") == ["pan-2", "pan-1"]
    assert found(words, shelf, "copper", "home/pan") == ["pan-2"]
    assert found(words, shelf, "copper", "home/mug") == []
    assert found(words, shelf, "", "attic") == []
    assert [(each.path, each.items) for each in words.categories] == [
        ("home", 5), ("home/mug", 2), ("home/pan", 2), ("home/vase", 1),
    ]  # fmt: skip


def test_pages_follow_each_other_without_gap_or_repeat(words, shelf):
    # Promise: going on where a page says gives everything once, in one order.
    whole, start = [], 0
    while start is not None:
        page = words.search("", None, start=start, shelf=shelf, now_s=0.0, limit=2)
        whole += page.item_ids
        start = page.next_rank
    assert whole == found(words, shelf, "")
    assert words.rank("mug-2") == 1
    assert words.rank("attic") is None
    assert words.at_rank(1) == "mug-2"


def test_ids_are_found_by_how_they_begin(words):
    # Promise: a prefix finds ids in their order, hidden ones too, also behind a given one.
    assert words.with_prefix("mug", after="", limit=10) == ["mug-1", "mug-2"]
    assert words.with_prefix("mug", after="mug-1", limit=10) == ["mug-2"]
    assert words.with_prefix("zzz", after="", limit=10) == []


def test_a_search_that_finds_little_is_cut_short_and_goes_on():
    # Promise: no page takes more than LOOKS_MAX looks; following its word, the one item is found.
    rare = {f"item-{number:05d}": "common thing" for number in range(2 * LOOKS_MAX)} | {"last": "common gem"}
    shelf = FakeShelf(rare, [])
    shelf.hidden = set(rare) - {"last"}
    words = CatalogWords(shelf)
    pages, start, ids = 0, 0, []
    while start is not None:
        page = words.search("common", None, start=start, shelf=shelf, now_s=0.0, limit=5)
        pages, start = pages + 1, page.next_rank
        ids += page.item_ids
    assert ids == ["last"]
    assert pages == 3


def test_the_index_agrees_with_a_plain_scan():
    # Promise: on a random catalog, every search finds exactly what reading all titles finds.
    chance = random.Random(5)
    vocabulary = ["red", "reed", "blue", "blues", "tea", "team", "mug", "pan", "panel"]
    titles = {f"i{number}": " ".join(chance.choices(vocabulary, k=3)) for number in range(400)}
    shelf = FakeShelf(titles, chance.sample(sorted(titles), 50))
    words = CatalogWords(shelf)
    assert sorted(words._by_rank) == list(range(400))
    assert isinstance(words._by_rank, array)
    for _ in range(60):
        asked = chance.choices(vocabulary, k=2)
        asked[1] = asked[1][: chance.randint(1, 5)]
        plain = {
            item_id
            for item_id, title in titles.items()
            if asked[0] in title.split() and any(word.startswith(asked[1]) for word in title.split())
        }
        got = found(words, shelf, " ".join(asked), limit=400)
        assert set(got) == plain
        assert got == sorted(got, key=words.rank)

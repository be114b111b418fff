"""The ladder's promise: min(k, eligible) distinct, eligible items, deterministic, each saying why."""

from hypothesis import given
from hypothesis import strategies as st

from evershelf.contracts.recommendations import Reason, Source
from evershelf.policy.ladder import Rung, baseline, causes_of_related
from tests.policy.fake_shelf import FakeShelf, ask

SHOP = FakeShelf(
    catalog={"mug": ("kitchen",), "pan": ("kitchen",), "lamp": ("living",), "sofa": ("living",)},
    popular_list=[("lamp", 9.0), ("mug", 5.0)],
    related_table={"mug": [("pan", 0.8), ("lamp", 0.2)], "sofa": [("lamp", 0.9)]},
    category_table={"kitchen": [("mug", 5.0), ("pan", 1.0)], "living": [("lamp", 9.0)]},
    static_list=[("sofa", 1.0)],
)


def offered(shelf, query) -> list[tuple[str, Source, Reason]]:
    return [(item_id, rung.source, rung.outcome) for rung in baseline(shelf, query) for item_id, _ in rung.items]


def test_an_unknown_visitor_gets_what_is_popular_filled_from_the_static_list():
    assert baseline(SHOP, ask(k=3)) == [
        Rung(Source.RELATED, Reason.NOTHING_TO_OFFER, []),
        Rung(Source.POPULAR_IN_CATEGORY, Reason.NOTHING_TO_OFFER, []),
        Rung(Source.POPULAR, Reason.POPULAR, [("lamp", 9.0), ("mug", 5.0)]),
        Rung(Source.STATIC, Reason.STATIC, [("sofa", 1.0)]),
    ]


def test_a_history_is_answered_with_related_items_that_name_their_cause():
    query = ask(k=2, history=("mug", "sofa"))
    # pan: .8 from the newest seed; lamp: .2 from it and half of .9 from the one before.
    assert [each[:2] for each in offered(SHOP, query)] == [("pan", Source.RELATED), ("lamp", Source.RELATED)]
    causes_of = causes_of_related(SHOP, query)
    assert [(cause.item_id, cause.share) for cause in causes_of("pan")] == [("mug", 1.0)]
    assert [cause.item_id for cause in causes_of("lamp")] == ["sofa", "mug"]
    assert sum(cause.share for cause in causes_of("lamp")) == 1.0
    assert causes_of("bed") == ()


def test_related_items_of_equal_weight_stand_in_the_order_of_their_seeds():
    related = {"a": [("z", 0.5), ("b", 0.5)], "b": [("c", 1.0)]}
    shelf = FakeShelf(catalog=dict.fromkeys("abcz", ()), related_table=related)
    assert [each[0] for each in offered(shelf, ask(k=3, history=("a", "b")))] == ["z", "b", "c"]


def test_what_one_question_made_is_no_other_ones_answer():
    # Promise: lists are kept by all that they depend on: the seeds, and how much of each row is looked at.
    row = [(f"item-{number}", 1.0 - number / 100) for number in range(30)]
    shelf = FakeShelf(catalog={name: ("all",) for name, _ in [*row, ("seed", 0), ("other", 0)]},
                      related_table={"seed": row, "other": [("item-29", 1.0)]})  # fmt: skip
    found = [
        [each for each in offered(shelf, ask(k=k, history=history, category=category)) if each[1] is Source.RELATED]
        for k, history, category in [(2, ("seed",), None), (20, ("seed",), None), (2, ("other",), None),
                                     (20, ("seed",), "all")]
    ]  # fmt: skip
    assert [len(each) for each in found] == [2, 20, 1, 20]
    assert len(shelf.made) == 4


def test_the_items_on_the_page_count_before_the_history():
    assert offered(SHOP, ask(k=1, history=("sofa",), context_items=("mug",))) == [
        ("pan", Source.RELATED, Reason.CONTEXTUAL)
    ]


def test_a_category_is_kept_on_every_rung():
    assert {each[0] for each in offered(SHOP, ask(k=4, category="kitchen", history=("sofa",)))} == {"mug", "pan"}


def test_the_favourite_category_comes_from_the_history():
    shelf = FakeShelf(catalog=SHOP.catalog, category_table=SHOP.category_table, popular_list=SHOP.popular_list)
    query = ask(k=1, history=("mug", "pan", "sofa"), hidden=frozenset({"mug"}))
    assert offered(shelf, query) == [("pan", Source.POPULAR_IN_CATEGORY, Reason.FAVOURITE_CATEGORY)]


def test_an_item_that_no_list_holds_is_still_found_before_the_shelf_has_a_gap():
    assert offered(FakeShelf(catalog={"only": ()}), ask(k=5)) == [("only", Source.STATIC, Reason.STATIC)]


IDS = st.sampled_from([f"item-{number}" for number in range(12)])
LISTS = st.lists(st.tuples(IDS, st.floats(0, 1e6)), max_size=12)


@given(
    catalog=st.sets(IDS), popular=LISTS, related=st.dictionaries(IDS, LISTS), gone=st.frozensets(IDS),
    history=st.lists(IDS, unique=True), hidden=st.frozensets(IDS), k=st.integers(1, 15),
)  # fmt: skip
def test_the_shelf_holds_min_k_eligible_whatever_the_lists_hold(catalog, popular, related, gone, history, hidden, k):
    """G4: unique, eligible, and as many as there are."""
    shelf = FakeShelf(dict.fromkeys(catalog, ()), popular_list=popular, related_table=related, gone=gone)
    query = ask(k=k, history=tuple(history), hidden=hidden)
    found = [each[0] for each in offered(shelf, query)]
    eligible = catalog - gone - hidden
    assert len(found) == len(set(found)) == min(k, len(eligible))
    assert set(found) <= eligible
    assert baseline(shelf, query) == baseline(shelf, query)

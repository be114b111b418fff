"""The demo shop's catalog reads like a shop's, and its pictures are small, safe and all different."""

from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from evershelf.demo.catalog import draw_catalog
from evershelf.demo.departments import BRANDS, CATEGORIES, TASTES
from evershelf.demo.pictures import MOTIFS, picture_svg

PICTURE_BYTES_MAX = 3_000


@pytest.fixture(scope="module")
def items():
    return draw_catalog(np.random.default_rng(3), datetime(2026, 1, 1, tzinfo=UTC)).items


def test_titles_and_ids_are_unique_and_prices_lie_in_their_band(items):
    # Promise: no two items read alike; a mug costs what mugs cost.
    bands = {category.path: category for category in CATEGORIES}
    assert len({item.title for item in items}) == len({item.item_id for item in items}) == len(items)
    for item in items:
        band = bands[item.categories[0]]
        assert band.price_low - 100 <= item.price <= band.price_high
        assert item.attributes["brand"] in BRANDS[band.path.split("/")[0]]
        assert item.attributes["brand"] in item.title
        assert item.image_url == f"/pictures/{item.item_id}.svg"


def test_the_tables_fit_together():
    # Promise: each category has its own prefix and a drawn motif, each taste likes categories that exist.
    paths = {category.path for category in CATEGORIES}
    assert len({category.prefix for category in CATEGORIES}) == len(paths) == len(CATEGORIES)
    assert {category.motif for category in CATEGORIES} == set(MOTIFS)
    assert {path for liked in TASTES.values() for path in liked} <= paths
    assert all(2 <= path.count("/") + 1 <= 3 for path in paths)


def test_pictures_are_well_formed_small_and_refer_to_nothing_outside(items):
    # Promise: a picture is safe to show as it is, and the same item always looks the same.
    pictures = [picture_svg(item) for item in items]
    assert len(set(pictures)) > 0.99 * len(pictures)
    for item, picture in list(zip(items, pictures, strict=True))[::20]:
        tags = {element.tag.rpartition("}")[2] for element in ET.fromstring(picture).iter()}
        assert tags <= {"svg", "g", "rect", "circle", "ellipse", "path"}
        assert "href" not in picture
        assert "{" not in picture
        assert len(picture.encode()) < PICTURE_BYTES_MAX
        assert picture_svg(item) == picture


def test_an_item_from_elsewhere_gets_a_picture_too(items):
    # Promise: the drawing does not depend on the generator's own categories and colours.
    stranger = items[0].model_copy(update={"categories": ("elsewhere",), "attributes": {}})
    assert ET.fromstring(picture_svg(stranger)).tag.endswith("svg")

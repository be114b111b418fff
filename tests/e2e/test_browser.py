"""Storefront and console in a real browser, with every process real, and some of them killed on the way."""

import json

import pytest

from tests.e2e.conftest import WEB, World

# The first test also waits for the world to be made.
pytestmark = pytest.mark.timeout(1_200)


def test_a_shopper_walks_from_the_front_page_to_an_order(world: World):
    # Promise: shelves are full, the cart keeps what is put in, up to the cart without JavaScript too; what is done
    # changes the next answer; everything can be reached by keyboard and passes axe.
    world.walk("shopper")


def test_an_operator_sees_everything_with_real_data(world: World):
    # Promise: the console is shut without its password; each of its pages shows what really happened, in both themes.
    world.walk("console")


def test_no_page_has_an_axe_violation_or_moves(world: World):
    # Promise: each page of both areas passes axe (WCAG 2.2 AA), and what it paints stays where it is.
    world.walk("figures")
    for path, figures in json.loads((WEB / "screenshots" / "figures.json").read_text()).items():
        print(path, figures)


def test_an_operator_changes_what_serves(world: World):
    # Promise: promoting, rolling back, suppressing and editing a placement ask first, take effect, and are audited.
    world.walk("changes")


def test_a_drill_leaves_the_shelves_full_and_says_why(world: World):
    # Promise: a drill started from the console takes inference away; the storefront is full and tells the reason.
    world.walk("drill")


def test_without_inference_and_postgresql_the_shop_is_full_and_quick(world: World):
    # Promise: with both killed, shelves are full and say why, and the page is painted in time and does not move.
    world.rig.kill("inference")
    world.rig.kill_postgres()
    world.walk("outage")
    print((WEB / "screenshots" / "figures-outage.json").read_text())


def test_with_everything_stopped_but_web_the_last_list_is_shown(world: World):
    # Promise: the storefront shows the last list, also after a restart of its own; the console keeps what it read.
    world.walk("alone")  # it kills the gateway itself, while pages are open
    world.await_last_lists()
    world.rig.kill("web")
    world.start_web()
    world.walk("restarted")

"""The web part's own unit tests, run by vitest."""

import subprocess

import pytest

from evershelf.supervision.web import NoWebError, find_node
from tests.e2e.conftest import WEB

pytestmark = pytest.mark.timeout(300)


def test_units_of_the_web_part():
    # Promise: carts, last lists, events, sessions and words behave as tests/units say.
    vitest = WEB / "node_modules" / "vitest" / "vitest.mjs"
    if not vitest.is_file():
        pytest.skip("the web part's packages are not installed: `make web` brings them")
    try:
        node = find_node()
    except NoWebError as error:
        pytest.skip(str(error))
    done = subprocess.run([str(node), str(vitest), "run"], cwd=WEB, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4_000:] + done.stderr[-2_000:]

"""What all simulation tests begin with: one registry, and a gateway that does not log."""

import logging
from collections.abc import Iterator

import pytest
import structlog

from evershelf.simulation.run import Template


@pytest.fixture(scope="session")
def template() -> Iterator[Template]:
    template = Template.build()
    yield template
    template.close()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)

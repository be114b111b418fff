"""Both API documents against the running services: made-up requests, sound and unsound, get what the documents say.

Few examples here, always the same; `make fuzz` tries many new ones.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator

import httpx2
import pytest
import pytest_asyncio
import schemathesis
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from evershelf.gateway.app import create_app as create_gateway
from evershelf.gateway.settings import GatewaySettings
from evershelf.inference.app import create_app as create_inference
from evershelf.inference.settings import InferenceSettings
from tests.gateway.gateway_world import SECRET, World, open_world
from tests.inference.fake_model import publish_champion

pytestmark = pytest.mark.asyncio(loop_scope="module")
EXAMPLES = int(os.environ.get("EVERSHELF_TEST_FUZZ_EXAMPLES", "0"))
FEW = 3
REQUEST_S = 20.0
START_S = 90.0
CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
    response_headers_conformance,
]  # fmt: skip
GATEWAY = schemathesis.openapi.from_dict(create_gateway(GatewaySettings(key_secret=SECRET)).openapi())
INFERENCE = schemathesis.openapi.from_dict(create_inference(InferenceSettings()).openapi())


def operations(schema):
    return [pytest.param(each.ok(), id=each.ok().label) for each in schema.get_all_operations()]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def gateway(postgres, tmp_path_factory) -> AsyncIterator[World]:
    async with open_world(postgres.url, tmp_path_factory.mktemp("documents")) as world:
        yield world


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def inference(tmp_path_factory) -> AsyncIterator[str]:
    folder = tmp_path_factory.mktemp("inference")
    publish_champion(folder / "registry", "m1")
    chosen = InferenceSettings(registry=str(folder / "registry"), inference_cache_dir=folder / "cache")
    server = uvicorn.Server(uvicorn.Config(create_inference(chosen), ws="none", log_config=None))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        task = asyncio.create_task(server._serve([listening]))  # without its signal handlers
        while not server.started:
            assert not task.done(), task.exception()
            await asyncio.sleep(0.01)
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        await ready(address)
        yield address
        server.should_exit = True
        await task


async def ready(address: str) -> None:
    async with httpx2.AsyncClient(base_url=address) as client, asyncio.timeout(START_S):
        status = 0
        while status != 200:
            status = (await client.get("/readyz")).status_code
            await asyncio.sleep(0.05)


async def holds(operation, address, headers) -> None:
    """Promise: sound requests and unsound ones get a status, a type and a body that the document knows, and no 5xx."""
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

        @settings(
            max_examples=EXAMPLES or FEW, derandomize=not EXAMPLES, database=None, deadline=None,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(operation.as_strategy(generation_mode=mode))
        def answers(case):
            case.call_and_validate(address, headers=headers, checks=CHECKS, timeout=REQUEST_S)

        try:
            await asyncio.to_thread(answers)
        except Unsatisfiable:  # of an operation without parameters and body, no request is unsound
            assert mode is GenerationMode.NEGATIVE
        except Exception as error:  # noqa: BLE001 - what it says is enough: its traceback is that of a generator of code
            pytest.fail("\n\n".join(str(each) for each in flat(error)), pytrace=False)


def flat(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [part for each in error.exceptions for part in flat(each)]
    return [error]


@pytest.mark.parametrize("operation", operations(GATEWAY))
async def test_the_gateway_answers_as_its_document_says(gateway, operation):
    await holds(operation, f"http://127.0.0.1:{gateway.port}", gateway.bearer("admin"))


@pytest.mark.parametrize("operation", operations(INFERENCE))
async def test_inference_answers_as_its_document_says(inference, operation):
    await holds(operation, inference, {})

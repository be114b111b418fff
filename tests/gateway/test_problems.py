"""Whatever goes wrong, the caller gets application/problem+json whose type can be looked up."""

import pytest
from fastapi import APIRouter, Request
from pydantic import BaseModel

from evershelf.contracts.problems import Problem, ProblemType
from evershelf.gateway.problem_meanings import MEANINGS
from evershelf.gateway.problems import MEDIA_TYPE, ProblemError, read_body
from evershelf.gateway.routes import problems as pages
from tests.gateway.small_app import client, small_parts

LIMIT_BYTES = 1_000


class Parcel(BaseModel):
    """What the test's route takes."""

    weight_g: int


def routes(seen: list[int]) -> APIRouter:
    router = APIRouter()

    @router.post("/v1/parcels")
    async def take(parcel: Parcel) -> Parcel:
        return parcel

    @router.post("/v1/raw")
    async def read(request: Request) -> int:
        return len(await read_body(request, LIMIT_BYTES))

    @router.get("/v1/fail/{problem_type}")
    async def fail(problem_type: ProblemType) -> None:
        raise ProblemError(problem_type, "on purpose")

    @router.get("/v1/bug")
    async def bug() -> None:
        seen.append(1)
        raise RuntimeError("user-4711 was here")

    return router


@pytest.fixture
def parts():
    return small_parts()


@pytest.fixture
async def session(parts):
    async with client(parts, routes([]), pages.router) as session:
        yield session


def problem_of(response) -> Problem:
    assert response.headers["Content-Type"] == MEDIA_TYPE
    problem = Problem.model_validate_json(response.content)
    assert problem.status == response.status_code
    return problem


@pytest.mark.parametrize("problem_type", ProblemType)
async def test_every_type_leads_to_its_page(session, problem_type):
    # Promise: `type` is an address, and what answers there says what it means and what to do.
    response = await session.get(f"/v1/fail/{problem_type.value}")
    problem = problem_of(response)
    assert response.status_code == MEANINGS[problem_type].status
    page = (await session.get(problem.type)).json()
    assert page["title"] == problem.title
    assert page["meaning"]
    assert page["advice"]
    assert ("Retry-After" in response.headers) == (response.status_code == 503)


async def test_a_page_is_html_for_people(session):
    # Promise: a browser gets a page, and nothing of the address comes back unescaped.
    page = await session.get("/problems/not-found", headers={"Accept": "text/html,*/*"})
    assert page.headers["Content-Type"].startswith("text/html")
    assert "What to do" in page.text
    unknown = await session.get("/problems/%3Cscript%3E")
    assert problem_of(unknown).type == "/problems/not-found"
    assert "<script>" not in unknown.text


@pytest.mark.parametrize("body", [b"{", b"", b"\xff\xfe", b"weight_g=1"])
async def test_what_is_no_json_is_malformed(session, body):
    # Promise: a body that is not JSON is told so; an empty one lacks what is needed.
    problem = problem_of(await session.post("/v1/parcels", content=body, headers={"Content-Type": "application/json"}))
    assert problem.type == ("/problems/malformed-json" if body else "/problems/invalid-request")


async def test_an_invalid_field_is_named_and_its_value_is_not_repeated(session):
    # Promise: the caller learns which field to mend; what was sent does not come back.
    problem = problem_of(await session.post("/v1/parcels", json={"weight_g": "secret-weight"}))
    assert problem.type == "/problems/invalid-request"
    assert [parameter.name for parameter in problem.invalid_parameters] == ["weight_g"]
    assert "secret-weight" not in problem.model_dump_json()


async def test_unknown_paths_and_methods_are_problems_too(session):
    # Promise: 404 and 405 have the same form as all else; 405 says what is allowed.
    assert problem_of(await session.get("/nothing")).type == "/problems/not-found"
    refused = await session.delete("/v1/parcels")
    assert problem_of(refused).type == "/problems/method-not-allowed"
    assert refused.headers["Allow"] == "POST"


async def test_a_bug_is_counted_and_tells_nothing(session, parts):
    # Promise: the caller of a bug learns that there is one, not what it said; it is counted.
    response = await session.get("/v1/bug")
    assert problem_of(response).type == "/problems/internal-error"
    assert "4711" not in response.text
    assert b'evershelf_caught_errors_total{boundary="request"} 1.0' in parts.telemetry.exposition()


async def test_reading_stops_at_the_limit_without_a_length(session):
    # Promise: a body without Content-Length is read no further than the limit.
    sent = []

    async def endless():
        while len(sent) < 1_000:
            sent.append(1)
            yield b"x" * 100

    problem = problem_of(await session.post("/v1/raw", content=endless()))
    assert problem.type == "/problems/body-too-large"


async def test_a_body_of_exactly_the_limit_is_read(session):
    # Promise: the limit itself is allowed, one byte more is not.
    assert (await session.post("/v1/raw", content=b"x" * LIMIT_BYTES)).json() == LIMIT_BYTES
    assert problem_of(await session.post("/v1/raw", content=b"x" * (LIMIT_BYTES + 1))).status == 413


async def test_an_encoded_body_is_refused(session):
    # Promise: a small body that inflates to a huge one is never inflated.
    response = await session.post("/v1/raw", content=b"x", headers={"Content-Encoding": "gzip"})
    assert problem_of(response).type == "/problems/invalid-request"


async def test_every_answer_forbids_sniffing_and_api_answers_are_not_kept(session):
    # Promise: no cache keeps an answer of the API, no browser guesses its type.
    for response in (await session.post("/v1/parcels", json={"weight_g": 1}), await session.get("/v1/bug")):
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Cache-Control"] == "no-store"

"""The OpenAPI document costs others nothing: it is made once, beside the event loop, and is FastAPI's own."""

import asyncio
import json
from threading import Event

import pytest
from fastapi import FastAPI

from evershelf.gateway.description import Description

PATIENCE_S = 30.0


class SlowApp(FastAPI):
    """Describes itself only once it is told to."""

    def __init__(self) -> None:
        super().__init__(title="slow")
        self.may_go_on = Event()
        self.described = 0

    def openapi(self):
        assert self.may_go_on.wait(PATIENCE_S)
        self.described += 1
        return super().openapi()


async def test_a_failure_is_not_kept():
    # Promise: the document that could not be made once is made for the next who asks.
    app = SlowApp()
    app.openapi_version = None  # which pydantic refuses
    description = Description(app)
    app.may_go_on.set()
    with pytest.raises(ValueError, match="openapi"):
        await description.answer(None)
    app.openapi_version = "3.1.0"
    assert json.loads((await description.answer(None)).body)["openapi"] == "3.1.0"


async def test_the_event_loop_goes_on_while_the_document_is_made():
    # Promise: a caller without a key cannot hold up answers (G2); before, it took 0.6 s of everybody's time.
    app = SlowApp()
    description = Description(app)
    asked = [asyncio.create_task(description.answer(None)) for _ in range(20)]
    await asyncio.sleep(0)
    asked[0].cancel()  # one who leaves takes it from nobody else
    app.may_go_on.set()  # only a loop that was not held up comes to this line
    left, *answers = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(left, asyncio.CancelledError)
    assert {answer.body for answer in answers} == {answers[0].body}
    assert json.loads(answers[0].body) == app.openapi()
    assert app.described == 2  # once for all of them, once for the line above

"""The scorer behind plain FastAPI, and a front that asks it with httpx: `python plain.py scorer|front`."""

import os
import sys

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel


class Asked(BaseModel):
    """Whose list is wanted."""

    history: list[str]
    k: int


class Answer(BaseModel):
    """The list."""

    items: list[str]
    scores: list[float]


def main() -> None:
    """Serves one of the two."""
    app = {"scorer": scorer_app, "front": front_app}[sys.argv[1]]()

    @app.get("/readyz")
    def ready() -> str:
        return "ready"

    uvicorn.run(app, port=int(os.environ["PORT"]), log_level="error", access_log=False)


def scorer_app() -> FastAPI:
    """The model behind one route."""
    import scorer

    app, model = FastAPI(), scorer.load()

    @app.post("/rank")
    async def rank(asked: Asked) -> Answer:
        items, scores = scorer.rank(model, asked.history, asked.k)
        return Answer(items=items, scores=scores)

    return app


def front_app() -> FastAPI:
    """Passes on what it is asked."""
    import httpx

    app, client = FastAPI(), httpx.AsyncClient(base_url=os.environ["SCORER"], timeout=30.0)

    @app.post("/rank")
    async def rank(asked: Asked) -> Answer:
        reply = await client.post("/rank", json=asked.model_dump())
        return Answer.model_validate_json(reply.content)

    return app


if __name__ == "__main__":
    main()

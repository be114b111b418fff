"""The scorer behind BentoML: one worker, no access log, an asynchronous handler, so that no thread is in the way."""

from typing import Any

import bentoml
import scorer


@bentoml.service(name="scorer", workers=1, traffic={"timeout": 30}, logging={"access": {"enabled": False}})
class Scorer:
    """The model in the worker's memory."""

    def __init__(self) -> None:
        self.model = scorer.load()

    @bentoml.api
    async def rank(self, history: list[str], k: int) -> dict[str, Any]:
        """Ids and scores."""
        items, scores = scorer.rank(self.model, history, k)
        return {"items": items, "scores": scores}

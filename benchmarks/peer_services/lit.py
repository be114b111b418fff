"""The scorer behind LitServe: one worker, one server process, nothing logged."""

import os
from typing import Any

import litserve
import scorer


class Scorer(litserve.LitAPI):
    """The model in the worker's memory."""

    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe's own signature
        """Loads the model."""
        self.model = scorer.load()

    def predict(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Ids and scores."""
        items, scores = scorer.rank(self.model, asked["history"], asked["k"])
        return {"items": items, "scores": scores}


if __name__ == "__main__":
    server = litserve.LitServer(Scorer(), accelerator="cpu", workers_per_device=1)
    server.run(port=int(os.environ["PORT"]), num_api_servers=1, log_level="error", generate_client_file=False)

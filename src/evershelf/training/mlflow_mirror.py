"""Mirrors a training run to an MLflow server, when MLFLOW_TRACKING_URI names one; nothing here can fail a run.

By MLflow's REST API (version 2.0) alone, so that no client library is needed. Serving knows nothing of it.
"""

import json
import os
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evershelf.registry.artifact import ArtifactRefused
from evershelf.registry.store import Registry
from evershelf.training.pipeline import TrainingOutcome

URI_VARIABLE = "MLFLOW_TRACKING_URI"
EXPERIMENT_VARIABLE = "MLFLOW_EXPERIMENT_NAME"
NAME = "evershelf"
TIMEOUT_S = 10.0
ARTIFACT_BYTES_MAX = 512 * 2**20
PARAMETERS_MAX, METRICS_MAX = 100, 1_000
VALUE_LENGTH_MAX = 500


def mirror(outcome: TrainingOutcome, registry: Registry, *, warn: Callable[[str], None]) -> bool:
    """Whether the run was mirrored; a server that refuses or is away is a warning."""
    uri = os.environ.get(URI_VARIABLE, "")
    if not uri.startswith(("http://", "https://")):
        return False
    try:
        _Server(uri.rstrip("/")).record(outcome, registry)
    except (OSError, ValueError, KeyError, ArtifactRefused) as error:
        warn(f"evershelf: not mirrored to MLflow: {type(error).__name__}: {error}")
        return False
    return True


class _Server:
    """The few calls of the REST API that are needed."""

    def __init__(self, uri: str) -> None:
        self._uri = uri

    def record(self, outcome: TrainingOutcome, registry: Registry) -> None:
        manifest = outcome.manifest
        experiment_id = self._experiment(os.environ.get(EXPERIMENT_VARIABLE, NAME))
        at_ms = int(manifest.created_at.timestamp() * 1_000)
        run = self._post(
            "runs/create", {"experiment_id": experiment_id, "start_time": at_ms, "run_name": manifest.version}
        )["run"]["info"]
        told = {**manifest.parameters, "seed": manifest.seed, "data_sha256": manifest.data.sha256}
        failed = [check.name for check in manifest.gate if not check.passed]
        self._post(
            "runs/log-batch",
            {
                "run_id": run["run_id"],
                "params": [
                    {"key": name, "value": str(value)[:VALUE_LENGTH_MAX]}
                    for name, value in list(told.items())[:PARAMETERS_MAX]
                ],
                "metrics": [
                    {"key": name, "value": value, "timestamp": at_ms, "step": 0}
                    for name, value in list(manifest.metrics.items())[:METRICS_MAX]
                ],
                "tags": [
                    {"key": "evershelf.version", "value": manifest.version},
                    {"key": "evershelf.promoted", "value": str(outcome.promoted).lower()},
                    {"key": "evershelf.failed_checks", "value": ", ".join(failed)},
                ],
            },
        )
        self._upload(run, outcome, registry)
        self._register(run, outcome)
        self._post("runs/update", {"run_id": run["run_id"], "status": "FINISHED", "end_time": at_ms})

    def _experiment(self, name: str) -> str:
        try:
            query = urllib.parse.urlencode({"experiment_name": name})
            found = self._call("GET", f"/api/2.0/mlflow/experiments/get-by-name?{query}")
            return str(found["experiment"]["experiment_id"])
        except urllib.error.HTTPError as error:
            error.close()
            return str(self._post("experiments/create", {"name": name})["experiment_id"])

    def _upload(
        self, run: dict[str, Any], outcome: TrainingOutcome, registry: Registry
    ) -> None:  # Any: the server's JSON
        """The version's files, if the server proxies artifacts; else their place in our registry stands in the tags."""
        manifest = outcome.manifest
        scheme, _, path = str(run.get("artifact_uri", "")).partition(":")
        if scheme != "mlflow-artifacts" or sum(file.size_bytes for file in manifest.files) > ARTIFACT_BYTES_MAX:
            return
        with tempfile.TemporaryDirectory(prefix="evershelf-mlflow-") as place:
            folder = registry.fetch("models", manifest.version, Path(place))
            for file in sorted(folder.iterdir()):
                target = f"/api/2.0/mlflow-artifacts/artifacts/{path.strip('/')}/{file.name}"
                self._call("PUT", target, file.read_bytes())

    def _register(self, run: dict[str, Any], outcome: TrainingOutcome) -> None:  # Any: the server's JSON
        try:
            self._post("registered-models/create", {"name": NAME})
        except urllib.error.HTTPError as error:
            error.close()  # it is there already
        source = f"runs:/{run['run_id']}"
        made = self._post("model-versions/create", {"name": NAME, "source": source, "run_id": run["run_id"]})
        alias = "champion" if outcome.promoted else "challenger" if outcome.challenging else None
        if alias is not None:
            version = made["model_version"]["version"]
            self._post("registered-models/alias", {"name": NAME, "alias": alias, "version": version})

    def _post(self, name: str, body: dict[str, Any]) -> dict[str, Any]:  # Any: JSON
        return self._call("POST", f"/api/2.0/mlflow/{name}", json.dumps(body).encode())

    def _call(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:  # Any: JSON
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._uri + path, body, headers, method=method)  # noqa: S310 - checked in mirror
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - the same
            text = answer.read()
        found = json.loads(text) if text.strip() else {}
        if not isinstance(found, dict):
            raise ValueError("the answer is no object")  # noqa: TRY004 - what the server said is a value
        return found

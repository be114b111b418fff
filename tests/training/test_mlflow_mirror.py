"""The mirror to MLflow: what its REST API is told, and that a server which is away or refuses costs nothing."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from evershelf.training.mlflow_mirror import mirror
from evershelf.training.pipeline import TrainingOutcome
from tests.inference.fake_model import publish_champion


class Receiver(ThreadingHTTPServer):
    """Answers as an MLflow server does, and remembers what it was told."""

    def __init__(self, *, broken=False):
        super().__init__(("127.0.0.1", 0), Answering)
        self.broken = broken
        self.told = []
        self.thread = threading.Thread(target=self.serve_forever, args=(0.05,))
        self.thread.start()

    def named(self, name):
        return [body for path, body in self.told if path.endswith(name)]


class Answering(BaseHTTPRequestHandler):
    def do_GET(self):
        self._answer(404, {"error_code": "RESOURCE_DOES_NOT_EXIST"})

    def do_PUT(self):
        self.server.told.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
        self._answer(200, {})

    def do_POST(self):
        name = self.path.removeprefix("/api/2.0/mlflow/")
        self.server.told.append((name, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
        info = {"run_id": "r1", "artifact_uri": "mlflow-artifacts:/0/r1/artifacts"}
        answers = {
            "experiments/create": {"experiment_id": "7"},
            "runs/create": {"run": {"info": info}},
            "model-versions/create": {"model_version": {"version": "3"}},
        }
        self._answer(500 if self.server.broken else 200, answers.get(name, {}))

    def _answer(self, status, body):
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def receiver(request, monkeypatch):
    server = Receiver(broken=getattr(request, "param", False))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.server_port}")
    yield server
    server.shutdown()
    server.thread.join()
    server.server_close()


@pytest.fixture
def trained(tmp_path):
    registry = publish_champion(tmp_path / "registry", "m1")
    manifest = registry.manifest("models", "m1").model_copy(update={"parameters": {"trend": 0.5}})
    return TrainingOutcome(manifest, promoted=True, challenging=False, comparison=None, checks=()), registry


def test_parameters_metrics_files_and_alias_are_mirrored(receiver, trained):
    warnings = []
    assert mirror(*trained, warn=warnings.append)
    assert not warnings
    (batch,) = receiver.named("log-batch")
    assert {"key": "trend", "value": "0.5"} in batch["params"]
    assert [(each["key"], each["value"]) for each in batch["metrics"]] == [("ndcg_at_20", 0.1)]
    paths = [path for path, _ in receiver.told if "mlflow-artifacts" in path]
    prefix = "/api/2.0/mlflow-artifacts/artifacts/0/r1/artifacts/"
    assert paths == [f"{prefix}{name}" for name in ("items.json", "manifest.json", "model.safetensors")]
    assert receiver.named("alias") == [{"name": "evershelf", "alias": "champion", "version": "3"}]
    assert receiver.named("runs/update")[0]["status"] == "FINISHED"


@pytest.mark.parametrize("receiver", [True], indirect=True)
@pytest.mark.usefixtures("receiver")
def test_a_server_that_refuses_is_a_warning(trained):
    warnings = []
    assert not mirror(*trained, warn=warnings.append)
    assert len(warnings) == 1


@pytest.mark.parametrize(("uri", "warned"), [("http://127.0.0.1:1", 1), ("", 0), ("file:///tmp/runs", 0)])
def test_no_server_or_none_that_answers_costs_nothing(trained, monkeypatch, uri, warned):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    warnings = []
    assert not mirror(*trained, warn=warnings.append)
    assert len(warnings) == warned

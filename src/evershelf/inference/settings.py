"""The model server's settings, every limit with its unit in its name."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from evershelf.registry.settings import RegistrySettings
from evershelf.tracing.settings import TracingSettings


class InferenceSettings(RegistrySettings, TracingSettings):
    """Settings of one inference process. `inference_port` 0 picks a free port and logs it as `inference_listening`."""

    inference_host: str = "127.0.0.1"
    inference_port: Annotated[int, Field(ge=0, le=65_535)] = 8081
    # Where the port is written once the process listens; for programs that start it with port 0.
    inference_port_file: Path | None = None
    inference_cache_dir: Path = Path("inference-cache")
    inference_poll_s: Annotated[float, Field(gt=0, le=60)] = 1.0
    # After a refused version, the wait before it is looked at again: doubled from the poll up to this.
    inference_refusal_wait_s_max: Annotated[float, Field(gt=0)] = 300.0
    inference_model_bytes_max: Annotated[int, Field(ge=1)] = 2 * 2**30
    # Champion and challenger together, by the size of their files; a challenger beyond is refused.
    inference_models_bytes_max: Annotated[int, Field(ge=1)] = 3 * 2**30
    # Copies on disk: the champion, the challenger, and the previous champion for a quick way back.
    inference_versions_kept: Annotated[int, Field(ge=1)] = 3
    inference_body_bytes_max: Annotated[int, Field(ge=1_024)] = 4 * 2**20
    inference_concurrency_max: Annotated[int, Field(ge=1)] = 64
    # The budget of a request that names none.
    inference_deadline_ms: Annotated[int, Field(ge=1)] = 2_000
    # Ranking runs on the event loop; a request that has held it this long lets the others in between two queries.
    inference_slice_ms: Annotated[float, Field(gt=0)] = 5.0
    inference_grace_s: Annotated[int, Field(ge=1)] = 10

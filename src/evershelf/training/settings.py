"""Settings of the training program: EVERSHELF_TRAINING_*."""

from typing import Annotated, Literal

from pydantic import Field

from evershelf.contracts.settings import Settings


class TrainingSettings(Settings):
    """How much data training asks for, how long it may take, and what a model must reach to serve."""

    training_seed: int = 7
    training_time_limit_s: Annotated[float, Field(gt=0)] = 600.0
    training_candidates_max: Annotated[int, Field(ge=1, le=500)] = 30
    training_extract_timeout_s: Annotated[float, Field(gt=0)] = 1_800.0
    # None: the newest tenth of the events is the test window.
    training_test_days: Annotated[float, Field(gt=0)] | None = None
    training_events_min: Annotated[int, Field(ge=1)] = 1_000
    training_users_min: Annotated[int, Field(ge=1)] = 50
    training_items_min: Annotated[int, Field(ge=1)] = 20
    training_unknown_items_share_max: Annotated[float, Field(ge=0, le=1)] = 0.5
    training_coverage_min: Annotated[float, Field(ge=0, le=1)] = 0.02
    # What becomes of a version that passes the gate: champion at once, or challenger first (docs/concepts/rollout.md).
    training_promotion: Literal["direct", "canary"] = "direct"
    # What a version may take on probation: CPU time of the dearest request, memory beyond an empty process, file sizes.
    training_gate_cpu_ms_max: Annotated[float, Field(gt=0)] = 25.0
    training_gate_memory_bytes_max: Annotated[int, Field(ge=1)] = 2 * 2**30
    training_gate_model_bytes_max: Annotated[int, Field(ge=1)] = 2 * 2**30
    training_gate_probation_s_max: Annotated[float, Field(gt=0)] = 120.0

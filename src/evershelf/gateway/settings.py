"""The gateway's settings: every limit of the reliability boundary, with its unit in its name."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from evershelf.contracts.inference import BATCH_MAX
from evershelf.gateway.hop import Address
from evershelf.registry.settings import RegistrySettings
from evershelf.tracing.settings import TracingSettings

REPLICAS_MAX = 16
Port = Annotated[int, Field(ge=0, le=65_535)]


def _hex_secret(secret: SecretStr) -> SecretStr:
    """Refuses at start what would fail at every request: BLAKE2b takes keys of at most 64 bytes."""
    try:
        length_bytes = len(bytes.fromhex(secret.get_secret_value()))
    except ValueError:
        length_bytes = 0
    if not 16 <= length_bytes <= 64:
        raise ValueError(
            "the key secret must be 16 to 64 bytes in hexadecimal digits, such as `openssl rand -hex 32` makes"
        )
    return secret


def _inference_addresses(urls: str) -> str:
    """Refuses at start what could never be called."""
    addresses = [Address.of(url.strip()) for url in urls.split(",")]
    if len(addresses) > REPLICAS_MAX:
        raise ValueError(f"at most {REPLICAS_MAX} replicas of inference")
    return urls


class GatewaySettings(RegistrySettings, TracingSettings):
    """Settings of one gateway process. Only `key_secret` has no default: without it no key could be verified."""

    gateway_host: str = "127.0.0.1"
    gateway_port: Port = 8080
    gateway_data_dir: Path = Path("gateway-data")
    gateway_head_bytes_max: Annotated[int, Field(ge=1_024)] = 16 * 1_024
    gateway_head_s_max: Annotated[float, Field(gt=0)] = 10.0
    gateway_unread_s_max: Annotated[float, Field(gt=0)] = 30.0
    gateway_body_bytes_max: Annotated[int, Field(ge=1_024)] = 64 * 1_024
    gateway_batch_body_bytes_max: Annotated[int, Field(ge=1_024)] = 1_024 * 1_024
    gateway_body_s_max: Annotated[float, Field(gt=0)] = 10.0
    gateway_grace_s: Annotated[int, Field(ge=1)] = 10
    # The load at which interactive requests are shed; the others lose everything below half of it. The answers in hand
    # have an adaptive limit, which is never higher.
    gateway_answers_in_hand_max: Annotated[int, Field(ge=1)] = 256
    gateway_loop_lag_ms_max: Annotated[float, Field(gt=0)] = 60.0

    key_secret: Annotated[
        SecretStr, AfterValidator(_hex_secret)
    ]  # hex, 16 to 64 bytes; shared by all gateways and the command line of an installation

    # Requests a second of a key that has no quota of its own, in this process; None: not metered.
    gateway_quota_per_s: Annotated[float, Field(gt=0)] | None = None
    gateway_quota_burst_s: Annotated[float, Field(gt=0)] = 10.0

    # One address or several, separated by commas: `http://host:port`, `https://host`, `unix:/path/of/socket`.
    inference_url: Annotated[str, AfterValidator(_inference_addresses)] = "http://127.0.0.1:8081"
    # Between these the adaptive limit of each replica moves: questions in hand, waiting ones included.
    gateway_inference_concurrency_min: Annotated[int, Field(ge=1)] = 4
    gateway_inference_concurrency_max: Annotated[int, Field(ge=1)] = 64
    gateway_inference_slots: Annotated[int, Field(ge=1)] = 3
    gateway_inference_batch_max: Annotated[int, Field(ge=1, le=BATCH_MAX)] = 32
    # A question that waited longer for a slot is a sign of congestion.
    gateway_inference_queue_ms_max: Annotated[float, Field(gt=0)] = 25.0
    gateway_inference_slow_ms: Annotated[float, Field(gt=0)] = 100.0
    gateway_inference_reply_bytes_max: Annotated[int, Field(ge=1_024)] = 512 * 1_024
    gateway_inference_budget_ms_min: Annotated[int, Field(ge=1)] = 5
    # A deadline missed with at least this much left for inference counts as its failure, with less only as slowness.
    gateway_inference_patience_ms: Annotated[int, Field(ge=1)] = 50
    gateway_inference_probe_ms: Annotated[int, Field(ge=1)] = 500
    # What composing and sending an answer takes; the model branch must be done this long before the deadline.
    gateway_answer_reserve_ms: Annotated[int, Field(ge=0)] = 5

    database_url: SecretStr | None = None
    gateway_database_pool_max: Annotated[int, Field(ge=1)] = 8
    gateway_database_timeout_ms: Annotated[int, Field(ge=10)] = 2_000

    gateway_history_users_max: Annotated[int, Field(ge=1)] = 50_000
    gateway_history_interactions_max: Annotated[int, Field(ge=1, le=200)] = 100
    gateway_history_age_s_max: Annotated[int, Field(ge=1)] = 300

    gateway_mirror_poll_s: Annotated[float, Field(gt=0)] = 1.0
    gateway_snapshot_poll_s: Annotated[float, Field(gt=0)] = 2.0
    gateway_snapshots_kept: Annotated[int, Field(ge=1)] = 3

    gateway_spool_events_max: Annotated[int, Field(ge=1)] = 5_000_000
    gateway_spool_queue_max: Annotated[int, Field(ge=1)] = 10_000
    gateway_spool_commit_events_max: Annotated[int, Field(ge=1)] = 1_024
    gateway_spool_remember_s: Annotated[int, Field(ge=1)] = 7 * 86_400
    gateway_ship_batch_max: Annotated[int, Field(ge=1)] = 1_000
    gateway_ship_attempts_max: Annotated[int, Field(ge=1)] = 5
    gateway_ship_backoff_s_max: Annotated[float, Field(gt=0)] = 30.0

    # The challenger's trial is looked at so often: the longest that a broken guardrail goes unnoticed by its gateway.
    gateway_rollout_poll_s: Annotated[float, Field(gt=0, le=10)] = 1.0
    # Users and sessions that always get the baseline, so that the model's uplift can be measured.
    gateway_holdout_share: Annotated[float, Field(ge=0, le=0.5)] = 0.01

    # Some 9 kB each where 20 items are shown with their evidence.
    gateway_decisions_ring_max: Annotated[int, Field(ge=1)] = 4_000
    # Answers beyond are not recorded at all, after a burst of 2 s' worth; `inf` records all.
    gateway_decisions_per_s_max: Annotated[float, Field(gt=0)] = 200.0
    gateway_decisions_share: Annotated[float, Field(ge=0, le=1)] = 1.0

    # Share of answers that leave a line in the log, with their recommendation_id; traced ones always do.
    gateway_answer_log_share: Annotated[float, Field(ge=0, le=1)] = 0.01

    # How often the log gets a line in CloudWatch's embedded metric format. None: never.
    gateway_emf_interval_s: Annotated[float, Field(ge=1, le=3_600)] | None = None

    # Of all answers so many shall be valid and in time; what is left of that over a day is the error budget.
    gateway_objective_share: Annotated[float, Field(ge=0, le=1)] = 0.999

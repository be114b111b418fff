"""Training runs on record: each leaves a line in the audit log, where every gateway finds how the last one ended."""

from collections.abc import Mapping

from evershelf.contracts.training import RunOutcome, TrainingRun, Verdict
from evershelf.storage.audit import write_audit
from evershelf.storage.postgres import Pool, connect, reading, translated
from evershelf.storage.queries import sql

ACTION = "training.run"
NO_VERSION = "none"


async def record_run(
    url: str, outcome: RunOutcome, model_version: str | None, checks: Mapping[Verdict, int], *, actor: str
) -> None:
    """Writes down that a run has ended now. Raises StorageUnavailable."""
    connection = await connect(url)
    try:
        with translated():
            await write_audit(
                connection,
                actor=actor,
                action=ACTION,
                subject=model_version or NO_VERSION,
                detail={"outcome": outcome.value, "checks": {said.value: count for said, count in checks.items()}},
            )
    finally:
        await connection.close()


async def last_run(pool: Pool) -> TrainingRun | None:
    """The newest run on record, or None."""
    async with reading(pool) as connection:
        row = await connection.fetchrow(sql("training_runs.last"))
    if row is None:
        return None
    return TrainingRun(
        ended_at=row["at"],
        outcome=RunOutcome(row["detail"]["outcome"]),
        model_version=None if row["subject"] == NO_VERSION else row["subject"],
        checks={Verdict(verdict): count for verdict, count in row["detail"]["checks"].items()},
    )

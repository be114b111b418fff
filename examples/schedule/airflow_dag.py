"""Airflow: retrain every six hours; a model that the gate held is a skipped task, not a failed one."""

from datetime import datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

GATE_HELD, BUSY = 3, 4

with DAG(
    "evershelf_retrain",
    schedule=timedelta(hours=6),
    start_date=datetime(2026, 1, 1),  # noqa: DTZ001 - Airflow reads it in its own time zone
    catchup=False,
    max_active_runs=1,
) as dag:
    BashOperator(
        task_id="retrain",
        bash_command="evershelf retrain --canary --json",
        skip_on_exit_code=[GATE_HELD, BUSY],
        retries=1,
        execution_timeout=timedelta(hours=2),
    )

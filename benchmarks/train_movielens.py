"""How long training takes on MovieLens 1M, from the extract to the promoted model, and how good the model is.

Usage: python benchmarks/train_movielens.py [--form smoke|short|long] [--json] [--data ../shared/data]
On PostgreSQL, through the same program as `evershelf train`. Without the data it says so and measures nothing. The
short and smoke forms limit the search (`--time-limit`), which costs quality, so that only the long form decides.
"""

import asyncio
import resource
import tempfile
import time
from pathlib import Path

from told import Target, Told, parser

from evershelf.importing.datasets import import_dataset
from evershelf.registry.store import DirectoryRegistry
from evershelf.storage.embedded import EmbeddedPostgres
from evershelf.storage.migrate import migrate
from evershelf.training.pipeline import train
from evershelf.training.settings import TrainingSettings

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
NAME, SECONDS_MAX = {"smoke": "movielens-100k", "short": "movielens-1m", "long": "movielens-1m"}, 60
TIME_LIMIT_S = {"smoke": 5.0, "short": 30.0, "long": 600.0}


def main() -> None:
    """One training; it is long enough to be steady."""
    options = parser(__doc__, rounds=1)
    options.add_argument("--data", type=Path, default=DATA)
    arguments = options.parse_args()
    told, name = Told("train"), NAME[arguments.form]
    what = "MovieLens 1M, extract to promoted"
    if not (arguments.data / name).is_dir():
        told.notes.append(f"skipped: no {name} in {arguments.data}")
        told.targets.append(Target(what, SECONDS_MAX, "s", None, note="no data"))
    else:
        row = measured(arguments.data / name, name, TIME_LIMIT_S[arguments.form])
        told.rows.append(row)
        decides = arguments.form == "long"
        note = f"NDCG@20 {row['ndcg_at_20']:.4f}" + ("" if decides else "; with a shortened search")
        told.targets.append(Target(what, SECONDS_MAX, "s", row["train_s"], note=note))
    told.tell(as_json=arguments.json)


def measured(data: Path, name: str, time_limit_s: float) -> dict[str, float | str]:
    """Import, then training with the clock running."""
    with tempfile.TemporaryDirectory(prefix="evershelf-bench-") as folder_name:
        folder = Path(folder_name)
        folder.chmod(0o755)  # PostgreSQL runs as another account
        postgres = EmbeddedPostgres.start(folder / "postgres")
        try:
            postgres.wait_ready()
            asyncio.run(migrate(postgres.url))
            report = asyncio.run(import_dataset(postgres.url, name, data, rejects=folder / "rejects.jsonl"))
            settings = TrainingSettings(training_time_limit_s=time_limit_s)
            began_s, before = time.monotonic(), _cpu_s()
            outcome = train(postgres.url, DirectoryRegistry(folder / "registry"), settings)
            train_s, cpu_s = time.monotonic() - began_s, _cpu_s() - before
        finally:
            postgres.stop()
    metrics = outcome.manifest.metrics
    return {
        "data": name,
        "imported_per_s": report.rows_per_s,
        "train_s": train_s,
        "train_cpu_s": cpu_s,
        "promoted": str(outcome.promoted).lower(),
        "ndcg_at_20": metrics["ndcg_at_20"],
        "recall_at_20": metrics["recall_at_20"],
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024,
    }


def _cpu_s() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


if __name__ == "__main__":
    main()

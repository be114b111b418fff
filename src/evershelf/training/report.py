"""The report of a training run: data, checks, trials and figures as JSON, and as one page that needs nothing else."""

from collections.abc import Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import TypeAlias

import numpy as np
import orjson
from pydantic import JsonValue

from evershelf.contracts.manifest import ServingConfig
from evershelf.training.evaluate import Comparison
from evershelf.training.extract import TrainingData
from evershelf.training.fit import Parameters
from evershelf.training.selection import Selection, Trial
from evershelf.training.validate import DataCheck

REPORT_NAME = "report.json"
PAGE_NAME = "report.html"
# Events are counted in at most so many stretches of time.
STRETCHES_MAX = 120

Report: TypeAlias = dict[str, JsonValue]
_WIDTH, _HEIGHT, _EDGE = 640, 180, 34
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1d2430}"
    "table{border-collapse:collapse;margin:.5rem 0}td,th{padding:.2rem .8rem;border-bottom:1px solid #d9dee6;"
    "text-align:left;font-variant-numeric:tabular-nums}svg{display:block;margin:.5rem 0}h2{margin-top:2rem}"
)


def report_of(
    data: TrainingData,
    checks: Sequence[DataCheck],
    selection: Selection,
    comparison: Comparison,
    serving: ServingConfig,
    *,
    seed: int,
) -> Report:
    """All that was seen on the way to a model, as plain values: the same data and seed give the same report."""
    interactions = data.interactions
    counts, edges = np.histogram(interactions.days, bins=min(STRETCHES_MAX, max(1, int(np.ptp(interactions.days)))))
    per_item = np.sort(np.bincount(interactions.items, minlength=interactions.item_count))[::-1]
    return {
        "data": {
            "sha256": data.sha256(),
            "events": len(interactions),
            "users": interactions.user_count,
            "items": interactions.item_count,
            "items_without_events": int((per_item == 0).sum()),
            "days": [float(day) for day in edges[:-1]],
            "events_a_stretch": [int(count) for count in counts],
        },
        "seed": seed,
        "checks": [{"name": check.name, "verdict": str(check.verdict), "detail": check.detail} for check in checks],
        "trials": [_trial(trial, selection.parameters) for trial in selection.trials],
        "search_complete": selection.complete,
        "chosen": asdict(selection.parameters),
        "test": {name: float(value) for name, value in comparison.metrics().items()},
        "confidence": [bucket.model_dump(mode="json") for bucket in serving.confidence],
        "evidence_items_min": serving.evidence_items_min,
        "personal_share_min": serving.personal_share_min,
    }


def write_report(folder: Path, report: Report) -> None:
    """Both forms, as files of a version."""
    (folder / REPORT_NAME).write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
    (folder / PAGE_NAME).write_text(page_of(report))


def page_of(report: Report) -> str:
    """The report as HTML with its plots inside; no script, nothing from elsewhere."""
    data, test, trials, confidence = report["data"], report["test"], report["trials"], report["confidence"]
    assert isinstance(data, dict)
    assert isinstance(test, dict)
    assert isinstance(trials, list)
    assert isinstance(confidence, list)
    facts = [(name, value) for name, value in data.items() if not isinstance(value, list)]
    scores = [_number(trial, "ndcg_at_20") for trial in trials]
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Training run</title><style>{_STYLE}</style>",
        "<h1>Training run</h1><h2>Data</h2>",
        _table(("fact", "value"), [*facts, ("seed", report["seed"])]),
        "<p>Events over time</p>",
        _line(_numbers(data["events_a_stretch"])),
        _table(("check", "verdict", "detail"), [tuple(check.values()) for check in _rows(report["checks"])]),
        "<h2>Search</h2><p>NDCG@20 of each trial on the tuning window (some on a quarter of users), best so far</p>",
        _line(scores, np.maximum.accumulate(scores).tolist() if scores else []),
        _table(
            ("trial", "NDCG@20", "all users", "differs from the chosen in"),
            [
                (n, f"{_number(t, 'ndcg_at_20'):.4f}", t["qualified"], t["differs"])
                for n, t in enumerate(_rows(trials), start=1)
            ],
        ),
        "<h2>Test window</h2>",
        _table(("figure", "value"), [(name, f"{_number(test, name):.4f}") for name in test]),
        "<h2>Confidence</h2><p>NDCG@20 of the model and of popularity by known items of the history</p>",
        _table(
            ("known items", "users", "hit rate", "NDCG@20", "popularity"),
            [tuple(row.values()) for row in _rows(confidence)],
        ),
        _line(*([_number(row, name) for row in _rows(confidence)] for name in ("ndcg", "popularity_ndcg"))),
        f"<p>Confident from {report['evidence_items_min']} items, {report['personal_share_min']} personal.</p></html>",
    ]
    return "\n".join(parts)


def _trial(trial: Trial, chosen: Parameters) -> dict[str, JsonValue]:
    wanted = asdict(chosen)
    differs = [f"{name}={value}" for name, value in asdict(trial.parameters).items() if value != wanted[name]]
    return {
        "ndcg_at_20": trial.ndcg_at_20,
        "qualified": trial.qualified,
        "differs": ", ".join(differs) or "nothing: this is it",
    }


def _rows(value: JsonValue) -> list[dict[str, JsonValue]]:
    assert isinstance(value, list)
    return [row for row in value if isinstance(row, dict)]


def _numbers(value: JsonValue) -> list[float]:
    assert isinstance(value, list)
    return [float(number) for number in value if isinstance(number, int | float)]


def _number(row: JsonValue, name: str) -> float:
    assert isinstance(row, dict)
    value = row[name]
    return float(value) if isinstance(value, int | float) else 0.0


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    cells = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = ("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{cells}</tr>{''.join(lines)}</table>"


def _line(*series: Sequence[float]) -> str:
    """One polyline a series, all on one scale that begins at zero."""
    top = max((max(values, default=0.0) for values in series), default=0.0) or 1.0
    lines = []
    for values, colour in zip(series, ("#2f6fde", "#d9822b", "#3d9a5f"), strict=False):
        step = (_WIDTH - 2 * _EDGE) / max(len(values) - 1, 1)
        points = " ".join(
            f"{_EDGE + place * step:.1f},{_HEIGHT - _EDGE - value / top * (_HEIGHT - 2 * _EDGE):.1f}"
            for place, value in enumerate(values)
        )
        lines.append(f'<polyline fill="none" stroke="{colour}" stroke-width="1.5" points="{points}"/>')
    base = _HEIGHT - _EDGE
    axis = f'<path d="M{_EDGE} {_EDGE}V{base}H{_WIDTH - _EDGE}" fill="none" stroke="#8a94a6"/>'
    label = f'<text x="{_EDGE}" y="{_EDGE - 8}" font-size="12">{top:.4g}</text>'
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" role="img">{axis}{label}{"".join(lines)}</svg>'
